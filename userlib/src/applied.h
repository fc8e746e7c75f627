/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between applied.c, which reads from a process what is applied to it, and who needs more of that. */
#ifndef WF_APPLIED_H
#define WF_APPLIED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <wfpatch/apply.h>
#include "header.h"
#include "image.h"

/**
 * struct wf_applied - a patch image that is mapped into a process
 * @pub: what callers of the library see
 * @writes: array of @nr_writes; @old is what a revert puts back, @new is there while the patch is used
 * @function: for each write, the number of the function in @pub.info.functions, or
 *	WF_HEADER_NO_FUNCTION
 * @active: for each write, whether its new bytes are in the process now
 * @covered: for each write, the number in the list of the later patch whose bytes are there, or -1
 * @text_start, @text_end: code of the image
 * @code: for each function of @pub.info, where its new code is; in @memory
 * @hooks: what is needed to have its hooks run; in @memory
 * @shadow: the table of shadow variables that it uses; 0 if none
 */
struct wf_applied {
	struct wfpatch_applied pub;
	struct wf_image_write *writes;
	unsigned int *function;
	bool *active;
	int *covered;
	unsigned int nr_writes;
	uint64_t text_start;
	uint64_t text_end;
	const struct wf_header_function *code;
	struct wf_hooks hooks;
	uint64_t shadow;
	void *memory;
};

struct wf_applied_list {
	struct wf_applied *patches; /* in the order of their sequence */
	unsigned int nr;
};

/*
 * Whom to read the process's memory from: itself, or, when its first thread has ended, another of its
 * threads, since /proc/PID shows nothing then.
 */
pid_t wf_reader(pid_t pid);

/* Has it ended, or as good as that? @pid is one of wf_reader(). */
bool wf_process_is_gone(pid_t pid);

/* @pid is one of wf_reader(). */
int wf_applied_read(pid_t pid, struct wf_applied_list *list, char *err, size_t err_size);
void wf_applied_drop(struct wf_applied_list *list);

/* It was applied, and neither it nor a later patch in its place is in use: a revert has left it. */
bool wf_applied_unused(const struct wf_applied *patch);

/*
 * It has a post-revert hook that has not run, and is to: what it would undo may have been done. Its image
 * is kept for that.
 */
bool wf_applied_owes(const struct wf_applied *patch);

/* It has hooks: a thread may be in its image, or be sent there, though nothing else leads to it. */
bool wf_applied_has_hooks(const struct wf_applied *patch);

/* Ask the process again what has become of its hooks. */
int wf_applied_reread(pid_t pid, struct wf_applied *patch);

/* Its name is among those that the patch takes the place of. */
bool wf_applied_replaced(const struct wf_applied *patch, const struct wfpatch_patch_info *by);

/* How a write's place is a span: a data word or a stub for the unwinder must not become a trap. */
unsigned int wf_applied_span_flags(const struct wf_applied *patch, unsigned int write);

/*
 * Where code ends that fills @len bytes with zeros behind it. What comes after it is data, in which a
 * pointer to the first word would look like a return address, were the end of the page taken for it.
 */
uint64_t wf_text_len(const unsigned char *text, uint64_t len);

/* An image in a process, and the code in it. */
struct wf_extent {
	uint64_t start;
	uint64_t end;
	uint64_t text_start;
	uint64_t text_end;
};

struct wf_extent wf_applied_extent(const struct wf_applied *patch);

/*
 * points.c: does a word of the process's memory point into an image that a transition has led all
 * threads out of? 1 with where it is, or 0.
 */
int wf_points_into(pid_t pid, const struct wf_extent *extent, uint64_t *where);

#endif
