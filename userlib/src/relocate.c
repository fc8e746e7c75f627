// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The image's layout and its relocations. Read-only memory comes first: the header, read-only data, and
 * the table of addresses; then code with its stubs; then data. Relocations are those of the System V ABI
 * for AMD64.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "header.h"
#include "internal.h"
#include "linker.h"

#define STUB_SIZE 16
#define SLOT_SIZE 8

/* endbr64; jmp *displacement(%rip) */
static const unsigned char stub_code[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0, 0, 0, 0 };

#define STUB_DISPLACEMENT 6

static uint64_t align(uint64_t value, uint64_t to)
{
	return (value + to - 1) & -to;
}

static unsigned int type_of(const Elf64_Rela *reloc)
{
	return ELF64_R_TYPE(reloc->r_info);
}

static bool is_got(unsigned int type)
{
	return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX ||
	       type == R_X86_64_REX_GOTPCRELX;
}

/* Code that is too far away for these is reached through a stub, which then stands for it. */
static bool may_take_stub(unsigned int type)
{
	return type == R_X86_64_PLT32 || type == R_X86_64_PC32 || type == R_X86_64_32 ||
	       type == R_X86_64_32S;
}

/* Places in the table of addresses that the relocations want, from @at on. Returns where they end. */
static uint64_t make_slots(struct wf_link *link, uint64_t at)
{
	const struct wf_object_section *section;
	const Elf64_Rela *reloc;
	struct wf_value *value;
	unsigned int i, type;
	size_t j;

	for (i = 0; i < link->object.nr_sections; i++) {
		section = &link->object.sections[i];
		for (j = 0; j < section->nr_relocs; j++) {
			reloc = &section->relocs[j];
			type = type_of(reloc);
			value = &link->values[ELF64_R_SYM(reloc->r_info)];
			if ((is_got(type) ||
			     (value->kind == WF_ADDRESS && value->code && may_take_stub(type))) &&
			    !value->slot) {
				value->slot = at;
				at += SLOT_SIZE;
			} else if (type == R_X86_64_GOTTPOFF && !value->slot_tp) {
				value->slot_tp = at;
				at += SLOT_SIZE;
			} else if (type == R_X86_64_TLSGD && !value->slot_tls) {
				value->slot_tls = at;
				at += 2UL * SLOT_SIZE;
			} else if (type == R_X86_64_TLSLD && !link->slot_ld) {
				link->slot_ld = at;
				at += 2UL * SLOT_SIZE;
			}
		}
	}
	return at;
}

static uint64_t make_stubs(struct wf_link *link, uint64_t at)
{
	unsigned int i;

	at = align(at, STUB_SIZE);
	for (i = 0; i < link->object.nr_symbols; i++) {
		if (link->values[i].kind != WF_ADDRESS || !link->values[i].code ||
		    !link->values[i].slot)
			continue;
		link->values[i].stub = at;
		at += STUB_SIZE;
	}
	return at;
}

static uint64_t make_callers(struct wf_link *link, uint64_t at)
{
	unsigned int i;

	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (!link->patch->info.hooks[i])
			continue;
		link->callers[i] = align(at, STUB_SIZE);
		at = link->callers[i] + wf_caller_size();
	}
	return at;
}

static uint64_t place_sections(struct wf_link *link, enum wf_kind kind, uint64_t at)
{
	struct wf_object_section *section;
	unsigned int i;

	for (i = 0; i < link->object.nr_sections; i++) {
		section = &link->object.sections[i];
		if (section->kind != kind)
			continue;
		at = align(at, section->align);
		section->offset = at;
		at += section->size;
		/* A length of 0 ends the frames. */
		if (i == link->object.eh_frame)
			at = align(at, 4) + 4;
	}
	return at;
}

static void end_segment(struct wf_link *link, enum wf_kind kind, uint64_t *start, uint64_t end)
{
	static const int prot[] = {
		[WF_READ] = PROT_READ,
		[WF_CODE] = PROT_READ | PROT_EXEC,
		[WF_DATA] = PROT_READ | PROT_WRITE,
	};

	end = align(end, WF_PAGE_SIZE);
	link->segments[kind] = (struct wf_image_segment){
		.offset = *start,
		.len = end - *start,
		.prot = prot[kind],
	};
	*start = end;
}

/* Does an address of the image have to fit into 32 bits? */
static bool is_low(const struct wf_link *link)
{
	const struct wf_object_section *section;
	const struct wf_value *value;
	unsigned int i, type;
	size_t j;

	for (i = 0; i < link->object.nr_sections; i++) {
		section = &link->object.sections[i];
		for (j = 0; j < section->nr_relocs; j++) {
			type = type_of(&section->relocs[j]);
			value = &link->values[ELF64_R_SYM(section->relocs[j].r_info)];
			if ((type == R_X86_64_32 || type == R_X86_64_32S) &&
			    (value->kind == WF_OWN || (value->stub && value->address > INT32_MAX)))
				return true;
		}
	}
	return false;
}

int wf_layout(struct wf_link *link)
{
	uint64_t start = 0, at;

	at = place_sections(link, WF_READ, align(link->header_size, 16));
	if (link->nr_frames) {
		at = align(at, 4);
		link->index = at;
		at += 12 + 8UL * link->nr_frames;
	}
	at = make_slots(link, align(at, SLOT_SIZE));
	end_segment(link, WF_READ, &start, at);

	at = make_stubs(link, place_sections(link, WF_CODE, start));
	if (link->nr_frames) {
		link->finder = align(at, STUB_SIZE);
		at = link->finder + wf_unwind_code_size();
	}
	at = make_callers(link, at);
	end_segment(link, WF_CODE, &start, at);

	at = place_sections(link, WF_DATA, start);
	if (wf_has_hooks(&link->patch->info)) {
		link->hook_states = align(at, sizeof(struct wf_hook_state));
		at = link->hook_states + WFPATCH_NR_HOOKS * sizeof(struct wf_hook_state);
	}
	end_segment(link, WF_DATA, &start, at);
	link->len = start;
	link->low = is_low(link);
	link->image = calloc(1, link->len);
	return link->image ? 0 : -ENOMEM;
}

uint64_t wf_own_address(const struct wf_link *link, const struct wf_object_symbol *symbol)
{
	return link->address + link->object.sections[symbol->section].offset + symbol->value;
}

/* Where the old function is whose new one is at @address in the image; 0 if there is none. */
static uint64_t old_address(const struct wf_link *link, uint64_t address)
{
	const struct wf_replacement *replacement;
	unsigned int i;

	for (i = 0; i < link->patch->info.nr_functions; i++) {
		replacement = &link->replacements[i];
		if (wf_own_address(link, replacement->symbol) == address)
			return replacement->runtime;
	}
	return 0;
}

static void put(struct wf_link *link, uint64_t offset, uint64_t value)
{
	memcpy(link->image + offset, &value, sizeof(value));
}

/* One relocation, being applied. */
struct place {
	const struct wf_object_section *section;
	const Elf64_Rela *reloc;
	const struct wf_object_symbol *symbol;
	struct wf_value *value;
	uint64_t address; /* P */
};

static int fail_place(struct wf_link *link, const struct place *place, const char *what)
{
	return wf_error_set(&link->error, ENOEXEC, "relocation of type %u to '%s' in %s+%#llx: %s",
			    type_of(place->reloc),
			    wf_object_name(&link->object, ELF64_R_SYM(place->reloc->r_info)),
			    place->section->name, (unsigned long long)place->reloc->r_offset, what);
}

/*
 * The address of a new function that the patch hands around is that of the old one, which leads to the
 * new one as long as the patch is applied: it compares equal to what the target knows, and is good after
 * a revert. A call within the patch is direct.
 */
static uint64_t handed_around(const struct wf_link *link, const struct place *place,
			      uint64_t address)
{
	uint64_t old;

	if (place->value->kind != WF_OWN || type_of(place->reloc) == R_X86_64_PLT32 ||
	    place->section == &link->object.sections[link->object.eh_frame])
		return address;
	/* Differences, as in the tables of a switch, have the type of the references of code. */
	if (type_of(place->reloc) == R_X86_64_PC32 && place->section->kind != WF_CODE)
		return address;
	old = old_address(link, address);
	return old ? old : address;
}

/* S + A; for a section's symbol and code, what the reference means is 4 bytes further. */
static uint64_t target_of(const struct wf_link *link, const struct place *place)
{
	uint64_t addend = (uint64_t)place->reloc->r_addend, address, bias = 0;

	if (place->value->kind != WF_OWN)
		return place->value->address + addend;
	address = wf_own_address(link, place->symbol);
	if (place->symbol->type != STT_SECTION)
		return handed_around(link, place, address) + addend;
	if (type_of(place->reloc) == R_X86_64_PC32)
		bias = 4;
	return handed_around(link, place, address + addend + bias) - bias;
}

static int put32(struct wf_link *link, const struct place *place, int64_t value, bool is_signed)
{
	uint32_t word = (uint32_t)value;

	if (place->section->size - place->reloc->r_offset < sizeof(word))
		return fail_place(link, place, "it is damaged");
	if (is_signed ? value != (int32_t)value : value != (int64_t)word)
		return fail_place(link, place,
				  "out of reach; compile with -fPIC, which code for far data "
				  "needs");
	memcpy(link->image + place->section->offset + place->reloc->r_offset, &word, sizeof(word));
	return 0;
}

static int put64(struct wf_link *link, const struct place *place, uint64_t value)
{
	if (place->section->size - place->reloc->r_offset < sizeof(value))
		return fail_place(link, place, "it is damaged");
	put(link, place->section->offset + place->reloc->r_offset, value);
	return 0;
}

/* A reference relative to the instruction; calls of what is far away go through a stub. */
static int put_relative(struct wf_link *link, const struct place *place)
{
	int64_t distance = (int64_t)(target_of(link, place) - place->address);

	if (distance != (int32_t)distance && place->value->stub)
		distance = (int64_t)(link->address + place->value->stub +
				     (uint64_t)place->reloc->r_addend - place->address);
	return put32(link, place, distance, true);
}

static int put_absolute(struct wf_link *link, const struct place *place)
{
	uint64_t address = target_of(link, place);

	if (address > INT32_MAX && place->value->stub)
		address = link->address + place->value->stub + (uint64_t)place->reloc->r_addend;
	return put32(link, place, (int64_t)address, type_of(place->reloc) == R_X86_64_32S);
}

static int put_tls(struct wf_link *link, const struct place *place)
{
	struct wf_value *value = place->value;
	uint64_t addend = (uint64_t)place->reloc->r_addend, number, symbol = value->address;
	int64_t offset;

	if (type_of(place->reloc) == R_X86_64_TLSLD) {
		if (wf_tls_module(link, link->module, &number))
			return fail_place(link, place,
					  "the target has no thread-local memory, or it cannot be "
					  "found");
		put(link, link->slot_ld, number);
		return put32(link, place,
			     (int64_t)(link->address + link->slot_ld + addend - place->address),
			     true);
	}
	if (value->kind != WF_TLS)
		return fail_place(link, place,
				  "the target has no thread-local variable of that name");
	switch (type_of(place->reloc)) {
	case R_X86_64_TLSGD:
		if (wf_tls_module(link, value->module, &number))
			return fail_place(link, place,
					  "the number of its module's thread-local memory cannot "
					  "be found");
		put(link, value->slot_tls, number);
		put(link, value->slot_tls + SLOT_SIZE, symbol);
		return put32(link, place,
			     (int64_t)(link->address + value->slot_tls + addend - place->address),
			     true);
	case R_X86_64_DTPOFF32:
	case R_X86_64_DTPOFF64:
		/* From the start of the memory of the module that TLSLD asks for. */
		if (value->module != link->module)
			return fail_place(link, place,
					  "it is another module's; compile with -fPIC");
		if (type_of(place->reloc) == R_X86_64_DTPOFF64)
			return put64(link, place, symbol + addend);
		return put32(link, place, (int64_t)(symbol + addend), true);
	}
	if (wf_tls_offset(link, value->module, &offset))
		return fail_place(link, place,
				  "its place differs between threads; compile with -fPIC "
				  "-ftls-model=global-dynamic");
	offset += (int64_t)symbol;
	switch (type_of(place->reloc)) {
	case R_X86_64_TPOFF32:
		return put32(link, place, offset + (int64_t)addend, true);
	case R_X86_64_TPOFF64:
		return put64(link, place, (uint64_t)offset + addend);
	}
	put(link, value->slot_tp, (uint64_t)offset);
	return put32(link, place,
		     (int64_t)(link->address + value->slot_tp + addend - place->address), true);
}

static int relocate_one(struct wf_link *link, const struct place *place)
{
	uint64_t addend = (uint64_t)place->reloc->r_addend;
	unsigned int type = type_of(place->reloc);

	switch (type) {
	case R_X86_64_NONE:
		return 0;
	case R_X86_64_TLSGD:
	case R_X86_64_TLSLD:
	case R_X86_64_DTPOFF32:
	case R_X86_64_DTPOFF64:
	case R_X86_64_GOTTPOFF:
	case R_X86_64_TPOFF32:
	case R_X86_64_TPOFF64:
		return put_tls(link, place);
	}
	if (place->value->kind == WF_TLS)
		return fail_place(link, place,
				  "it is a thread-local variable in the target; declare it so");
	switch (type) {
	case R_X86_64_64:
		return put64(link, place, target_of(link, place));
	case R_X86_64_PC64:
		return put64(link, place, target_of(link, place) - place->address);
	case R_X86_64_32:
	case R_X86_64_32S:
		return put_absolute(link, place);
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		return put_relative(link, place);
	case R_X86_64_SIZE32:
		return put32(link, place, (int64_t)(place->value->size + addend), false);
	case R_X86_64_SIZE64:
		return put64(link, place, place->value->size + addend);
	}
	/* The rest is is_got(): the slot is filled once, whatever the addend. */
	return put32(link, place,
		     (int64_t)(link->address + place->value->slot + addend - place->address), true);
}

static void fill_slots(struct wf_link *link)
{
	const struct wf_value *value;
	uint64_t address, old, displacement;
	unsigned char *stub;
	unsigned int i;

	for (i = 0; i < link->object.nr_symbols; i++) {
		value = &link->values[i];
		if (!value->slot)
			continue;
		address = value->address;
		if (value->kind == WF_OWN) {
			address = wf_own_address(link, &link->object.symbols[i]);
			old = old_address(link, address);
			if (old)
				address = old;
		}
		put(link, value->slot, address);
		if (!value->stub)
			continue;
		stub = link->image + value->stub;
		memset(stub, 0xcc, STUB_SIZE);
		memcpy(stub, stub_code, sizeof(stub_code));
		displacement = value->slot - (value->stub + sizeof(stub_code));
		memcpy(stub + STUB_DISPLACEMENT, &displacement, 4);
	}
}

int wf_relocate(struct wf_link *link)
{
	const struct wf_object_section *section;
	struct place place;
	unsigned int i, number;
	size_t j;
	int err = 0;

	for (i = 0; i < link->object.nr_sections; i++) {
		section = &link->object.sections[i];
		if (section->kind != WF_LEFT_OUT && section->data)
			memcpy(link->image + section->offset, section->data, section->size);
	}
	fill_slots(link);
	for (i = 0; i < link->object.nr_sections; i++) {
		section = &link->object.sections[i];
		for (j = 0; !err && j < section->nr_relocs; j++) {
			number = ELF64_R_SYM(section->relocs[j].r_info);
			place.section = section;
			place.reloc = &section->relocs[j];
			place.symbol = &link->object.symbols[number];
			place.value = &link->values[number];
			place.address = link->address + section->offset + place.reloc->r_offset;
			err = relocate_one(link, &place);
		}
	}
	return err;
}
