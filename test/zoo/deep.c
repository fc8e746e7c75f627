// SPDX-License-Identifier: GPL-2.0
/* Threads that sleep in the kernel with megabytes of their stacks in use, and call the function there. */
#include <string.h>
#include "pair.h"
#include "zoo.h"

#define STACK (8 << 20)

ZOO_FUNCTION static int deep(volatile char *space, unsigned int depth)
{
	volatile char more[64 << 10];

	memset((char *)more, depth, sizeof(more));
	if (depth)
		return deep(more, depth - 1) + more[5] - space[7];
	while (!zoo_stopping()) {
		zoo_count(outer(0));
		zoo_sleep(50000);
	}
	return more[3];
}

static void *thread(void *argument)
{
	char space[16] = { 0 };

	/* 7 of its 8 MiB. */
	deep(space, 112);
	return argument;
}

int main(int argc, char **argv)
{
	pthread_attr_t attributes;
	pthread_t ids[3];
	int i;

	zoo_start(argc, argv);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	for (i = 0; i < 3; i++)
		zoo_must("pthread_create", pthread_create(&ids[i], &attributes, thread, NULL));
	zoo_ready();
	zoo_wait();
	for (i = 0; i < 3; i++)
		zoo_must("pthread_join", pthread_join(ids[i], NULL));
	return 0;
}
