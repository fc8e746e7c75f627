// SPDX-License-Identifier: GPL-2.0
/*
 * A function with a loop that is called where threads are started is not what they run.
 * verdict: can be patched
 * replaced: stop
 * only: gcc-O1 gcc-Os clang
 */
#include <pthread.h>

int running[8];

void *run(void *nothing)
{
	while (__atomic_load_n(&running[0], __ATOMIC_ACQUIRE))
		;
	return nothing;
}
__attribute__((noinline)) void stop(int nr)
{
	int i;

	for (i = 0; i < nr; i++)
#ifdef NEW
		__atomic_store_n(&running[nr - 1 - i], 0, __ATOMIC_RELEASE);
#else
		__atomic_store_n(&running[i], 0, __ATOMIC_RELEASE);
#endif
}
int start(pthread_t *thread, int nr)
{
	stop(nr);
	return pthread_create(thread, NULL, run, NULL);
}
