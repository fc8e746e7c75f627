// SPDX-License-Identifier: GPL-2.0
/*
 * Thread-local variables of the program, which both codes use, and count in: each thread's own must
 * be met. A static one, too.
 */
#include <stddef.h>
#include "zoo.h"

_Thread_local int owner;
_Thread_local uint64_t calls = 1000;
static _Thread_local uint64_t hidden = 2000;

ZOO_FUNCTION int inner(int me)
{
	hidden++;
	return owner == me ? ZOO_OLD_INNER : 0;
}

ZOO_FUNCTION int outer(int me)
{
	calls++;
	return inner(me) | (owner == me ? ZOO_OLD_OUTER : 0);
}

static void *thread(void *argument)
{
	uint64_t count = 0;

	owner = (uintptr_t)argument;
	while (!zoo_stopping()) {
		zoo_count(outer((uintptr_t)argument));
		zoo_sleep(500);
		count++;
		if (calls != 1000 + count || hidden != 2000 + count)
			zoo_error("call %d: counted %d and %d", (int)count, (int)calls - 1000,
				  (int)hidden - 2000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long i;

	zoo_start(argc, argv);
	for (i = 1; i < 5; i++)
		zoo_thread(thread, (void *)i);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
