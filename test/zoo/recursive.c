// SPDX-License-Identifier: GPL-2.0
/*
 * A function that calls itself, directly and through another. A trap at its entry is met on a stack
 * that is not clean. One thread is at the bottom for long.
 */
#include <stddef.h>
#include "zoo.h"

int outer(unsigned int depth, unsigned int microseconds);

ZOO_FUNCTION int inner(unsigned int depth, unsigned int microseconds)
{
	if (depth && (outer(depth - 1, microseconds) & 0xf0) != ZOO_OLD_OUTER)
		return 0;
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(unsigned int depth, unsigned int microseconds)
{
	int answer;

	if (!depth)
		zoo_sleep(microseconds);
	else if (depth > 20 && outer(depth - 20, 0) != ZOO_OLD)
		return 0;
	answer = inner(depth, microseconds);
	return ZOO_OLD_OUTER | answer;
}

static void *thread(void *argument)
{
	while (!zoo_stopping())
		zoo_count(outer(40, argument ? 300000 : 300));
	return NULL;
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_thread(thread, &zoo);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
