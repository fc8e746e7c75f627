/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests that patch programs: they are compiled from patches/ into a directory, run, and asked what
 * they compute. cmocka's assertions are used inside.
 */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include <stdio.h>
#include <sys/types.h>
#include <wfpatch/apply.h>
#include "image.h"

/* The tests' directory: as setup and teardown of a group of tests. */
int make_dir(void **state);
int remove_dir(void **state);
extern char dir[];
const char *in_dir(const char *name);

/* Run a command there; $S is where the sources are. */
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct target {
	pid_t pid;
	FILE *to;
	FILE *from;
};

void start(struct target *target, const char *program);
/* It ends by itself, with status 0. */
void stop(struct target *target);
int ask(struct target *target, const char *name, int n);

/*
 * Pack and open. The options' object, target and replace (which a NULL ends) are wanted. NULL if
 * packing fails with @expected; @err gets the line about it.
 */
struct wfpatch_patch *pack_with(struct wfpatch_pack_opts *opts, int expected, char *err,
				size_t size);
struct wfpatch_patch *pack(const char *object, const char *binary, const char *const *replace);
struct wf_image *link_ok(struct target *target, struct wfpatch_patch *patch);
/* Pack "fix.o", link and inject. */
struct wf_image *patch_now(struct target *target, const char *binary, const char *const *replace);

#endif
