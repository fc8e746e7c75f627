// SPDX-License-Identifier: GPL-2.0
/* See programs.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "inject.h"
#include "programs.h"

char dir[] = "/tmp/wfpatch-unit.XXXXXX";

int make_dir(void **state)
{
	(void)state;
	return !mkdtemp(dir);
}

int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

void run(const char *format, ...)
{
	char command[2048];
	va_list args;
	int len;

	len = snprintf(command, sizeof(command), "cd %s && S=%s && ", dir, SOURCES);
	va_start(args, format);
	vsnprintf(command + len, sizeof(command) - (size_t)len, format, args);
	va_end(args);
	if (system(command))
		fail_msg("failed: %s", command);
}

const char *in_dir(const char *name)
{
	static char paths[64][128];
	static unsigned int next;
	char *path = paths[next++ % 64];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void read_line(struct target *target, char *line, size_t size)
{
	if (!fgets(line, (int)size, target->from))
		fail_msg("the target has ended");
	line[strcspn(line, "\n")] = 0;
}

void start(struct target *target, const char *program)
{
	int to[2], from[2];
	char line[64];

	assert_int_equal(pipe(to) | pipe(from), 0);
	target->pid = fork();
	if (!target->pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		/* Should a test fail, nobody ends it. */
		alarm(60);
		execl(program, program, NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	target->to = fdopen(to[1], "w");
	target->from = fdopen(from[0], "r");
	read_line(target, line, sizeof(line));
	assert_string_equal(line, "ready");
}

void stop(struct target *target)
{
	int status;

	fclose(target->to);
	assert_int_equal(waitpid(target->pid, &status, 0), target->pid);
	fclose(target->from);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("the target ended with status %#x", status);
}

int ask(struct target *target, const char *name, int n)
{
	char line[64];

	fprintf(target->to, "%s %d\n", name, n);
	fflush(target->to);
	read_line(target, line, sizeof(line));
	return atoi(line);
}

struct wfpatch_patch *pack_with(struct wfpatch_pack_opts *opts, int expected, char *err,
				size_t size)
{
	struct wfpatch_patch *patch;
	int ret;

	opts->output = in_dir("fix.wfp");
	for (opts->nr_replace = 0; opts->replace[opts->nr_replace]; opts->nr_replace++)
		;
	*err = 0;
	ret = wfpatch_pack(opts, err, size);
	if (ret != expected)
		fail_msg("packing: expected %d, seen %d: %s", expected, ret, err);
	if (ret)
		return NULL;
	ret = wfpatch_patch_open(&patch, opts->output, err, size);
	if (ret)
		fail_msg("opening: %d: %s", ret, err);
	return patch;
}

struct wfpatch_patch *pack(const char *object, const char *binary, const char *const *replace)
{
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .object = object, .target = binary,
		     .replace = replace);
	char err[512];

	return pack_with(&opts, 0, err, sizeof(err));
}

struct wf_image *link_ok(struct target *target, struct wfpatch_patch *patch)
{
	struct wf_image *image;
	char err[512] = "";
	int ret = wf_link(target->pid, patch, NULL, 0, &image, err, sizeof(err));

	if (ret)
		fail_msg("linking: %d: %s", ret, err);
	return image;
}

struct wf_image *patch_now(struct target *target, const char *binary, const char *const *replace)
{
	struct wfpatch_patch *patch = pack(in_dir("fix.o"), binary, replace);
	struct wf_image *image = link_ok(target, patch);

	inject(target->pid, image);
	wfpatch_patch_close(patch);
	return image;
}
