/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine that a test runs on: settings that are put back when the test has ended, however it
 * ended, and control groups.
 */
#ifndef TEST_GUEST_H
#define TEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* For the harness. */
bool guest_init(void);
void guest_restore(void);

/* Let a thread, 0 for the calling one, run on this processor only. */
void guest_run_on(pid_t tid, int cpu);
void guest_need_two_processors(void);

/* Write a file of /proc or /sys until the end of the test; false if it cannot be. */
bool guest_set(const char *path, const char *value);
/* The same; the test is skipped if it cannot be. */
void guest_need(const char *path, const char *value);

/* Write to a file when the test has ended. */
void guest_undo(const char *path, const char *value);

/*
 * Does someone redirect this function of the kernel, as the module's hooks do? With NULL: any. Skips
 * where the kernel does not list them.
 */
bool guest_redirects(const char *function);

/*
 * Count calls of a function of the kernel, by a probe, from now to the end of the test. Skips where
 * it cannot be probed.
 */
void guest_count_calls(const char *function);
long guest_calls(void);

/* Swap in compressed memory, until the end of the test. Skips where the kernel has no zram. */
void guest_swap(void);
/* A directory of a file system that writes pages back to a disk, until the end of the test. */
const char *guest_filesystem(void);

/* Move the caller into a new group, which goes when the test ends. Skips without cgroup2 memory. */
void cgroup_enter(void);
bool cgroup_set(const char *file, const char *value);
long cgroup_number(const char *file);
long cgroup_value(const char *file, const char *key);

/* An ordinary user, in this process and its children. */
void become_nobody(void);

#endif /* TEST_GUEST_H */
