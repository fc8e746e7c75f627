/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A relocatable object, taken apart into items: functions, variables, constants. What one item refers
 * to in another is a relocation; where that leads to exactly is said here.
 */
#ifndef UNIT_H
#define UNIT_H

#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "findings.h"

enum item_kind {
	ITEM_CODE,     /* a function, or a piece of one (NAME.cold) */
	ITEM_DATA,     /* a variable */
	ITEM_CONST,    /* a named constant: nobody writes it once the program runs */
	ITEM_NAMELESS, /* constants of the compiler's own: jump tables, tables of landing pads */
	ITEM_MERGED,   /* a section of which the linker merges equal parts: texts, numbers */
	ITEM_TLS,      /* a thread-local variable */
};

/* What has become of an item in the new version. */
enum item_state {
	STATE_UNKNOWN,
	STATE_SAME,
	STATE_LINES, /* differs in numbers of source lines only */
	STATE_CHANGED,
	STATE_NEW, /* or gone, if it is an old one */
};

struct section;

/**
 * struct frame - how to unwind from a function
 * @record, @size: its record (FDE), without the words in front that say where others are
 * @common, @common_size: what it has in common with others (CIE)
 * @nr: of its records: more than one is an assembler's work
 */
struct frame {
	const unsigned char *record, *common;
	uint32_t size, common_size;
	unsigned int nr;
};

/**
 * struct item - a function, variable or constant
 * @name: of its first symbol; of its section if it has none
 * @base: @name without the numbers that the compiler has added
 * @offset, @size: in its section
 * @global: other objects may use it
 * @weak: other objects may define it as well
 * @numbered: a variable whose name in the object says nothing, since the compiler counts
 * @chooser: of an indirect function: what it returned was used when the program was linked
 * @counterpart: in the other version; NULL if there is none
 * @twin: of a table without a name: the old one that it was found to be the same as; NULL
 * @wanted: it goes into the patch
 * @replaced: it takes the place of its counterpart
 * @why: why it is in the patch, or NULL; freed with the unit
 * @part_of: the function whose piece it is, or NULL
 * @referrers: array of @nr_referrers items of the same unit that refer to it
 * @instructions: array of @nr_instructions, of code
 * @frame: of code: its record of frame information
 */
struct item {
	enum item_kind kind;
	enum item_state state;
	const char *name, *base;
	size_t order; /* in its unit */
	struct section *section;
	uint64_t offset, size;
	bool global, weak, chooser, numbered, wanted, replaced;
	struct item *counterpart, *twin;
	char *why;
	struct item *part_of;
	struct item **referrers;
	size_t nr_referrers;
	struct instruction *instructions;
	size_t nr_instructions;
	const char *scope; /* see debug_scope(); asked once */
	bool scope_asked;
	/* of the frame information of code: the table of landing pads, and where in it */
	struct item *landing_pads;
	int64_t landing_pads_offset;
	struct item *personality; /* a pointer to what the unwinder calls for it, or NULL */
	struct frame frame;
	unsigned int number; /* used by the writer of the patch's object */
};

struct section {
	unsigned int number;
	const char *name;
	GElf_Shdr header;
	const unsigned char *data; /* NULL if its bytes are zero */
	Elf64_Rela *relocs; /* in the order of their offsets */
	size_t nr_relocs;
	struct item **items; /* of @nr_items, in the order of their offsets; NULL if it is not taken apart */
	size_t nr_items;
};

struct symbol {
	const char *name;
	uint64_t value, size;
	unsigned int section; /* number, or SHN_UNDEF, SHN_ABS, SHN_COMMON */
	unsigned char type, bind, visibility;
};

/**
 * struct unit - an object file
 * @path: its file
 * @source: name of its source file, without directory; "" if the object does not say
 * @by_base: its items in the order of their bases, those of one base in their own order
 * @debug: what its DWARF says, see debug.c; NULL until it is asked
 */
struct unit {
	const char *path;
	int fd;
	Elf *elf;
	const char *source;
	struct section *sections;
	unsigned int nr_sections;
	struct symbol *symbols;
	unsigned int nr_symbols;
	struct item **items;
	size_t nr_items;
	struct item **by_base;
	struct debug *debug;
};

/**
 * struct place - what a relocation leads to
 * @name: of the symbol, if another object defines it; else NULL
 * @item: what the unit has there; NULL for an absolute symbol or a section that is not taken apart
 * @section: where it is, or NULL
 * @offset: from the start of @item (of @section without one, 0 without both)
 * @correction: what had to be added to the relocation's addend, since the processor counts from the
 *	instruction's end
 */
struct place {
	const char *name;
	struct item *item;
	struct section *section;
	int64_t offset;
	int64_t correction;
};

/* 0, or a negative errno after a finding was noted. */
int unit_open(struct unit *unit, const char *path, struct findings *findings);
void unit_close(struct unit *unit);

/* items.c: take the unit apart. */
void items_make(struct unit *unit);
/* The items of a base, and how many they are. */
struct item *const *items_of_base(const struct unit *unit, const char *base, size_t *nr);

/* What relocation @reloc, which is in @section, leads to. */
struct place unit_place(const struct unit *unit, const struct section *section,
			const Elf64_Rela *reloc);
/* The first relocation of a section at @offset or behind it. */
size_t first_reloc(const struct section *section, uint64_t offset);
/* The relocations within an item: the first, and how many. */
const Elf64_Rela *item_relocs(const struct item *item, size_t *nr);
/* The bytes of an item; NULL if they are zero. */
const unsigned char *item_bytes(const struct item *item);
uint64_t item_alignment(const struct item *item);
struct item *section_item(const struct section *section, uint64_t offset);
bool is_code(const struct section *section);
bool is_text(const struct section *section); /* of texts that end with a 0 */

/* Nothing of a compiler's own needs more; what is longer is no assembler name. */
#define BASE_MAX 4096

/* names.c. A name without the numbers that the compiler has added: "buffer" for "buffer.12". */
size_t base_name(const char *name, char *base, size_t size);
bool same_base(const char *one, const char *other);
/* A static variable of a C++ function, or what guards it. */
bool is_cxx_local(const char *name);
/* "f" for "f.cold" and "f.cold.3"; 0 if it is no such name. */
size_t piece_of(const char *name);

void *allocate(size_t nr, size_t size);
void *enlarge(void *array, size_t nr, size_t size);
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
