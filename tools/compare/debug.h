/* SPDX-License-Identifier: GPL-2.0 */
/* What an object's DWARF says: lines, functions' types, layouts of types. Read by libdw. */
#ifndef DEBUG_H
#define DEBUG_H

#include <stddef.h>
#include <stdint.h>
#include "unit.h"

struct debug;

/* False if the object has no debug information. */
bool debug_open(struct unit *unit);
void debug_close(struct debug *debug);

/* The compiler and its options; "" if nothing says it. */
const char *debug_producer(const struct unit *unit);

/**
 * struct line - a row of the line table
 * @offset: of the instruction in its function
 * @number: of the source line
 */
struct line {
	uint64_t offset;
	int number;
};

/* The rows of a function, in the order of their offsets; free them. NULL if there are none. */
struct line *debug_lines(const struct unit *unit, const struct item *item, size_t *nr);

/* "int (struct connection *, unsigned long)"; free it. NULL if nothing says it. */
char *debug_signature(const struct unit *unit, const struct item *item);

/**
 * struct layout - of a type that has a name
 * @name: "struct connection"
 * @text: its size and members, or values; the same text is the same layout
 */
struct layout {
	char *name;
	char *text;
};

/*
 * Where a static variable is declared: "" for a file's own, "parse::" for one within parse(). NULL if
 * nothing says it.
 */
const char *debug_scope(const struct unit *unit, const struct item *item);

/* A variable's type, as in a signature; free it. NULL if nothing says it. */
char *debug_type(const struct unit *unit, const struct item *item);

/* All types of the unit that have a name and members, in the order of their names. */
const struct layout *debug_layouts(const struct unit *unit, size_t *nr);

#endif
