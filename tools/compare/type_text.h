/* SPDX-License-Identifier: GPL-2.0 */
/* Types of the debug information as texts: the same text is the same type. */
#ifndef TYPE_TEXT_H
#define TYPE_TEXT_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * struct buffer - a text that grows
 * @text: NULL until something was put; whoever has the buffer frees it
 */
struct buffer {
	char *text;
	size_t len, room;
};

/* The type of @of; what has none returns nothing. @depth: how many types this one is within. */
void put_type(struct buffer *buffer, Dwarf_Die *of, unsigned int depth);
void put_parameters(struct buffer *buffer, Dwarf_Die *die, unsigned int depth);
/* Size and members of a structure, values of an enumeration. */
void put_members(struct buffer *buffer, Dwarf_Die *die, unsigned int depth);

const char *die_name(Dwarf_Die *die);
bool die_type(Dwarf_Die *die, Dwarf_Die *type);
bool has_flag(Dwarf_Die *die, unsigned int name);
/* "struct", "union" or "enum"; NULL for other tags. */
const char *aggregate_word(int tag);
/* The same for a typedef of one without a name. */
const char *nameless_word(Dwarf_Die *die);

#endif
