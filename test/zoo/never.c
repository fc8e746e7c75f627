// SPDX-License-Identifier: GPL-2.0
/*
 * One thread that never returns from the patched function, and three that call it again and again.
 * The patch cannot be applied; meanwhile the three answer with the new code.
 */
#include <pthread.h>
#include <stddef.h>
#include "zoo.h"

ZOO_FUNCTION int inner(unsigned int microseconds)
{
	zoo_spin(microseconds);
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(unsigned int microseconds, bool forever)
{
	int answer;

	do {
		answer = inner(microseconds);
		if (forever)
			zoo_sleep(20000);
	} while (forever && !zoo_stopping());
	return ZOO_OLD_OUTER | answer;
}

static void *stay(void *argument)
{
	pthread_setname_np(pthread_self(), "stays");
	zoo_add(&zoo->inside, 1);
	outer(100, true);
	return argument;
}

static void *thread(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(outer(100, false));
		zoo_sleep(1000);
	}
	return argument;
}

int main(int argc, char **argv)
{
	int i;

	zoo_start(argc, argv);
	zoo_thread(stay, NULL);
	for (i = 0; i < 3; i++)
		zoo_thread(thread, NULL);
	while (!zoo_get(&zoo->inside))
		zoo_sleep(1000);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
