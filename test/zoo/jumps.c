// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that leave the patched function by longjmp: from a function that it calls, and from a
 * signal handler by siglongjmp. What is left on the stack below looks like a caller for a while.
 */
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include "zoo.h"

static _Thread_local sigjmp_buf place;
static _Thread_local int seen;

void leave(int answer, bool by_signal);

ZOO_FUNCTION int inner(void)
{
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(bool by_signal)
{
	int answer = inner();

	zoo_sleep(3000);
	leave(ZOO_OLD_OUTER | answer | inner(), by_signal);
	return 0;
}

ZOO_FUNCTION void leave(int answer, bool by_signal)
{
	seen = answer;
	if (by_signal)
		raise(SIGUSR1);
	siglongjmp(place, 1);
}

static void handler(int signal)
{
	(void)signal;
	siglongjmp(place, 1);
}

ZOO_FUNCTION static void call(bool by_signal)
{
	unsigned int want = zoo_begin();

	if (!sigsetjmp(place, 1))
		outer(by_signal);
	zoo_end(want, seen);
}

static void *thread(void *argument)
{
	while (!zoo_stopping())
		call(argument);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler };

	zoo_start(argc, argv);
	sigaction(SIGUSR1, &action, NULL);
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_thread(thread, &zoo);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
