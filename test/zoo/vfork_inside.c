// SPDX-License-Identifier: GPL-2.0
/*
 * The patched function calls vfork(2): while the child borrows memory and stack, its parent is inside
 * the function, and so is the child.
 */
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "zoo.h"

ZOO_FUNCTION int inner(void)
{
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(void)
{
	static const struct timespec time = { 0, 50000000 };
	int status = 1;
	pid_t child = vfork();

	if (!child) {
		syscall(SYS_nanosleep, &time, NULL);
		_exit(inner() != ZOO_OLD_INNER);
	}
	zoo_check("waitpid", waitpid(child, &status, 0));
	if (status)
		zoo_error("the child of old code ended with %#x", status);
	return ZOO_OLD_OUTER | inner();
}

static void *thread(void *argument)
{
	while (!zoo_stopping())
		zoo_count(outer());
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
