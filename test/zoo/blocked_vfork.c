// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that are blocked in vfork(2): each waits for a child that borrows its memory and its stack
 * and sleeps in the kernel.
 */
#include <sys/wait.h>
#include <unistd.h>
#include "zoo.h"

#define THREADS 4

static int pipes[THREADS][2];

static long block(unsigned int thread)
{
	int status = 1;
	char byte;
	pid_t child = vfork();

	if (!child) {
		if (read(pipes[thread][0], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	if (zoo_check("vfork", child) < 0)
		return -1;
	if (zoo_check("waitpid", waitpid(child, &status, 0)) < 0)
		return -1;
	if (status)
		zoo_error("the child's status is %#x", status);
	return 0;
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
