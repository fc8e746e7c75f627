// SPDX-License-Identifier: GPL-2.0
/* Threads that spin in user space, outside the patched functions, and call them only when told. */
#include "zoo.h"

#define THREADS 2

static unsigned int words[THREADS];

static long block(unsigned int thread)
{
	static _Thread_local unsigned int seen;

	while (__atomic_load_n(&words[thread], __ATOMIC_SEQ_CST) == seen)
		__builtin_ia32_pause();
	seen++;
	return 0;
}

static void release(unsigned int thread)
{
	__atomic_fetch_add(&words[thread], 1, __ATOMIC_SEQ_CST);
}

int main(int argc, char **argv)
{
	static const struct zoo_blocked blocked = { block, release, THREADS };

	zoo_start(argc, argv);
	return zoo_blocked(&blocked);
}
