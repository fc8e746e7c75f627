// SPDX-License-Identifier: GPL-2.0
/* Loads libzoo_tls.so, which has thread-local variables; some threads are older than it. */
#include <dlfcn.h>
#include <stddef.h>
#include "tls_library.h"
#include "zoo.h"

static struct tls_library *library;

static void *thread(void *argument)
{
	const struct tls_library *loaded;
	uint64_t count = 0;

	while (!(loaded = __atomic_load_n(&library, __ATOMIC_SEQ_CST))) {
		if (zoo_stopping())
			return NULL;
		zoo_sleep(1000);
	}
	loaded->begin((uintptr_t)argument);
	while (!zoo_stopping()) {
		zoo_count(loaded->answer((uintptr_t)argument));
		zoo_sleep(500);
		if (loaded->count() != ++count)
			zoo_error("call %d: counted %d", (int)count, (int)loaded->count());
	}
	return NULL;
}

int main(int argc, char **argv)
{
	void *handle, *symbol;

	zoo_start(argc, argv);
	zoo_thread(thread, (void *)1L);
	zoo_thread(thread, (void *)2L);
	handle = dlopen("libzoo_tls.so", RTLD_NOW);
	symbol = handle ? dlsym(handle, "tls_library") : NULL;
	if (!symbol) {
		zoo_error("%s", dlerror());
		return 1;
	}
	__atomic_store_n(&library, (struct tls_library *)symbol, __ATOMIC_SEQ_CST);
	zoo_thread(thread, (void *)3L);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
