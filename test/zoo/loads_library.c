// SPDX-License-Identifier: GPL-2.0
/*
 * Loads libzoo_library.so while it runs, after it has loaded and unloaded it a few times.
 */
#include <dlfcn.h>
#include <stddef.h>
#include "library.h"
#include "zoo.h"

static int look(void)
{
	zoo_sleep(1000);
	return 0;
}

static int (*answer)(int (*look)(void));

static void *thread(void *argument)
{
	while (!zoo_stopping())
		zoo_count(answer(look));
	return argument;
}

int main(int argc, char **argv)
{
	void *handle;
	int i;

	zoo_start(argc, argv);
	for (i = 0; i < 5; i++) {
		handle = dlopen("libzoo_library.so", i % 2 ? RTLD_NOW : RTLD_LAZY);
		answer = handle ? (int (*)(int (*)(void)))dlsym(handle, "library_answer") : NULL;
		if (!answer) {
			zoo_error("%s", dlerror());
			return 1;
		}
		zoo_count(answer(look));
		if (i < 4 && dlclose(handle))
			zoo_error("%s", dlerror());
	}
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
