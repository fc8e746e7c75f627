// SPDX-License-Identifier: GPL-2.0
/* Threads that are born and die all the time, some of them started by such threads. */
#include <stddef.h>
#include "pair.h"
#include "zoo.h"

static pthread_attr_t attributes;

static void *thread(void *argument)
{
	pthread_t child;
	int err = 0;

	zoo_count(outer(50));
	if (!argument) {
		err = pthread_create(&child, &attributes, thread, &zoo);
		zoo_must("pthread_create", err);
	}
	zoo_count(outer(50));
	if (!argument && !err)
		zoo_must("pthread_join", pthread_join(child, NULL));
	zoo_add(&zoo->rounds, 1);
	return NULL;
}

static void *parent(void *argument)
{
	pthread_t children[4];
	int i;

	while (!zoo_stopping()) {
		for (i = 0; i < 4; i++)
			zoo_must("pthread_create",
				 pthread_create(&children[i], &attributes, thread, NULL));
		for (i = 0; i < 4; i++)
			zoo_must("pthread_join", pthread_join(children[i], NULL));
	}
	return argument;
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	zoo_thread(parent, NULL);
	zoo_thread(parent, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
