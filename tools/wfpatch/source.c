// SPDX-License-Identifier: GPL-2.0
/* See source.h. The builds are the script build-tree's, which lies beside the command or in ../libexec/wfpatch. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../compare/unit.h"
#include "source.h"
#include "symbols.h"

extern char **environ;

/* The path of a script; NULL if it is nowhere. */
static char *find_script(const char *name)
{
	static const char *const places[] = { "", "../libexec/wfpatch/" };
	char self[PATH_MAX], *path;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t i;

	if (len < 0)
		return NULL;
	self[len] = 0;
	*strrchr(self, '/') = 0;
	for (i = 0; i < sizeof(places) / sizeof(*places); i++) {
		path = text("%s/%s%s", self, places[i], name);
		if (!access(path, X_OK))
			return path;
		free(path);
	}
	return NULL;
}

char *source_cache(const struct options *o)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (o->cache)
		return text("%s", o->cache);
	if (cache && *cache)
		return text("%s/wfpatch/builds", cache);
	return home && *home ? text("%s/.cache/wfpatch/builds", home) : NULL;
}

/* One directory for each tree, command and target; NULL if nothing says where it should be. */
static char *cache_of(const struct options *o)
{
	unsigned char hash[WFPATCH_HASH_SIZE];
	char real[PATH_MAX], *key, *base, *path, digits[33];

	if (!realpath(o->source, real))
		return NULL;
	key = text("%s\n%s\n%s", real, o->make, o->target);
	wf_sha256(key, strlen(key), hash);
	free(key);
	hex(digits, hash, 16);
	base = source_cache(o);
	path = base ? text("%s/%s", base, digits) : NULL;
	free(base);
	return path;
}

static int start_script(const char *const *argv, const int *pipe, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int err;

	err = posix_spawn_file_actions_init(&actions);
	if (err)
		return err;
	if (pipe)
		err = posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
	if (!err)
		err = posix_spawn(pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* All that comes, as a text. */
static void read_output(int fd, char **output)
{
	FILE *file = fdopen(fd, "re");
	size_t room = 0;

	if (!file || getdelim(output, &room, '\0', file) < 0) {
		free(*output);
		*output = text("%s", "");
	}
	if (file)
		fclose(file);
	else
		close(fd);
}

int source_script(const char *name, const char **argv, char **output)
{
	char *script = find_script(name);
	int pipe[2] = { -1, -1 };
	int err, status = 0;
	pid_t pid;

	if (!script)
		return complain(STATUS_SYSTEM, "%s is not where it was installed", name);
	argv[0] = script;
	err = output && pipe2(pipe, O_CLOEXEC) ? errno : 0;
	if (!err)
		err = start_script(argv, output ? pipe : NULL, &pid);
	if (pipe[1] >= 0)
		close(pipe[1]);
	if (err) {
		if (pipe[0] >= 0)
			close(pipe[0]);
		status = complain(STATUS_SYSTEM, "cannot run %s: %s", script, strerror(err));
		free(script);
		return status;
	}
	free(script);
	if (output)
		read_output(pipe[0], output);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return complain(STATUS_SYSTEM, "cannot wait for %s: %s", name,
					strerror(errno));
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return STATUS_DONE;
	/* It has said why, unless it was killed. */
	if (!WIFEXITED(status))
		return complain(STATUS_SYSTEM, "the build was ended by a signal");
	return STATUS_USAGE;
}

/* Lines 'NAME<TAB>OLD<TAB>NEW'. */
int source_read_list(const char *cache, struct objects *objects)
{
	char *path = text("%s/objects", cache), *line, *old, *new, *save = NULL;
	FILE *file = fopen(path, "re");
	size_t room = 0;
	ssize_t len = -1;

	free(path);
	if (file) {
		len = getdelim(&objects->text, &room, '\0', file);
		fclose(file);
	}
	if (len <= 0)
		return complain(STATUS_SYSTEM, "cannot read %s/objects", cache);
	for (line = strtok_r(objects->text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		old = strchr(line, '\t');
		new = old ? strchr(old + 1, '\t') : NULL;
		if (!new)
			return complain(STATUS_SYSTEM, "%s/objects is damaged", cache);
		*new++ = 0;
		old++;
		objects->old = enlarge(objects->old, objects->nr + 1, sizeof(*objects->old));
		objects->new = enlarge(objects->new, objects->nr + 1, sizeof(*objects->new));
		objects->old[objects->nr] = strcmp(old, "-") ? old : NULL;
		objects->new[objects->nr++] = new;
	}
	return STATUS_DONE;
}

static int check_options(const struct options *o)
{
	struct stat st;

	if (!o->diff)
		return complain(STATUS_USAGE, "what is the change? give --diff FILE");
	if (!o->make)
		return complain(STATUS_USAGE, "how is %s built? give --make COMMAND", o->source);
	if (!o->target)
		return complain(STATUS_USAGE,
				"which program or library of it? give --target, its path in %s",
				o->source);
	if (*o->target == '/')
		return complain(STATUS_USAGE,
				"%s is not a path in %s; the program that runs is told with "
				"--binary", o->target, o->source);
	if (stat(o->source, &st) || !S_ISDIR(st.st_mode))
		return complain(STATUS_USAGE, "%s is no directory", o->source);
	if (access(o->diff, R_OK))
		return complain(STATUS_USAGE, "cannot read %s: %s", o->diff, strerror(errno));
	return STATUS_DONE;
}

int source_build(const struct options *o, struct objects *objects)
{
	const char *argv[] = { NULL, o->source, o->diff, o->make, o->target, NULL,
			       o->quiet ? "quiet" : "", NULL };
	char *cache;
	int status;

	status = check_options(o);
	if (status)
		return status;
	cache = cache_of(o);
	if (!cache)
		return complain(STATUS_USAGE, "where to build? give --cache DIR");
	argv[5] = cache;
	status = source_script("build-tree", argv, NULL);
	if (!status)
		status = source_read_list(cache, objects);
	free(cache);
	if (!status)
		objects->target = o->binary ? text("%s", o->binary)
					    : text("%s/%s", o->source, o->target);
	return status;
}

void objects_free(struct objects *objects)
{
	free(objects->old);
	free(objects->new);
	free(objects->text);
	free(objects->target);
	free(objects->debug);
	memset(objects, 0, sizeof(*objects));
}
