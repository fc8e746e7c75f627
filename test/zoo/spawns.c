// SPDX-License-Identifier: GPL-2.0
/* A process that starts other programs all the time, by posix_spawn, which borrows its memory. */
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include "pair.h"
#include "zoo.h"

extern char **environ;
static char *path;

static void *thread(void *argument)
{
	char *child_argv[] = { path, (char *)"true", NULL };
	pid_t pid;
	int status, err;

	while (!zoo_stopping()) {
		zoo_count(outer(50));
		err = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, child_argv, environ);
		zoo_must("posix_spawn", err);
		zoo_count(outer(50));
		if (!err)
			zoo_check("waitpid", waitpid(pid, &status, 0));
		if (err || status)
			zoo_error("a child ended with %#x", status);
		zoo_add(&zoo->rounds, 1);
	}
	return argument;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "true"))
		return 0;
	path = argv[0];
	zoo_start(argc, argv);
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
