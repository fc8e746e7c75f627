// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that are cancelled while they are in the patched function: it has a clean-up handler, and
 * the unwinder has to get through it.
 */
#include <pthread.h>
#include <stddef.h>
#include "zoo.h"

void cleaned(void *argument);
void stay(void);

ZOO_FUNCTION int inner(int *answer)
{
	pthread_cleanup_push(cleaned, answer);
	*answer |= ZOO_OLD_INNER;
	stay();
	pthread_cleanup_pop(0);
	return *answer;
}

ZOO_FUNCTION int outer(int *answer)
{
	int result;

	*answer = ZOO_OLD_OUTER;
	pthread_cleanup_push(cleaned, answer);
	result = inner(answer);
	pthread_cleanup_pop(0);
	return result;
}

/* Both functions' clean-ups have to run. */
ZOO_FUNCTION void cleaned(void *argument)
{
	int *answer = argument;

	*answer += 0x1000;
}

/* Where it is cancelled. */
ZOO_FUNCTION void stay(void)
{
	for (;;)
		zoo_sleep(100000);
}

static void *victim(void *argument)
{
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	outer(argument);
	return NULL;
}

static void *thread(void *argument)
{
	pthread_t child;
	void *result;

	while (!zoo_stopping()) {
		unsigned int want = zoo_begin();
		int answer = 0;

		zoo_must("pthread_create", pthread_create(&child, NULL, victim, &answer));
		zoo_sleep(20000);
		zoo_must("pthread_cancel", pthread_cancel(child));
		zoo_must("pthread_join", pthread_join(child, &result));
		/* It may have been cancelled before it called. */
		if (!answer)
			continue;
		if (result != PTHREAD_CANCELED || answer >> 12 != 2)
			zoo_error("cancelled with %d clean-ups", answer >> 12);
		zoo_end(want, answer & 0xfff);
	}
	return argument;
}

int main(int argc, char **argv)
{
	int i;

	zoo_start(argc, argv);
	for (i = 0; i < 3; i++)
		zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
