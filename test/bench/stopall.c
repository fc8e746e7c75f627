// SPDX-License-Identifier: GPL-2.0
/*
 * The reference: a patcher that stops every thread of a process by ptrace, writes, and lets them go
 * on. It changes a number in the code, and has neither an image to link nor stacks to look at, so
 * what it costs is the least that stopping can cost.
 *
 * usage: stopall PID ADDRESS VALUE (a number of four bytes)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_THREADS 4096

static pid_t threads[MAX_THREADS];
static unsigned int nr_threads;

static void fail(const char *what)
{
	fprintf(stderr, "stopall: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int is_known(pid_t tid)
{
	for (unsigned int i = 0; i < nr_threads; i++)
		if (threads[i] == tid)
			return 1;
	return 0;
}

/* Ask each thread that is new to stop. Returns how many there were. */
static unsigned int seize_new(pid_t pid)
{
	unsigned int before = nr_threads;
	struct dirent *entry;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		fail(path);
	while ((entry = readdir(dir))) {
		pid_t tid = atoi(entry->d_name);

		if (tid <= 0 || is_known(tid))
			continue;
		if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
			if (errno == ESRCH)
				continue;
			fail("PTRACE_SEIZE");
		}
		if (nr_threads == MAX_THREADS) {
			errno = E2BIG;
			fail("threads");
		}
		if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) && errno != ESRCH)
			fail("PTRACE_INTERRUPT");
		threads[nr_threads++] = tid;
	}
	closedir(dir);
	return nr_threads - before;
}

static void write_value(pid_t pid, unsigned long address, uint32_t value)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	if (pwrite(fd, &value, sizeof(value), (off_t)address) != sizeof(value))
		fail("writing");
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned int waited = 0;
	int status;
	pid_t pid;

	if (argc != 4) {
		fputs("usage: stopall PID ADDRESS VALUE\n", stderr);
		return 2;
	}
	pid = atoi(argv[1]);
	/* A thread that has not stopped yet may start another. */
	while (seize_new(pid)) {
		for (; waited < nr_threads; waited++)
			if (waitpid(threads[waited], &status, __WALL) < 0)
				fail("waitpid");
	}
	write_value(pid, strtoul(argv[2], NULL, 0), (uint32_t)strtoul(argv[3], NULL, 0));
	for (unsigned int i = 0; i < nr_threads; i++)
		if (ptrace(PTRACE_DETACH, threads[i], NULL, NULL) && errno != ESRCH)
			fail("PTRACE_DETACH");
	return 0;
}
