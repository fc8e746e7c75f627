// SPDX-License-Identifier: GPL-2.0
/*
 * A process that forks all the time. Each child calls the functions, once at once and once later, and
 * goes on with the code that its parent's thread had.
 */
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pair.h"
#include "zoo.h"

/* What the child is answered first is what it is answered for good: it takes part in no transition. */
static int child(void)
{
	int first = outer(20), second;

	zoo_sleep(20000);
	second = outer(20);
	if (first != second)
		zoo_error("a child was answered %#x, then %#x", first, second);
	if (first != ZOO_OLD && first != ZOO_NEW)
		zoo_add(&zoo->mixed, 1);
	return 0;
}

static void *thread(void *argument)
{
	pid_t pid;
	int status;

	while (!zoo_stopping()) {
		zoo_count(outer(50));
		pid = fork();
		if (!pid)
			_exit(child());
		if (zoo_check("fork", pid) < 0)
			continue;
		zoo_count(outer(50));
		zoo_check("waitpid", waitpid(pid, &status, 0));
		if (status)
			zoo_error("a child ended with %#x", status);
		zoo_add(&zoo->rounds, 1);
	}
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
