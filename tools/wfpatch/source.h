/* SPDX-License-Identifier: GPL-2.0 */
/* source.c: the objects of a program, built from its source before and after a change. */
#ifndef SOURCE_H
#define SOURCE_H

#include <stddef.h>
#include "tool.h"

/**
 * struct objects - old and new objects of a program
 * @old, @new: arrays of @nr paths; an old one is NULL for an object that was not there
 * @text: what the paths are in
 */
struct objects {
	const char **old, **new;
	size_t nr;
	char *text;
};

/*
 * Build as --source, --diff, --make and --target say. STATUS_DONE, or an exit status after a line about
 * what went wrong. objects_free() in any case.
 */
int source_build(const struct options *options, struct objects *objects);
void objects_free(struct objects *objects);

#endif
