// SPDX-License-Identifier: GPL-2.0
/*
 * A second process that shares the memory and is no thread (CLONE_VM). It is in no list of threads of
 * the first, and runs the same code.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "pair.h"
#include "zoo.h"

#define CHILD_STACK (64 << 10)

/* It has its parent's thread-local memory, and keeps off it. */
static int child(void *argument)
{
	static const struct timespec time = { 0, 1000000 };

	(void)argument;
	while (!zoo_stopping()) {
		zoo_count(outer(100));
		zoo_add(&zoo->rounds, 1);
		syscall(SYS_nanosleep, &time, NULL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	char *stack = malloc(CHILD_STACK);
	uint64_t rounds;
	int status, turns = 0;
	pid_t pid;

	zoo_start(argc, argv);
	if (!stack)
		abort();
	pid = clone(child, stack + CHILD_STACK, CLONE_VM | SIGCHLD, NULL);
	zoo_check("clone", pid);
	zoo_ready();
	rounds = zoo_get(&zoo->rounds);
	while (!zoo_stopping()) {
		zoo_count(outer(100));
		zoo_sleep(2000);
		if (++turns % 1000)
			continue;
		if (zoo_get(&zoo->rounds) == rounds)
			zoo_error("the other process stands still");
		rounds = zoo_get(&zoo->rounds);
	}
	zoo_check("waitpid", waitpid(pid, &status, 0));
	if (status)
		zoo_error("the other process ended with %#x", status);
	free(stack);
	return 0;
}
