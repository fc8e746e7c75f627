// SPDX-License-Identifier: GPL-2.0
/*
 * The objects of a program of a Debian package. What is built once more as Debian does it must be the
 * program that runs: then its symbols are those of the program. The builds are the script build-debian's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../compare/rebuilt.h"
#include "../compare/unit.h"
#include "source.h"

/**
 * struct package - what build-debian has said
 * @text: what it printed, which all others are in
 * @directory: its builds
 * @stock: the program that runs
 * @tree: where it was built once more
 * @files: array of @nr, what may be the program, below @tree
 */
struct package {
	char *text;
	const char *directory, *stock, *tree;
	const char **files;
	size_t nr;
};

/* Lines 'NAME<TAB>VALUE'. */
static int read_package(struct package *package)
{
	char *line, *value, *save = NULL;

	for (line = strtok_r(package->text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		value = strchr(line, '\t');
		if (!value)
			continue;
		*value++ = 0;
		if (!strcmp(line, "directory")) {
			package->directory = value;
		} else if (!strcmp(line, "stock")) {
			package->stock = value;
		} else if (!strcmp(line, "tree")) {
			package->tree = value;
		} else if (!strcmp(line, "file")) {
			package->files = enlarge(package->files, package->nr + 1,
						 sizeof(*package->files));
			package->files[package->nr++] = value;
		}
	}
	if (package->directory && package->stock && package->tree)
		return STATUS_DONE;
	return complain(STATUS_SYSTEM, "build-debian has not said what it did");
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Below a directory that the package is installed into, as debian/tmp. */
static bool is_copy(const char *path)
{
	static const char *const tops[] = { "/usr/", "/lib/", "/bin/", "/sbin/", "/etc/" };
	const char *rest = strncmp(path, "debian/", 7) ? NULL : strchr(path + 7, '/');
	size_t i;

	for (i = 0; rest && i < sizeof(tops) / sizeof(*tops); i++) {
		if (!strncmp(rest, tops[i], strlen(tops[i])))
			return true;
	}
	return false;
}

/*
 * What the linker's map is of. What libtool links anew when it installs has a T behind its name, and
 * is installed as a copy; the objects are those of the first link, which has the name.
 */
static const char *linked_as(const struct package *package, const char *file)
{
	const char *name = base(package->stock), *end = base(file);
	size_t len = strlen(name);

	if (strcmp(base(package->files[0]), name) != 0)
		return file;
	return is_copy(file) || (!strncmp(end, name, len) && !strcmp(end + len, "T")) ?
	       package->files[0] : file;
}

/* None of the files is the program that runs: tell of the one that should be. */
static int refuse(const struct package *package)
{
	char *path, *compiler, *its_compiler, *why = NULL;
	int status;

	if (!package->nr || strcmp(base(package->files[0]), base(package->stock)) != 0)
		return complain(STATUS_REFUSED, "the build in %s has made nothing like %s",
				package->tree, package->stock);
	path = text("%s/%s", package->tree, package->files[0]);
	rebuilt_compare(package->stock, path, &why);
	compiler = rebuilt_compiler(path);
	its_compiler = rebuilt_compiler(package->stock);
	status = complain(STATUS_REFUSED,
			  "the rebuild of %s is another program: %s; a package that it is built "
			  "with has changed since, or the compiler, which was %s and is %s; see %s",
			  package->stock, why ? why : "?",
			  its_compiler ? its_compiler : "one that it does not tell",
			  compiler ? compiler : "one that is not told", path);
	free(its_compiler);
	free(compiler);
	free(why);
	free(path);
	return status;
}

/* Sets the symbols, and *@file, the one of the files which is the program that runs. */
static int find_program(const struct options *o, const struct package *package,
			struct objects *objects, const char **file)
{
	enum rebuilt result = REBUILT_OTHER;
	char *path = NULL, *why;
	int err = 0;
	size_t i;

	*file = NULL;
	for (i = 0; i < package->nr && !*file; i++) {
		free(path);
		path = text("%s/%s", package->tree, package->files[i]);
		result = rebuilt_compare(package->stock, path, &why);
		free(why);
		if (result == REBUILT_SAME || result == REBUILT_SAME_CODE)
			*file = package->files[i];
	}
	if (!*file) {
		free(path);
		return refuse(package);
	}
	if (!o->quiet)
		fprintf(stderr, "wfpatch: its %s is that of %s: %s\n", *file, package->stock,
			result == REBUILT_SAME ? "it has the same build-id" :
			"section by section, but for the build-id");
	*file = linked_as(package, *file);
	if (result == REBUILT_SAME) {
		objects->debug = path;
		return STATUS_DONE;
	}
	objects->debug = text("%s/%s.debug", package->directory, base(package->stock));
	err = rebuilt_copy(package->stock, path, objects->debug);
	free(path);
	return err ? complain(STATUS_SYSTEM, "cannot write %s: %s", objects->debug, strerror(-err))
		   : STATUS_DONE;
}

static int check_options(const struct options *o)
{
	if (o->make || o->binary || o->debug)
		return complain(STATUS_USAGE,
				"--debian finds out itself what --make, --binary and --debug say");
	if (!o->diff)
		return complain(STATUS_USAGE, "what is the change? give --diff FILE");
	if (access(o->diff, R_OK))
		return complain(STATUS_USAGE, "cannot read %s: %s", o->diff, strerror(errno));
	return STATUS_DONE;
}

static int build(const struct options *o, const char *cache, struct package *package,
		 struct objects *objects)
{
	const char *quiet = o->quiet ? "quiet" : "";
	const char *rebuild[] = { NULL, "rebuild", cache, quiet, o->debian,
				  o->target ? o->target : "", o->diff, NULL };
	const char *both[] = { NULL, "objects", cache, quiet, NULL, NULL, o->diff, NULL };
	int status;

	status = source_script("build-debian", rebuild, &package->text);
	if (!status)
		status = read_package(package);
	if (!status)
		status = find_program(o, package, objects, &both[5]);
	if (status)
		return status;
	objects->target = text("%s", package->stock);
	both[4] = package->directory;
	status = source_script("build-debian", both, NULL);
	return status ? status : source_read_list(package->directory, objects);
}

int debian_build(const struct options *o, struct objects *objects)
{
	struct package package = { 0 };
	char *cache;
	int status;

	status = check_options(o);
	if (status)
		return status;
	cache = source_cache(o);
	if (!cache)
		return complain(STATUS_USAGE, "where to build? give --cache DIR");
	status = build(o, cache, &package, objects);
	free(package.files);
	free(package.text);
	free(cache);
	return status;
}
