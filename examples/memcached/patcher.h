/* SPDX-License-Identifier: GPL-2.0 */
/* The patcher inside memcached: what the worker loop and main() of memcached see of it. */
#ifndef PATCHER_H
#define PATCHER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* In the shared object of a fix: the names of the functions it replaces, NULL at the end. */
extern const char *const patcher_fixed_functions[];

/*
 * Starts the patcher, which listens on a UNIX socket at @path; does nothing if @path is NULL.
 * @nr_workers threads go through wfpatch_quiesce() and patcher_barrier(), and @wake makes each of
 * them do so soon. Returns false, with a line on stderr, if it could not be started.
 */
bool patcher_start(const char *path, unsigned int nr_workers, void (*wake)(void));

/* In the barrier only: what a worker does at its point while the patcher wants all to stop. */
void patcher_stop_here(void);
extern atomic_bool patcher_wants_stop;

static inline void patcher_barrier(void)
{
	if (atomic_load_explicit(&patcher_wants_stop, memory_order_acquire))
		patcher_stop_here();
}

#endif /* PATCHER_H */
