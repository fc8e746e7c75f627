/* SPDX-License-Identifier: GPL-2.0 */
/* Another process, which does what it is told: for tests of handles that are attached. */
#ifndef TEST_TARGET_H
#define TEST_TARGET_H

#include "view.h"

/* What a target can be asked for; @arg is an address where one is needed. */
enum target_question {
	TARGET_CALL,	/* call a function; its result, or minus the signal it got */
	TARGET_RUN,	/* the same without a guard against signals, which needs system calls */
	TARGET_LOAD,	/* load a long; 0 - signal if it cannot be */
	TARGET_STORE,	/* store 4711 there; 0 or minus the signal */
	TARGET_ENTER,	/* open a handle of its own, if it has none, and enter a view */
	TARGET_EXEC,	/* exec, answer, and wait for its end */
	TARGET_QUIT,	/* end */
};

struct target {
	pid_t pid;
	int pidfd;
	int ask[2];
	int answer[2];
	void (*prepare)(void *arg);
	void *arg;
};

/* Starts one, which calls @prepare (if not NULL) and then waits for questions. */
void target_start(struct target *t, void (*prepare)(void *arg), void *arg);
long target_ask(struct target *t, enum target_question what, const volatile void *arg);
/* What a target does after @prepare; for one that shall do it in another thread. */
void target_serve(struct target *t);
void target_kill(struct target *t);

/* Attaches a fresh handle: its descriptor, or a negative errno. */
int try_attach(int pidfd);
int try_attach_with(int fd, int pidfd);
#define attach(t)										\
	({											\
		int attached_ = try_attach((t)->pidfd);						\
		CHECK_OK(attached_);								\
		attached_;									\
	})

long try_map(int fd, int file, unsigned int prot, void **addr, size_t len, uint64_t offset);
long try_map_near(int fd, int file, unsigned int prot, void **addr, size_t len, uint64_t distance);
long try_unmap(int fd, const volatile void *addr, size_t len);

#endif
