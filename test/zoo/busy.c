// SPDX-License-Identifier: GPL-2.0
/* Three threads that compute, nearly always inside the patched functions, without a system call. */
#include <stddef.h>
#include "pair.h"
#include "zoo.h"

static void *thread(void *argument)
{
	while (!zoo_stopping())
		zoo_count(outer(zoo_option("microseconds", 200)));
	return argument;
}

int main(int argc, char **argv)
{
	long i;

	zoo_start(argc, argv);
	for (i = zoo_option("threads", 3); i > 0; i--)
		zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
