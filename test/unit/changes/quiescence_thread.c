// SPDX-License-Identifier: GPL-2.0
/*
 * What a thread runs from its start on.
 * verdict: cannot be patched
 * refused: quiescence
 */
#include <pthread.h>
int read_event(void), handle(int);
static int stop;
static void *worker(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int event = read_event();

#ifdef NEW
		if (event > 5)
			continue;
#endif
		handle(event);
	}
	return arg;
}

int begin(pthread_t *thread)
{
	return pthread_create(thread, NULL, worker, NULL);
}
