// SPDX-License-Identifier: GPL-2.0
/* Threads that are blocked in clock_nanosleep(2). They are woken by a signal, and by nothing else. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include "zoo.h"

#define THREADS 8

static pthread_t sleepers[THREADS];
static unsigned int woken[THREADS];
static _Thread_local volatile int signalled;

static void handler(int signal)
{
	(void)signal;
	signalled = 1;
}

static long block(unsigned int thread)
{
	struct timespec hour = { 3600, 0 };
	int err;

	sleepers[thread] = pthread_self();
	err = clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL);
	__atomic_fetch_add(&woken[thread], 1, __ATOMIC_SEQ_CST);
	if (err == EINTR && signalled) {
		signalled = 0;
		return 0;
	}
	errno = err;
	return zoo_check("clock_nanosleep", err ? -1 : 0);
}

/* The signal may come before the thread sleeps; at the end the thread may not sleep any more. */
static void release(unsigned int thread)
{
	unsigned int seen = __atomic_load_n(&woken[thread], __ATOMIC_SEQ_CST), tries = 0;

	while (__atomic_load_n(&woken[thread], __ATOMIC_SEQ_CST) == seen) {
		if (zoo_stopping() && tries++ > 25)
			break;
		zoo_must("pthread_kill", pthread_kill(sleepers[thread], SIGUSR1));
		zoo_sleep(20000);
	}
}

int main(int argc, char **argv)
{
	static const struct zoo_blocked blocked = { block, release, THREADS };
	struct sigaction action = { .sa_handler = handler };

	zoo_start(argc, argv);
	sigaction(SIGUSR1, &action, NULL);
	return zoo_blocked(&blocked);
}
