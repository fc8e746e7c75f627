/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fake kernel's answers about another process that is patched. Its memory is the test program's
 * own, its threads are numbers: MAP, UNMAP and VIEW_COMMIT really happen, transitions are played.
 */
#ifndef FAKE_TARGET_H
#define FAKE_TARGET_H

#include "fake.h"

/* Begin: one view, the base, and threads 1 to @nr_threads in it. */
void target_begin(unsigned int nr_threads);

/* Let the request after the next @after fail, whichever it is; requests so far since target_begin(). */
void target_fail(unsigned int after, int error);
unsigned int target_requests(void);
/* The next requests @cmd end by a signal. target_interrupted(): how many have. */
void target_interrupt(unsigned long cmd, unsigned int times);
unsigned int target_interrupted(void);
/* The request that failed. */
unsigned long target_failed(void);

/* How a thread behaves: as others; it never leaves the old code; it never leaves the new. */
enum target_hold { TARGET_MOVES, TARGET_STAYS_OLD, TARGET_STAYS_NEW };
void target_hold(unsigned int thread, enum target_hold how);
/* The next requests of VIEW_COMMIT find a thread elsewhere, that was just born. */
void target_born(unsigned int times);
/* The next requests of VIEW_COMMIT find the transition not ended yet, though all have come. */
void target_slow(unsigned int times);
/* The next MAPs find the place taken. */
void target_taken(unsigned int times);
/* Another handle makes a view before the next VIEW_CREATE. */
void target_intrude(void);
/* No event comes: the queue was full. */
void target_lose_events(void);
/* Called at the next VIEW_COMMIT. */
void target_before_commit(void (*hook)(void));

unsigned int target_views(void);  /* but for the base */
unsigned int target_mapped(void); /* pages */
unsigned int target_threads_in(unsigned int view);
unsigned int target_commits(void);
/* The spans of the last TRANSITION, and its flags. */
const struct wfpatch_span *target_spans(unsigned int *nr, unsigned int *flags);
bool target_was_span(const void *start, bool entry);

#endif
