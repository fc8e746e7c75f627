// SPDX-License-Identifier: GPL-2.0
/* Uses libzoo_library.so, which it is linked with. */
#include <stddef.h>
#include "library.h"
#include "zoo.h"

static int look(void)
{
	zoo_sleep(1000);
	return 0;
}

static void *thread(void *argument)
{
	while (!zoo_stopping())
		zoo_count(library_answer(look));
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
