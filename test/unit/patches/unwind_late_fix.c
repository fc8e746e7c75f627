// SPDX-License-Identifier: GPL-2.0
/* New versions of what unwind_late.c has. */
#include <pthread.h>
#include <unistd.h>

extern void clean(void *by);
extern int depth(int n);

int waits(int n)
{
	int by = 3;

	pthread_cleanup_push(clean, &by);
	pause();
	pthread_cleanup_pop(0);
	return n;
}

int traced(int n)
{
	return depth(n) + 1000;
}
