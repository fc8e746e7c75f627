// SPDX-License-Identifier: GPL-2.0
/* Thousands of threads, asleep in the kernel most of the time, that call the function in turn. */
#include <stddef.h>
#include "pair.h"
#include "zoo.h"

static void *thread(void *argument)
{
	unsigned int i = (uintptr_t)argument;

	while (!zoo_stopping()) {
		zoo_count(outer(0));
		zoo_sleep(1000000 + i % 100 * 20000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long i;

	zoo_start(argc, argv);
	for (i = 0; i < zoo_option("threads", 1000); i++)
		zoo_thread(thread, (void *)i);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
