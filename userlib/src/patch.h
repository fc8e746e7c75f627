/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The notes of a patch file, and an opened one. docs/patch-format.md describes the format. */
#ifndef WF_PATCH_H
#define WF_PATCH_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wfpatch/apply.h>

#define WF_NOTE_SECTION ".note.wfpatch"
#define WF_NOTE_OWNER "wfpatch" /* with the 0 at its end: 8 bytes */
#define WF_FORMAT_VERSION 2
#define WF_FORMAT_PLAIN 1 /* without hooks: what older programs know */
#define WF_PATCH_NAME_MAX 63

/* Types of notes. Those of one type are in order. */
enum wf_note {
	WF_NOTE_FORMAT = 1,	 /* struct wf_note_format; first of all */
	WF_NOTE_NAME = 2,	 /* text, as all up to WF_NOTE_TARGET */
	WF_NOTE_VERSION = 3,
	WF_NOTE_DESCRIPTION = 4,
	WF_NOTE_AUTHOR = 5,
	WF_NOTE_CVE = 6,	 /* any number of them */
	WF_NOTE_REPLACES = 7,	 /* any number of them */
	WF_NOTE_TARGET = 8,
	WF_NOTE_BUILD_ID = 9,	 /* bytes */
	WF_NOTE_FUNCTION = 10,	 /* struct wf_note_function; one or more */
	WF_NOTE_PIECE = 11,	 /* struct wf_note_function: code that belongs to a function */
	WF_NOTE_REFERENCE = 12,	 /* struct wf_note_reference: what the object means by a name */
	WF_NOTE_HOOK = 13,	 /* struct wf_note_hook */
	WF_NOTE_POINT = 14,	 /* struct wf_note_function: not replaced, but a hook may run there */
};

/* flags: there is a reference for each name that the target itself defines */
#define WF_FORMAT_COMPLETE (1U << 0)

struct wf_note_format {
	uint32_t version;
	uint32_t flags;
};

struct wf_note_function {
	uint64_t address;
	uint64_t size;
	uint8_t hash[WFPATCH_HASH_SIZE];
	char names[]; /* the old one, and that of the new one; a piece has the first only */
};

/* flags: the target's symbol is static, and the object's name might mean a library's */
#define WF_REFERENCE_STATIC (1U << 0)

struct wf_note_reference {
	uint64_t address;
	uint64_t size;
	uint32_t type; /* STT_... */
	uint32_t flags;
	char name[];
};

struct wf_note_hook {
	uint32_t hook; /* enum wfpatch_hook */
	char name[];
};

/* A reference as it is kept: texts are in the file's memory. */
struct wf_reference {
	const char *name;
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t flags;
};

struct wfpatch_patch {
	struct wfpatch_patch_info info;
	void *data; /* the file */
	size_t size;
	Elf *elf;
	uint8_t id[32];
	struct wfpatch_patch_function *functions;
	struct wfpatch_patch_function *pieces; /* @new_name is NULL */
	unsigned int nr_pieces;
	struct wfpatch_patch_function *points; /* @new_name is NULL */
	const char **point_names;
	struct wf_reference *references;
	unsigned int nr_references;
	bool complete; /* WF_FORMAT_COMPLETE */
};

#endif
