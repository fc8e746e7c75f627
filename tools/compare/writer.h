/* SPDX-License-Identifier: GPL-2.0 */
/* Writes a relocatable object, section by section. */
#ifndef WRITER_H
#define WRITER_H

#include <gelf.h>
#include <stddef.h>
#include <stdint.h>

struct out_section {
	char *name;
	unsigned char *data; /* NULL if it is zero */
	size_t size;
	GElf_Word type;
	GElf_Xword flags, align;
	Elf64_Rela *relocs;
	size_t nr_relocs;
};

struct out_symbol {
	char *name;
	Elf64_Sym symbol; /* st_shndx counts sections from 1, as writer_section() does */
};

struct writer {
	struct out_section *sections;
	size_t nr_sections;
	struct out_symbol *symbols;
	size_t nr_symbols;
};

/* Returns its number. The data are copied. */
unsigned int writer_section(struct writer *writer, const char *name, GElf_Word type,
			    GElf_Xword flags, GElf_Xword align, const void *data, size_t size);
/* More bytes at the end of one, at a multiple of @align; returns where. */
size_t writer_append(struct writer *writer, unsigned int section, const void *data, size_t size,
		     size_t align);
/* Symbols are numbered from 0 until the file is written; returns the number. */
unsigned int writer_symbol(struct writer *writer, const char *name, unsigned char bind,
			   unsigned char type, unsigned int section, uint64_t value, uint64_t size);
/* The symbol of a section, added if it has none yet. */
unsigned int writer_section_symbol(struct writer *writer, unsigned int section);
/* The symbol that is not defined here, added if it is not there yet. */
unsigned int writer_undefined(struct writer *writer, const char *name, unsigned char bind,
			      unsigned char type);
void writer_reloc(struct writer *writer, unsigned int section, uint64_t offset, unsigned int type,
		  unsigned int symbol, int64_t addend);
/* 0 or a negative errno. */
int writer_write(struct writer *writer, int fd);
void writer_free(struct writer *writer);

#endif
