// SPDX-License-Identifier: GPL-2.0
/*
 * A process under a tracer, which stops each of its threads at each system call, as strace does.
 * The tracer sees no other stop.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pair.h"
#include "zoo.h"

static void *thread(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(outer(100));
		zoo_sleep(2000);
	}
	return argument;
}

static int traced(void)
{
	zoo->pid = getpid();
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}

/* Let it go on after whatever stopped it. */
static int trace(pid_t child)
{
	const long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	int status, event;
	long deliver;
	pid_t task;

	zoo_check("waitpid", waitpid(child, &status, __WALL));
	zoo_check("PTRACE_SETOPTIONS", ptrace(PTRACE_SETOPTIONS, child, NULL, options));
	zoo_check("PTRACE_SYSCALL", ptrace(PTRACE_SYSCALL, child, NULL, NULL));
	for (;;) {
		task = waitpid(-1, &status, __WALL);
		if (zoo_check("waitpid", task) < 0)
			return 1;
		if (!WIFSTOPPED(status)) {
			if (task != child)
				continue;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		}
		zoo_add(&zoo->rounds, 1);
		event = WSTOPSIG(status);
		deliver = 0;
		if (event != (SIGTRAP | 0x80) && !(status >> 16) && event != SIGSTOP) {
			zoo_error("signal %d came", event);
			deliver = event;
		}
		if (ptrace(PTRACE_SYSCALL, task, NULL, deliver) && errno != ESRCH)
			zoo_check("PTRACE_SYSCALL", -1);
	}
}

int main(int argc, char **argv)
{
	pid_t child;

	zoo_start(argc, argv);
	child = fork();
	if (!child)
		return traced();
	return zoo_check("fork", child) < 0 ? 1 : trace(child);
}
