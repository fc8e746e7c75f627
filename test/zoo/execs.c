// SPDX-License-Identifier: GPL-2.0
/*
 * A process that executes itself anew when told to go, while one of its threads is inside the patched
 * function for so long that the patch is still on its way. The new program has old code.
 */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include "zoo.h"

ZOO_FUNCTION int inner(unsigned int microseconds)
{
	zoo_sleep(microseconds);
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(unsigned int microseconds)
{
	return ZOO_OLD_OUTER | inner(microseconds);
}

static void *stay(void *argument)
{
	zoo_add(&zoo->inside, 1);
	if (!zoo_get(&zoo->rounds))
		zoo_count(outer(20 * 1000000));
	return argument;
}

static void *thread(void *argument)
{
	while (!zoo_stopping())
		zoo_count(outer(1000));
	return argument;
}

int main(int argc, char **argv)
{
	uint64_t executed;

	zoo_start(argc, argv);
	executed = zoo_get(&zoo->rounds);
	zoo_thread(stay, NULL);
	zoo_thread(thread, NULL);
	while (!zoo_get(&zoo->inside))
		zoo_sleep(1000);
	zoo_ready();
	while (!zoo_stopping()) {
		zoo_sleep(5000);
		if (executed || !zoo_get(&zoo->go))
			continue;
		zoo_add(&zoo->rounds, 1);
		execv("/proc/self/exe", argv);
		zoo_check("execv", -1);
	}
	zoo_join();
	return 0;
}
