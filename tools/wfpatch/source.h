/* SPDX-License-Identifier: GPL-2.0 */
/* source.c, debian.c: the objects of a program, built from its source before and after a change. */
#ifndef SOURCE_H
#define SOURCE_H

#include <stddef.h>
#include "tool.h"

/**
 * struct objects - old and new objects of a program
 * @old, @new: arrays of @nr paths; an old one is NULL for an object that was not there
 * @text: what the paths are in
 * @target: the program or library that runs
 * @debug: a file with its symbols; NULL to look for one
 */
struct objects {
	const char **old, **new;
	size_t nr;
	char *text;
	char *target, *debug;
};

/*
 * Build as --source, --diff, --make and --target say, or --debian, --diff and --target. STATUS_DONE,
 * or an exit status after a line about what went wrong. objects_free() in any case.
 */
int source_build(const struct options *options, struct objects *objects);
int debian_build(const struct options *options, struct objects *objects);
void objects_free(struct objects *objects);

/* Where builds are kept; NULL if nothing says it. Free it. */
char *source_cache(const struct options *options);
/*
 * Run a script that lies beside the command, with argv[1] and what follows. Unless @output is NULL, it
 * is what the script prints; free it.
 */
int source_script(const char *name, const char **argv, char **output);
/* The list "objects" that build-tree has left in a directory. */
int source_read_list(const char *directory, struct objects *objects);

#endif
