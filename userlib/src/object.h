/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* object.c: the relocatable object in a patch, taken apart; what no process could take is refused. */
#ifndef WF_OBJECT_H
#define WF_OBJECT_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "process.h"

/* Protections of the image's segments, in their order. */
enum wf_kind {
	WF_READ,
	WF_CODE,
	WF_DATA,
	WF_NR_KINDS,
	WF_LEFT_OUT = WF_NR_KINDS,
};

/**
 * struct wf_object_section - a section of the object
 * @data: its bytes; NULL if they are zero
 * @offset: in the image, set by the linker
 */
struct wf_object_section {
	const char *name;
	enum wf_kind kind;
	const unsigned char *data;
	size_t size;
	size_t align;
	uint64_t offset;
	const Elf64_Rela *relocs;
	size_t nr_relocs;
};

/**
 * struct wf_object_symbol - a symbol of the object
 * @section: its section's number, SHN_UNDEF or SHN_ABS
 * @writable: it is in a writable section
 * @used: a relocation of a section that is not left out refers to it
 */
struct wf_object_symbol {
	const char *name;
	uint64_t value;
	uint64_t size;
	unsigned int section;
	unsigned char type;
	unsigned char bind;
	bool writable;
	bool used;
};

struct wf_object {
	const char *path; /* for messages */
	struct wf_object_section *sections;
	unsigned int nr_sections;
	struct wf_object_symbol *symbols;
	unsigned int nr_symbols;
	unsigned int eh_frame; /* section number; 0 if there is none */
};

int wf_object_read(struct wf_object *object, Elf *elf, const char *path, struct wf_error *error);
void wf_object_free(struct wf_object *object);
/* The function of that name, if there is exactly one. */
const struct wf_object_symbol *wf_object_function(const struct wf_object *object, const char *name);
/* A relocation's symbol for a message. */
const char *wf_object_name(const struct wf_object *object, unsigned int symbol);

#endif
