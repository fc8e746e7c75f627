// SPDX-License-Identifier: GPL-2.0
/* See source.h. The builds are the script build-tree's, which lies beside the command or in ../libexec/wfpatch. */
#include <errno.h>
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

/* NULL if it is nowhere. */
static char *find_script(void)
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
		path = text("%s/%sbuild-tree", self, places[i]);
		if (!access(path, X_OK))
			return path;
		free(path);
	}
	return NULL;
}

/* One directory for each tree, command and target; NULL if nothing says where it should be. */
static char *cache_of(const struct options *o)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	unsigned char hash[WFPATCH_HASH_SIZE];
	char real[PATH_MAX], *key, digits[33];

	if (!realpath(o->source, real))
		return NULL;
	key = text("%s\n%s\n%s", real, o->make, o->target);
	wf_sha256(key, strlen(key), hash);
	free(key);
	hex(digits, hash, 16);
	if (o->cache)
		return text("%s/%s", o->cache, digits);
	if (cache && *cache)
		return text("%s/wfpatch/builds/%s", cache, digits);
	return home && *home ? text("%s/.cache/wfpatch/builds/%s", home, digits) : NULL;
}

static int run_script(const struct options *o, const char *script, const char *cache)
{
	const char *argv[] = { script, o->source, o->diff, o->make, o->target, cache,
			       o->quiet ? "quiet" : "", NULL };
	int err, status = 0;
	pid_t pid;

	err = posix_spawn(&pid, script, NULL, NULL, (char *const *)argv, environ);
	if (err)
		return complain(STATUS_SYSTEM, "cannot run %s: %s", script, strerror(err));
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return complain(STATUS_SYSTEM, "cannot wait for %s: %s", script,
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
static int read_list(const char *cache, struct objects *objects)
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
	char *script, *cache;
	int status;

	memset(objects, 0, sizeof(*objects));
	status = check_options(o);
	if (status)
		return status;
	script = find_script();
	cache = cache_of(o);
	if (!script)
		status = complain(STATUS_SYSTEM, "build-tree is not where it was installed");
	else if (!cache)
		status = complain(STATUS_USAGE, "where to build? give --cache DIR");
	else
		status = run_script(o, script, cache);
	if (!status)
		status = read_list(cache, objects);
	free(script);
	free(cache);
	return status;
}

void objects_free(struct objects *objects)
{
	free(objects->old);
	free(objects->new);
	free(objects->text);
	memset(objects, 0, sizeof(*objects));
}
