// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that are blocked in read(2) with a word on their stack that looks like a return address into
 * the patched function, as calls of the past leave them behind. They cannot be moved in their sleep, and
 * come over when they wake and call it.
 */
#include <unistd.h>
#include "pair.h"
#include "zoo.h"

#define THREADS 3

static int pipes[THREADS][2];

static long block(unsigned int thread)
{
	/* Where the call that follows has a frame of its own, and cleans it. */
	volatile uintptr_t words[32] = { 0 };
	char byte;

	words[4] = (uintptr_t)outer + 8;
	return zoo_check("read", read(pipes[thread][0], &byte, 1)) - !words[4];
}

static void release(unsigned int thread)
{
	zoo_check("write", write(pipes[thread][1], "", 1));
}

int main(int argc, char **argv)
{
	static const struct zoo_blocked blocked = { block, release, THREADS };
	int i;

	zoo_start(argc, argv);
	for (i = 0; i < THREADS; i++)
		zoo_check("pipe", pipe(pipes[i]));
	return zoo_blocked(&blocked);
}
