// SPDX-License-Identifier: GPL-2.0
/*
 * Signal handlers on an alternate stack while the interrupted stack is inside the patched function.
 * autodisarm=1: the kernel forgets the alternate stack meanwhile (SS_AUTODISARM). nested=1: another
 * handler interrupts the first. move=1: the thread has another alternate stack for each call.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include "zoo.h"

#define ALTERNATE_SIZE (64 << 10)

ZOO_FUNCTION int inner(void)
{
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(void)
{
	int answer;

	raise(SIGUSR1);
	answer = inner();
	raise(SIGUSR1);
	return ZOO_OLD_OUTER | answer;
}

static void handler(int signal)
{
	int saved = errno;

	zoo_sleep_on(40000);
	if (signal == SIGUSR1 && zoo_option("nested", 0))
		raise(SIGUSR2);
	zoo_add(&zoo->rounds, 1);
	errno = saved;
}

static void set_stack(void *memory)
{
	int flags = zoo_option("autodisarm", 0) ? 1U << 31 /* SS_AUTODISARM */ : 0;
	stack_t stack = { memory, flags, ALTERNATE_SIZE };

	zoo_check("sigaltstack", sigaltstack(&stack, NULL));
}

static void *thread(void *argument)
{
	char *memory = malloc(2 * ALTERNATE_SIZE);
	int which = 0;

	if (!memory)
		abort();
	set_stack(memory);
	while (!zoo_stopping()) {
		zoo_count(outer());
		if (!zoo_option("move", 0))
			continue;
		which = !which;
		set_stack(memory + which * ALTERNATE_SIZE);
	}
	free(memory);
	return argument;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	int i;

	zoo_start(argc, argv);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	for (i = 0; i < 3; i++)
		zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
