/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* symbols.c: symbols and code of a program's or library's file, and of the files with its symbols. */
#ifndef WF_SYMBOLS_H
#define WF_SYMBOLS_H

#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "process.h"

/* An opened ELF file. */
struct wf_elf {
	int fd;
	Elf *elf;
	GElf_Ehdr header;
	unsigned char build_id[WFPATCH_BUILD_ID_MAX];
	unsigned int build_id_size;
};

/* A symbol that the file defines. Texts are valid until wf_symbols_close(). */
struct wf_symbol {
	const char *name;
	const char *file; /* source file of a local symbol; "" if not known */
	uint64_t value;
	uint64_t size;
	unsigned char type;
	unsigned char bind;
};

/**
 * struct wf_symbols - all symbols of a program or library
 * @binary: its file
 * @debug: a file with its symbols, if they are not in @binary; debug.elf is NULL if there is none
 * @list: array of @nr, those of the dynamic table last
 * @full: there are more than the dynamic ones
 */
struct wf_symbols {
	struct wf_elf binary;
	struct wf_elf debug;
	struct wf_symbol *list;
	size_t nr;
	bool full;
};

/* All of them: 0 or a negative errno. */
int wf_elf_open(struct wf_elf *elf, const char *path);
void wf_elf_close(struct wf_elf *elf);
/* The section header of the first section of a type; NULL if there is none. */
Elf_Scn *wf_elf_section(const struct wf_elf *elf, unsigned int type, GElf_Shdr *header);
/* Bytes of the file that are mapped to @address. */
int wf_elf_read(const struct wf_elf *elf, uint64_t address, void *to, size_t len);

/*
 * @path: how to open the program or library. @name: what it is called below the directory @root, where
 * its debug files are looked for. @debug: where its symbols are; NULL to look for them. It is no error
 * if there are none.
 */
int wf_symbols_open(struct wf_symbols *symbols, const char *path, const char *name,
		    const char *root, const char *debug, struct wf_error *error);
void wf_symbols_close(struct wf_symbols *symbols);

/*
 * The symbol of a name, which may be "file.c:name" or, as an assembler takes it,
 * "wfpatch.local.file_c.name". -ENOENT if there is none, -ENOTUNIQ if there are several.
 */
int wf_symbols_find(const struct wf_symbols *symbols, const char *name, bool function,
		    const struct wf_symbol **found);

/*
 * A function that is too short for the jump may lend padding behind it, but not of the next one: what
 * the jump would overwrite, or NULL.
 */
const struct wf_symbol *wf_symbols_in_jump(const struct wf_symbols *symbols,
					   const struct wf_symbol *symbol);

#define WF_LOCAL_PREFIX "wfpatch.local."
/* What is not the target's own: "wfpatch.import.name". */
#define WF_IMPORT_PREFIX "wfpatch.import."

/* The name behind the prefix, or NULL. */
const char *wf_import_name(const char *name);

void wf_sha256(const void *data, size_t len, unsigned char *hash);

#endif
