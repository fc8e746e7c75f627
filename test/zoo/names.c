// SPDX-License-Identifier: GPL-2.0
/*
 * Static functions of the same name in two source files. Only those of names_other.c are replaced;
 * those here must go on as they are.
 */
#include <stddef.h>
#include "zoo.h"

int other(unsigned int n);

ZOO_FUNCTION static int inner(unsigned int n)
{
	return n % 7 + 100;
}

ZOO_FUNCTION static int outer(unsigned int n)
{
	return inner(n) + 100;
}

static void *thread(void *argument)
{
	unsigned int n;

	for (n = 0; !zoo_stopping(); n++) {
		int seen = outer(n);

		if (seen != (int)(n % 7 + 200))
			zoo_error("the wrong function was replaced: %d", seen);
		zoo_count(other(n));
		zoo_sleep(500);
	}
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
