// SPDX-License-Identifier: GPL-2.0
/*
 * Threads in seccomp's strict mode: they may read, write and exit, anything else kills them. What the
 * patching has them do must not look like a system call of theirs. They may not look at the clock, either.
 */
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pair.h"
#include "zoo.h"

static int pipes[2];

static void *thread(void *argument)
{
	long got = 0;
	char byte;

	if (zoo_check("prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) < 0)
		return argument;
	while (!zoo_stopping()) {
		zoo_count(outer(0));
		do
			got = zoo_check("read", read(pipes[0], &byte, 1));
		while (got < 0);
	}
	/* To leave by way of the C library would take other calls. */
	zoo_add(&zoo->woken, 1);
	syscall(SYS_exit, 0);
	return argument;
}

int main(int argc, char **argv)
{
	int i;

	zoo_start(argc, argv);
	zoo_check("pipe", pipe(pipes));
	for (i = 0; i < 3; i++)
		zoo_thread(thread, NULL);
	zoo_ready();
	while (zoo_get(&zoo->woken) < 3) {
		zoo_check("write", write(pipes[1], "", 1));
		zoo_sleep(1000);
	}
	return 0;
}
