// SPDX-License-Identifier: GPL-2.0
/*
 * A signal handler that is active while the interrupted code is inside the patched function, on the
 * same stack. The handler sleeps, and calls the function itself.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include "zoo.h"

static void handler(int signal);

ZOO_FUNCTION int inner(void)
{
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(bool interrupt)
{
	if (interrupt)
		raise(SIGUSR1);
	return ZOO_OLD_OUTER | inner();
}

static void handler(int signal)
{
	int saved = errno;

	(void)signal;
	zoo_sleep_on(50000);
	zoo_count(outer(false));
	zoo_add(&zoo->rounds, 1);
	errno = saved;
}

/* The handler also comes while this thread is elsewhere, and by itself. */
static void *thread(void *argument)
{
	while (!zoo_stopping())
		zoo_count(outer(true));
	return argument;
}

static void *elsewhere(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(outer(false));
		raise(SIGUSR1);
	}
	return argument;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler };

	zoo_start(argc, argv);
	sigaction(SIGUSR1, &action, NULL);
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_thread(elsewhere, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
