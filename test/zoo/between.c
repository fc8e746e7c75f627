// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that are outside the patched function only for the few instructions between two calls:
 * whenever the kernel looks they are asleep inside, or just called it.
 */
#include <stddef.h>
#include "zoo.h"

ZOO_FUNCTION int inner(unsigned int microseconds)
{
	zoo_sleep(microseconds);
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(unsigned int microseconds)
{
	int answer;

	zoo_sleep(microseconds);
	answer = inner(microseconds);
	zoo_sleep(microseconds);
	return ZOO_OLD_OUTER | answer;
}

static void *thread(void *argument)
{
	do
		zoo_count(outer(70000));
	while (!zoo_stopping());
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
