// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that are entered by jumps: outer() from a wrapper, inner() from outer(), both in place of
 * a call and a return. outer() has then left the stack, and is still what called inner().
 */
#include <stddef.h>
#include "zoo.h"

int inner(int mark, unsigned int microseconds);

ZOO_FUNCTION int inner(int mark, unsigned int microseconds)
{
	zoo_spin(microseconds);
	return mark | ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(unsigned int microseconds)
{
	zoo_spin(microseconds);
	return inner(ZOO_OLD_OUTER, microseconds);
}

ZOO_FUNCTION static int wrapper(unsigned int microseconds)
{
	return outer(microseconds + 1);
}

static void *thread(void *argument)
{
	while (!zoo_stopping())
		zoo_count(wrapper(20));
	return argument;
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
