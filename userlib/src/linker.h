/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of the linker share. link.c checks the process and makes the image, resolve.c finds
 * what names mean in the process, place.c finds room, relocate.c lays out and relocates, unwind.c
 * makes exceptions find their way through the image.
 */
#ifndef WF_LINKER_H
#define WF_LINKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "applied.h"
#include "image.h"
#include "object.h"
#include "patch.h"
#include "process.h"
#include "symbols.h"

/* What a symbol of the object is in the process. */
enum wf_value_kind {
	WF_NO_VALUE, /* nothing uses it */
	WF_OWN,	     /* in the image */
	WF_ADDRESS,
	WF_TLS,
};

/**
 * struct wf_value - a symbol's value
 * @address: of WF_ADDRESS; offset in the module's thread-local memory of WF_TLS
 * @size: of what it is
 * @module: whose thread-local memory it is
 * @code: it may be a function: calls may go through a stub
 * @slot, @slot_tp, @slot_tls: offsets in the image of its places in the table of addresses; 0 if none
 * @stub: offset of the code that jumps to it; 0 if none
 */
struct wf_value {
	enum wf_value_kind kind;
	uint64_t address;
	uint64_t size;
	struct wf_module *module;
	bool code;
	uint64_t slot;
	uint64_t slot_tp;
	uint64_t slot_tls;
	uint64_t stub;
};

/* A place that unwind.c changes. */
struct wf_hook {
	struct wf_image_write write;
	bool code; /* threads must not be in it */
};

/* A function to be replaced, as it was checked. */
struct wf_replacement {
	const struct wfpatch_patch_function *function;
	const struct wf_object_symbol *symbol; /* of the new function */
	uint64_t runtime;		       /* where the old one is */
	uint64_t entry;			       /* where the jump goes */
	bool jumped_to;			       /* old code may jump to its entry */
	struct wf_image_write write;
};

/* Code that is replaced, as it was before any patch. */
struct wf_old_code {
	uint64_t start; /* in the process */
	size_t size;
	unsigned char *code;
};

struct wf_link {
	struct wf_process process;
	struct wf_applied_list applied;
	struct wf_replacement *replacements; /* as patch->info.functions */
	struct wf_old_code *old; /* as patch->info.functions, then as patch->pieces */
	unsigned int nr_old;
	struct wf_module *module; /* the one that is patched */
	const struct wfpatch_patch *patch;
	const char *debug;
	struct wf_symbols symbols; /* of the module's file, once wanted */
	bool symbols_tried;
	bool symbols_open;
	struct wf_object object;
	struct wf_value *values; /* one for each symbol of the object */
	uint64_t slot_ld; /* of the module's thread-local memory; 0 if none */

	unsigned char *image;
	uint64_t address;
	uint64_t len;
	struct wf_image_segment segments[WF_NR_KINDS];
	uint64_t sequence;
	bool low; /* must lie below 2 GiB */

	uint64_t header_size;
	uint64_t index; /* offset of the index of .eh_frame; 0 if none */
	unsigned int nr_frames;
	uint64_t finder; /* offset of unwind.c's code; 0 if none */
	struct wf_hook hooks[8];
	unsigned int nr_hooks;
	uint64_t finder_next; /* address of what it asks for all other code */

	uint64_t callers[WFPATCH_NR_HOOKS]; /* offsets of the code that calls the patch's hooks; 0 if none */
	uint64_t hook_states; /* offset of an array of struct wf_hook_state; 0 if none */
	struct wfpatch_span *points; /* where hooks may run */
	unsigned int nr_points;
	uint64_t shadow; /* address of the table of shadow variables; 0 if none */

	struct wf_error error;
};

/*
 * link.c: make @bytes of the process at @address what they would be without the applied patches, or
 * without those of them that this one replaces.
 */
void wf_link_uncover(const struct wf_link *link, uint64_t address, unsigned char *bytes, size_t len,
		     bool replaced_only);

/* entry.c: fill the replacements' jumped_to. */
int wf_check_entries(struct wf_link *link);

/* The same for one function that is not replaced: may its code jump to its own entry? */
bool wf_enters_itself(const struct wf_link *link, const struct wf_old_code *code);

/* caller.c: how one thread is made to run a patch's hook */
bool wf_has_hooks(const struct wfpatch_patch_info *info);
/* Is there something in it that older programs know nothing of? */
bool wf_has_extras(const struct wf_link *link);
int wf_hooks_check(struct wf_link *link);
size_t wf_caller_size(void);
void wf_hooks_finish(struct wf_link *link);
void wf_shadow_finish(struct wf_link *link);

/* resolve.c */
int wf_resolve(struct wf_link *link);
int wf_find_name(struct wf_link *link, const char *name, struct wf_value *value);
/* Number of a module's thread-local memory, and where it lies from the thread pointer. -ENOENT. */
int wf_tls_module(struct wf_link *link, struct wf_module *module, uint64_t *number);
int wf_tls_offset(struct wf_link *link, struct wf_module *module, int64_t *offset);

/* place.c */
int wf_place(struct wf_link *link, unsigned int again);

/* relocate.c */
int wf_layout(struct wf_link *link);
int wf_relocate(struct wf_link *link);
/* Address in the process of a symbol in the image. */
uint64_t wf_own_address(const struct wf_link *link, const struct wf_object_symbol *symbol);

/* unwind.c */
int wf_unwind_plan(struct wf_link *link);
size_t wf_unwind_code_size(void);
int wf_unwind_finish(struct wf_link *link);

#endif
