// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Whether reaching the entry of an old function means that it is called. If code that is replaced may
 * jump there, a thread at the entry may be in the middle of that code (a loop, or a tail call of one
 * replaced function by another), although nothing on its stack shows it.
 *
 * The old code is looked at from each of its bytes on, as if instructions began there: too many jumps are
 * found rather than too few. What a jump too many costs is only speed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "internal.h"
#include "linker.h"

#define JUMP_INDIRECT 0xff /* with 4 in the middle bits of the byte behind it */

/* Where a direct jump at @code, which runs at @at, leads; 0 if there is none. */
static uint64_t jump_target(const unsigned char *code, uint64_t at, size_t left)
{
	int32_t far;

	/* jmp and jcc with 8 bits, loop and jrcxz */
	if (left >= 2 && (code[0] == 0xeb || (code[0] & 0xf0) == 0x70 || (code[0] & 0xfc) == 0xe0))
		return at + 2 + (uint64_t)(int8_t)code[1];
	if (left >= 5 && code[0] == 0xe9) {
		memcpy(&far, code + 1, sizeof(far));
		return at + 5 + (uint64_t)far;
	}
	if (left >= 6 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80) {
		memcpy(&far, code + 2, sizeof(far));
		return at + 6 + (uint64_t)far;
	}
	return 0;
}

/* Within a function: jmp *%reg and jmp *table(,%reg,8), as a switch has them. */
static bool is_switch(const unsigned char *code, size_t left)
{
	return left >= 2 && code[0] == JUMP_INDIRECT &&
	       ((code[1] & 0xf8) == 0xe0 || code[1] == 0x24);
}

/* jmp *slot(%rip) leads to @entry, or to where the process may have it lead. */
static bool slot_leads(const struct wf_link *link, uint64_t slot, uint64_t entry)
{
	const struct wf_mapping *mapping = wf_process_mapping(&link->process, slot);
	uint64_t value;

	if (!mapping || wf_process_read(&link->process, slot, &value, sizeof(value)))
		return false;
	return value == entry || (mapping->prot & PROT_WRITE);
}

/* To another function: any indirect jump but through a slot that says otherwise. */
static bool is_indirect(const struct wf_link *link, const unsigned char *code, uint64_t at,
			size_t left, uint64_t entry)
{
	int32_t distance;

	if (left < 2 || code[0] != JUMP_INDIRECT || (code[1] & 0x38) != 0x20)
		return false;
	if (code[1] != 0x25 || left < 6)
		return true;
	memcpy(&distance, code + 2, sizeof(distance));
	return slot_leads(link, at + 6 + (uint64_t)distance, entry);
}

/* A PLT entry at @address that leads to @entry, or that is not bound yet and may come to. */
static bool leads_on(const struct wf_link *link, uint64_t address, uint64_t entry)
{
	const struct wf_module *module = link->module;
	unsigned char code[16];
	uint64_t slot, value;
	int32_t distance;
	size_t skip;

	if (address < module->start || address >= module->end ||
	    wf_process_read(&link->process, address, code, sizeof(code)))
		return false;
	skip = wf_endbr_size(code, sizeof(code));
	skip += code[skip] == 0xf2;
	if (code[skip] != JUMP_INDIRECT || code[skip + 1] != 0x25)
		return false;
	memcpy(&distance, code + skip + 2, sizeof(distance));
	slot = address + skip + 6 + (uint64_t)distance;
	if (wf_process_read(&link->process, slot, &value, sizeof(value)))
		return false;
	if (value == entry)
		return true;
	if (value < module->start || value >= module->end ||
	    wf_process_read(&link->process, value, code, sizeof(code)))
		return false;
	/* push, of what is to be bound */
	return code[wf_endbr_size(code, sizeof(code))] == 0x68;
}

static bool may_enter(const struct wf_link *link, const struct wf_old_code *from, bool own,
		      uint64_t entry)
{
	uint64_t target;
	size_t i;

	for (i = 0; i < from->size; i++) {
		if (own ? is_switch(from->code + i, from->size - i)
			: is_indirect(link, from->code + i, from->start + i, from->size - i, entry))
			return true;
		target = jump_target(from->code + i, from->start + i, from->size - i);
		if (target == entry)
			return true;
		if (target && (target < from->start || target >= from->start + from->size) &&
		    leads_on(link, target, entry))
			return true;
	}
	return false;
}

/*
 * Does an applied patch have a jump at one of the entries? Its code is old code, too. Of one that is reverted
 * only the memory is there.
 */
static bool is_covered(const struct wf_link *link, const struct wf_applied *patch)
{
	unsigned int i, j;

	if (wf_applied_unused(patch))
		return false;
	for (i = 0; i < link->patch->info.nr_functions; i++) {
		for (j = 0; j < patch->nr_writes; j++) {
			if (patch->writes[j].address == link->replacements[i].entry)
				return true;
		}
	}
	return false;
}

static void clear(struct wf_old_code *code, uint64_t address, size_t size)
{
	size_t i;

	for (i = 0; address && i < size; i++) {
		if (address + i - code->start < code->size)
			code->code[address + i - code->start] = 0;
	}
}

static int check_applied_code(struct wf_link *link, const struct wf_applied *patch)
{
	struct wf_old_code code = {
		.start = patch->text_start,
		.size = patch->text_end - patch->text_start,
	};
	struct wf_replacement *to;
	unsigned int i;
	int err;

	code.code = malloc(code.size);
	if (!code.code)
		return -ENOMEM;
	err = wf_process_read(&link->process, code.start, code.code, code.size);
	/* What calls a hook ends with a jump to the entry that it was called at: that is a call of it. */
	for (i = 0; !err && i < WFPATCH_NR_HOOKS; i++)
		clear(&code, patch->hooks.call[i], wf_caller_size());
	for (i = 0; !err && i < link->patch->info.nr_functions; i++) {
		to = &link->replacements[i];
		to->jumped_to = to->jumped_to || may_enter(link, &code, false, to->runtime);
	}
	free(code.code);
	return err;
}

bool wf_enters_itself(const struct wf_link *link, const struct wf_old_code *code)
{
	return may_enter(link, code, true, code->start);
}

int wf_check_entries(struct wf_link *link)
{
	struct wf_replacement *to;
	unsigned int i, j;
	int err = 0;

	for (i = 0; i < link->patch->info.nr_functions; i++) {
		to = &link->replacements[i];
		for (j = 0; !to->jumped_to && j < link->nr_old; j++)
			to->jumped_to = may_enter(link, &link->old[j], i == j, to->runtime);
	}
	for (i = 0; !err && i < link->applied.nr; i++) {
		if (is_covered(link, &link->applied.patches[i]))
			err = check_applied_code(link, &link->applied.patches[i]);
	}
	return err;
}
