// SPDX-License-Identifier: GPL-2.0
/* New code for vfork_inside.c. */
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "zoo.h"

int inner(void)
{
	return ZOO_NEW_INNER;
}

int outer(void)
{
	static const struct timespec time = { 0, 50000000 };
	int status = 1;
	pid_t child = vfork();

	if (!child) {
		syscall(SYS_nanosleep, &time, NULL);
		_exit(inner() != ZOO_NEW_INNER);
	}
	zoo_check("waitpid", waitpid(child, &status, 0));
	if (status)
		zoo_error("the child of new code ended with %#x", status);
	return ZOO_NEW_OUTER | inner();
}
