// SPDX-License-Identifier: GPL-2.0
/* Threads that are blocked in read(2). */
#include <unistd.h>
#include "zoo.h"

#define THREADS 8

static int pipes[THREADS][2];

static long block(unsigned int thread)
{
	char byte;

	return zoo_check("read", read(pipes[thread][0], &byte, 1));
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
