// SPDX-License-Identifier: GPL-2.0
/* A process whose first thread has ended; the others go on. /proc/PID/maps of such a one is empty. */
#include <pthread.h>
#include <stdlib.h>
#include "pair.h"
#include "zoo.h"

static void *thread(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(outer(100));
		zoo_sleep(1000);
	}
	return argument;
}

/* Once the first thread has ended it cannot be joined; the last to come here ends the process. */
static void *last(void *argument)
{
	zoo_sleep(100000);
	zoo_ready();
	zoo_wait();
	zoo_join();
	exit(0);
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t id;

	zoo_start(argc, argv);
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_must("pthread_create", pthread_create(&id, NULL, last, NULL));
	pthread_exit(NULL);
}
