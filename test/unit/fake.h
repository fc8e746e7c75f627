/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel for the library's tests: answers the library's system calls on /dev/wfpatch (the linker's
 * --wrap leads them here) from a small model of views, threads and events. Other files are real.
 */
#ifndef FAKE_H
#define FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <wfpatch.h>

#define FAKE_PATH "/dev/wfpatch"

/* Begin a test: no handles, no views, no threads but the calling one. */
int fake_reset(void **state);
/* At a test's end: nothing of the library's is open any more. */
int fake_check(void **state);

/* What the kernel has been asked. */
unsigned int fake_requests(unsigned long cmd);	/* since fake_reset() */
const void *fake_last_request(void);		/* a copy of the last one's struct, as it came */
const char *fake_last_path(void);		/* of open(2) */
int fake_last_flags(void);
unsigned int fake_open_handles(void);

/* Let the next @times requests @cmd fail. */
void fake_fail(unsigned long cmd, int error, unsigned int times);
/* Let mmap(2) of a handle fail, after @after that work; what it would have replaced is gone. */
/* What INFO gives as the module's version, until fake_reset(). */
void fake_api_version(unsigned int version);
void fake_fail_mmap(int error, unsigned int after);
/* Called once, in the next request @cmd and before it is served. */
void fake_before(unsigned long cmd, void (*hook)(void));
/* Serves requests in place of the model, but for those that it answers with -ENOTTY. */
void fake_serve(int (*serve)(unsigned long cmd, void *arg));
/* Called whenever the library would sleep in poll(2). */
void fake_on_poll(void (*hook)(void));
/* The next read(2) finds nothing: another reader has been faster. */
void fake_steal_event(void);
/* The process is gone. */
void fake_hang_up(void);

/* The model: the process's status page, threads beside the calling one, views, events. */
struct wfpatch_status *fake_status(void);
void fake_add_thread(int tid, unsigned int view);
void fake_move_thread(int tid, unsigned int view);
bool fake_view_exists(unsigned int view);
void fake_transition(unsigned int view);	/* as if another handle had asked for it */
void fake_send(struct wfpatch_event event);
unsigned int fake_current_view(void);		/* of the calling thread */
void fake_read_view(unsigned int view, const void *addr, void *data, size_t len);

/* Open a handle of the library, and fail the test if it cannot be. */
struct wfpatch *fake_open(void);

#endif
