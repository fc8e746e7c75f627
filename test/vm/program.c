// SPDX-License-Identifier: GPL-2.0
/* Runs other programs; see program.h. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "program.h"

char program_output[16384];

struct program {
	const char *path;
	char *argv[8];
	int ends[2];
};

static void exec_program(void *arg)
{
	struct program *program = arg;

	CHECK_LIBC(dup2(program->ends[1], STDOUT_FILENO));
	CHECK_LIBC(dup2(program->ends[1], STDERR_FILENO));
	close(program->ends[0]);
	close(program->ends[1]);
	execv(program->path, program->argv);
	FAIL("%s cannot be run: %s", program->path, last_error());
}

int program_run(const char *path, ...)
{
	struct program program = { .path = path, .argv = { (char *)path } };
	const size_t room = sizeof(program_output) - 1;
	size_t used = 0;
	va_list args;
	int status, i;
	ssize_t n;
	pid_t pid;

	va_start(args, path);
	for (i = 1; i < 7 && (program.argv[i] = va_arg(args, char *)); i++)
		;
	va_end(args);
	CHECK_LIBC(pipe(program.ends));
	pid = child_start(exec_program, &program);
	close(program.ends[1]);
	while ((n = read(program.ends[0], program_output + used, room - used)) > 0)
		used += (size_t)n;
	CHECK(n == 0 && used < room);
	program_output[used] = 0;
	close(program.ends[0]);
	status = child_status(pid);
	if (!WIFEXITED(status))
		FAIL("%s: killed by signal %d; it printed: %s", path, WTERMSIG(status),
		     program_output);
	return WEXITSTATUS(status);
}
