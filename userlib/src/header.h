/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a patch image begins with, in the process that it is applied to: whoever wants to know what is
 * applied reads it from there. docs/patch-format.md has the same for people.
 *
 * Numbers are little-endian, as the processor has them; offsets count from the image's first byte. A
 * text ends with a 0; offset 0 is "no text".
 */
#ifndef WF_HEADER_H
#define WF_HEADER_H

#include <stdint.h>
#include <wfpatch/apply.h>

#define WF_HEADER_MAGIC "wfpatch" /* with the 0 at its end: 8 bytes */
#define WF_HEADER_VERSION 2
#define WF_HEADER_PLAIN 1 /* without hooks: what older programs know */
#define WF_HEADER_NAME "wfpatch:" /* the memfd's name begins with it */

/**
 * struct wf_header_function - a function that the patch replaces
 * @name, @new_name: offsets of texts
 * @address: of the old function, as the file has it
 * @size: of the old function
 * @hash: SHA-256 of its bytes in the file
 * @runtime: address of the old function in this process
 * @new_address: of the new function in this process
 * @new_size: of the new function
 */
struct wf_header_function {
	uint64_t name;
	uint64_t new_name;
	uint64_t address;
	uint64_t size;
	uint8_t hash[WFPATCH_HASH_SIZE];
	uint64_t runtime;
	uint64_t new_address;
	uint64_t new_size;
};

#define WF_HEADER_NO_FUNCTION UINT32_MAX

/**
 * struct wf_header_write - a place of the process that the patch changed
 * @address: in this process
 * @function: number of the function that begins there; WF_HEADER_NO_FUNCTION where the change is for
 *	the unwinder
 * @len: bytes
 * @old: what a revert puts back
 * @new: what is there while the patch is used
 */
struct wf_header_write {
	uint64_t address;
	uint32_t function;
	uint32_t len;
	uint8_t old[16];
	uint8_t new[16];
};

/**
 * struct wf_header_hook - a hook of the patch
 * @name: offset of the text with the function's name; 0 if the patch has no such hook
 * @call: address in this process of the code that calls it once
 * @state: address in this process of its struct wf_hook_state
 */
struct wf_header_hook {
	uint64_t name;
	uint64_t call;
	uint64_t state;
};

/* In the image's writable memory. @state: enum wfpatch_hook_state; @result: once that is DONE. */
struct wf_hook_state {
	uint32_t state;
	int32_t result;
};

/**
 * struct wf_header - the first bytes of an image
 * @magic: WF_HEADER_MAGIC
 * @version: WF_HEADER_VERSION, or WF_HEADER_PLAIN: then the fields from @hooks on mean nothing
 * @size: bytes of the header with all that its offsets lead to
 * @sequence: one more than that of the image that was applied before
 * @address: where the image is mapped
 * @len: bytes of the image, a multiple of the page size
 * @text, @text_len: its code
 * @functions: offset of an array of @nr_functions struct wf_header_function
 * @writes: offset of an array of @nr_writes struct wf_header_write
 * @name, @patch_version, @description, @author, @target: offsets of texts
 * @cves, @replaces: offsets of arrays of @nr_cves and @nr_replaces offsets of texts
 * @build_id, @build_id_size: of the patched file
 * @id: SHA-256 of the patch file
 * @hooks: offset of an array of WFPATCH_NR_HOOKS struct wf_header_hook
 * @points: offset of an array of @nr_points struct wfpatch_span: at whose call a hook may run
 * @shadow: address in this process of the table of shadow variables that the patch uses; 0 if none
 */
struct wf_header {
	char magic[8];
	uint32_t version;
	uint32_t size;
	uint64_t sequence;
	uint64_t address;
	uint64_t len;
	uint64_t text;
	uint64_t text_len;
	uint64_t functions;
	uint64_t writes;
	uint32_t nr_functions;
	uint32_t nr_writes;
	uint64_t name;
	uint64_t patch_version;
	uint64_t description;
	uint64_t author;
	uint64_t target;
	uint64_t cves;
	uint64_t replaces;
	uint32_t nr_cves;
	uint32_t nr_replaces;
	uint32_t build_id_size;
	uint32_t reserved;
	uint8_t build_id[WFPATCH_BUILD_ID_MAX];
	uint8_t id[32];
	uint64_t hooks;
	uint64_t points;
	uint32_t nr_points;
	uint32_t reserved2;
	uint64_t shadow;
};

#endif
