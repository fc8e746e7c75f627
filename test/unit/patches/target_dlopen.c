// SPDX-License-Identifier: GPL-2.0
/* Loads the library that target.c is made into when it runs. */
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	int (*run)(void) = library ? (int (*)(void))dlsym(library, "target_main") : NULL;

	if (!run) {
		puts(dlerror());
		return 1;
	}
	return run();
}
