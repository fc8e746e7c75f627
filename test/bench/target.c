// SPDX-License-Identifier: GPL-2.0
/* What the programs share that are patched from outside; see target.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "target.h"

#define NS_PER_SECOND 1000000000ULL

extern char **environ;

/*
 * In assembly, so that it is known where its number is, which is all that the patcher that stops all
 * threads can change. The rest of its length is room for a jump.
 */
__asm__(".pushsection .text\n"
	".globl work\n.type work, @function\n.p2align 4\n"
	"work:\n.cfi_startproc\n"
	"	movl $1, %eax\n"
	"	ret\n"
	"	.fill 26, 1, 0x90\n"
	".cfi_endproc\n.size work, . - work\n"
	".popsection\n");

/* The number behind the one byte of the instruction. */
#define WORK_NUMBER ((uintptr_t)&work + 1)

static volatile uint32_t sink;

__attribute__((noinline)) int compute(unsigned int rounds)
{
	uint32_t value = rounds;

	for (unsigned int i = 0; i < rounds; i++)
		value = value * 1664525 + 1013904223;
	sink = value;
	return 1;
}

__attribute__((noinline)) int inside(unsigned int ms)
{
	uint64_t end = target_ns() + ms * 1000000ULL;

	while (target_ns() < end)
		;
	return 1;
}

void target_fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

uint64_t target_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

void target_sleep(uint64_t ns)
{
	struct timespec time = { (time_t)(ns / NS_PER_SECOND), (long)(ns % NS_PER_SECOND) };

	if (nanosleep(&time, NULL))
		target_fail("nanosleep");
}

pid_t target_begin(const char *line)
{
	char sh[] = "sh", option[] = "-c", *command = strdup(line), text[32];
	char *argv[] = { sh, option, command, NULL };
	pid_t pid;

	snprintf(text, sizeof(text), "%d", getpid());
	setenv("PATCH_PID", text, 1);
	snprintf(text, sizeof(text), "%#lx", (unsigned long)WORK_NUMBER);
	setenv("PATCH_WORK", text, 1);
	errno = command ? posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) : ENOMEM;
	free(command);
	if (errno)
		target_fail("sh");
	return pid;
}

void target_end(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		target_fail("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "%s: the command ended with status %#x\n",
			program_invocation_short_name, status);
		exit(1);
	}
}
