/* SPDX-License-Identifier: GPL-2.0 */
/* Functions to be replaced, and transitions that the module makes. */
#ifndef TEST_AUTO_H
#define TEST_AUTO_H

#include "view.h"

/* A function that calls another while it is inside, and what takes its place: 1 and 2 in turn. */
typedef long (*inside_fn)(long (*call)(void *arg), void *arg);
long old_code(long (*call)(void *arg), void *arg);
long new_code(long (*call)(void *arg), void *arg);
/* The same, for pairs: what it calls should see the same. */
long old_pair(void);
long new_pair(void);
/* Calls itself, deeper and deeper, then waits for the flag at the bottom. */
long old_deep(int depth, int *flag);
long new_deep(int depth, int *flag);
/* Waits in vfork() until the child has seen the flag. */
long old_vforks(int *flag);
long new_vforks(int *flag);
/* Ends with the call of a function that does not return. */
void old_last(void *flag);

/* The spans of these functions; ENTRY is set. Returns their number. */
unsigned int auto_spans(struct wfpatch_span *spans);
/* A view in which the old functions jump to the new. */
uint32_t auto_view(void);

long try_auto(int fd, uint32_t view);
long try_auto_here(int fd, uint32_t view);	/* in the calling thread */
long try_commit(int fd, uint32_t view);
long try_list_blocked(int fd, struct wfpatch_blocked_info *infos, uint32_t room, uint32_t *total);

/* A transition that the module makes, to its end. */
void go(uint32_t view);
/* What LIST_BLOCKED has of a thread, until the next call; NULL if nothing. To wait for that: for some seconds. */
const struct wfpatch_blocked_info *find_blocked(pid_t tid);
const struct wfpatch_blocked_info *wait_blocked(pid_t tid, uint32_t reason);
/* Is it an address in old_code(), and not its entry? */
bool in_old_code(uint64_t word);

/* For a thread to do: sleep until the int at @flag is set. */
long wait_flag(void *flag);
long be_inside(void *flag);	/* the same, in old_code() */

/* The view of a thread, by the test's handle. To wait for it: for some seconds. */
uint32_t view_of(pid_t tid);
void wait_view(pid_t tid, uint32_t view);

#endif
