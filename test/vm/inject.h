/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failures that the kernel injects (CONFIG_FAULT_INJECTION): the nth allocation, or copy from or to
 * user memory, of each task that is asked for fails. n grows until nothing is left that could fail.
 */
#ifndef TEST_INJECT_H
#define TEST_INJECT_H

#include "harness.h"

#define INJECT_TASKS	64

struct injector {
	enum {
		INJECT_TASK,	/* allocations and copies of the tasks in @fds */
		INJECT_WORKERS,	/* the same of the kernel's workers that are bound to no processor */
		INJECT_COPIES,	/* copies of the calling thread */
	} what;
	unsigned int nr;
	int fds[INJECT_TASKS];		/* /proc/PID/task/TID/fail-nth */
	int tids[INJECT_TASKS];
};

/* Skips where the kernel injects no failures. What it sets is put back when the test has ended. */
void inject_prepare(void);

/* For inject_all(); INJECT_TASK: then tasks are to be added. */
struct injector injector_of_caller(void);
struct injector injector_of_workers(void);
struct injector injector_of_copies(void);
void injector_add(struct injector *injector, pid_t pid, pid_t tid);

/* What is done again and again, each time with another failure. */
struct trial {
	long (*call)(void);		/* 0, or of a failure -ENOMEM, -EFAULT or -EAGAIN */
	void (*undo)(void);		/* after a success, which it checks; or NULL */
	/* What there is before and after a call that fails; a number of bytes. Or NULL. */
	size_t (*picture)(char *to, size_t room);
	long plain;			/* what the call gives without a failure */
	unsigned int enough;		/* what comes behind so many is more of the same; 0: all */
};

struct trial_result {
	unsigned int injected;		/* calls during which something failed */
	unsigned int failed;		/* those of them that said so */
};

struct trial_result inject_all(struct injector *injector, const struct trial *trial);

#endif
