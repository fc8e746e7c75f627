// SPDX-License-Identifier: GPL-2.0
/*
 * When told to go, one thread stays inside the patched function for some seconds; three others go on
 * calling it. They come over at once, the patch is complete when the one leaves.
 */
#include <pthread.h>
#include <stddef.h>
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
	uint64_t seen = 0;

	pthread_setname_np(pthread_self(), "stays");
	while (!zoo_stopping()) {
		zoo_sleep(5000);
		if (zoo_get(&zoo->go) == seen)
			continue;
		seen = zoo_get(&zoo->go);
		zoo_add(&zoo->inside, 1);
		zoo_count(outer(zoo_option("seconds", 3) * 1000000));
		zoo_add(&zoo->inside, -1);
		zoo_add(&zoo->rounds, 1);
	}
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
	int i;

	zoo_start(argc, argv);
	zoo_thread(stay, NULL);
	for (i = 0; i < 3; i++)
		zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
