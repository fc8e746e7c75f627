// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How exceptions, pthread_cancel() and backtrace() find their way through an image. The unwinder in
 * libgcc asks the dynamic linker for the tables of the object that an address is in:
 * _dl_find_object(), of glibc 2.35 and later. The image has code that answers for the image itself and
 * asks the former one for all else; the places that lead to _dl_find_object() are made to lead to it:
 *
 * - in a library that imports it, its entry in the table of addresses if that is read-only, or else the
 *   16 bytes of code (PLT) that jump through it: memory that the process writes cannot be patched
 *   in a view;
 * - the value of the symbol in the dynamic linker's own table, for a libgcc that is loaded later, as
 *   pthread_cancel() and backtrace() do when they are first called;
 * - in a static program, the calls in the unwinder.
 *
 * Nothing is run in the process, and a revert puts these places back like all others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "applied.h"
#include "internal.h"
#include "linker.h"

#define FIND_OBJECT "_dl_find_object"
#define FIND_FRAME "_Unwind_Find_FDE"
#define FIND_FRAME_MAX 8192 /* bytes; it has about 1,000 */
#define PLT_SIZE 16
#define CALL_SIZE 5
#define CODE_MAX (1UL << 30) /* of a library; one that says more is left alone */

/* See function.c: how linkers write the index of .eh_frame. */
#define INDEX_HEAD 12
static const unsigned char index_format[] = { 1, 0x1b, 0x03, 0x3b };
#define ENCODING_RELATIVE 0x1b
#define AUGMENTATION_MAX 8

/* struct dl_find_object of <dlfcn.h>, filled by the code below. */
#define DLFO_MAP_START "8"
#define DLFO_MAP_END "16"
#define DLFO_LINK_MAP "24"
#define DLFO_EH_FRAME "32"

/* int _dl_find_object(void *address, struct dl_find_object *result), and what it knows. */
extern const unsigned char wf_finder_code[], wf_finder_data[], wf_finder_end[];

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"wf_finder_code:\n"
	"	endbr64\n"
	"	mov	%rdi, %rax\n"
	"	sub	wf_finder_data(%rip), %rax\n"
	"	cmp	wf_finder_data + 8(%rip), %rax\n"
	"	jae	1f\n"
	"	movq	$0, (%rsi)\n"
	"	mov	wf_finder_data(%rip), %rax\n"
	"	mov	%rax, " DLFO_MAP_START "(%rsi)\n"
	"	add	wf_finder_data + 8(%rip), %rax\n"
	"	mov	%rax, " DLFO_MAP_END "(%rsi)\n"
	"	mov	wf_finder_data + 16(%rip), %rax\n"
	"	mov	%rax, " DLFO_LINK_MAP "(%rsi)\n"
	"	mov	wf_finder_data + 24(%rip), %rax\n"
	"	mov	%rax, " DLFO_EH_FRAME "(%rsi)\n"
	"	xor	%eax, %eax\n"
	"	ret\n"
	"1:	jmp	*wf_finder_data + 32(%rip)\n"
	".balign 8\n"
	"wf_finder_data:\n"
	"	.quad	0, 0, 0, 0, 0\n"
	"wf_finder_end:\n"
	".popsection\n");

struct finder_data {
	uint64_t start;
	uint64_t len;
	uint64_t link_map;
	uint64_t index;
	uint64_t next;
};

size_t wf_unwind_code_size(void)
{
	return (size_t)(wf_finder_end - wf_finder_code);
}

static uint32_t word(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Size of the record at @at, or 0 at the end. */
static size_t record_size(const unsigned char *at, size_t left)
{
	size_t size;

	if (left < 8)
		return 0;
	size = word(at) + 4UL;
	return size < 8 || size > left ? 0 : size;
}

static int count_frames(struct wf_link *link)
{
	const struct wf_object_section *section = &link->object.sections[link->object.eh_frame];
	const unsigned char *at = section->data, *common;
	size_t left = section->size, size;

	while ((size = record_size(at, left))) {
		common = word(at + 4) ? at + 4 - word(at + 4) : NULL;
		/* Of a common record: 8 bytes, a version, a text, and so on. */
		if (common &&
		    (common < section->data || size < 16 || common + 16 > at ||
		     strnlen((const char *)common + 9, AUGMENTATION_MAX) >= AUGMENTATION_MAX ||
		     wf_frame_encoding(common) != ENCODING_RELATIVE))
			break;
		link->nr_frames += !!common;
		at += size;
		left -= size;
	}
	if (left && (left < 4 || word(at)))
		return wf_error_set(&link->error, ENOEXEC,
				    "%s: .eh_frame is not as compilers write it",
				    link->object.path);
	return 0;
}

static bool may_change(const struct wf_link *link, uint64_t address)
{
	const struct wf_mapping *mapping = wf_process_mapping(&link->process, address);

	return mapping && !mapping->shared && !(mapping->prot & PROT_WRITE);
}

/* What is at @address when the patches that this one replaces are gone. */
static int read_below(struct wf_link *link, uint64_t address, unsigned char *bytes,
		      unsigned int len)
{
	int err = wf_process_read(&link->process, address, bytes, len);

	if (!err)
		wf_link_uncover(link, address, bytes, len, true);
	return err;
}

static int add_hook(struct wf_link *link, uint64_t address, unsigned int len, bool code)
{
	struct wf_hook *hook;

	if (link->nr_hooks == sizeof(link->hooks) / sizeof(*link->hooks))
		return -E2BIG;
	hook = &link->hooks[link->nr_hooks];
	hook->write.address = address;
	hook->write.len = len;
	hook->code = code;
	if (read_below(link, address, hook->write.old, len))
		return -EFAULT;
	link->nr_hooks++;
	return 0;
}

/* Does the code at @at jump through the entry at @slot? */
static bool jumps_through(const unsigned char *code, uint64_t at, uint64_t slot)
{
	return code[0] == 0xff && code[1] == 0x25 &&
	       at + 6 + (uint64_t)(int32_t)word(code + 2) == slot;
}

/* The PLT entry that jumps through @slot; 0 if there is none of 16 bytes. */
static uint64_t find_plt(const struct wf_link *link, const struct wf_module *module, uint64_t slot)
{
	static const unsigned char landing[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	unsigned char *code;
	uint64_t start, found = 0;
	size_t len, i, entry;
	unsigned int n;

	for (n = 0; !found && n < module->nr_phdrs; n++) {
		if (module->phdrs[n].p_type != PT_LOAD || !(module->phdrs[n].p_flags & PF_X))
			continue;
		start = module->bias + module->phdrs[n].p_vaddr;
		len = module->phdrs[n].p_filesz;
		code = len < CODE_MAX ? malloc(len) : NULL;
		if (!code || len < PLT_SIZE || wf_process_read(&link->process, start, code, len))
			len = 0;
		/* What an applied patch has changed is looked at as it was. */
		wf_link_uncover(link, start, code, len, false);
		for (i = 0; !found && i + PLT_SIZE <= len; i++) {
			if (!jumps_through(code + i, start + i, slot))
				continue;
			entry = i;
			if (i && code[i - 1] == 0xf2)
				entry--;
			if (entry >= 4 && !memcmp(code + entry - 4, landing, sizeof(landing)))
				entry -= 4;
			if ((start + entry) % PLT_SIZE == 0)
				found = start + entry;
		}
		free(code);
	}
	return found;
}

/* The places of one library that lead to _dl_find_object(). */
static int hook_importer(struct wf_link *link, const struct wf_module *module)
{
	const Elf64_Rela *reloc;
	uint64_t slot, plt;
	size_t i, symbol;
	int err = 0;

	for (i = 0; !err && i < module->nr_relocs; i++) {
		reloc = &module->relocs[i];
		symbol = ELF64_R_SYM(reloc->r_info);
		if ((ELF64_R_TYPE(reloc->r_info) != R_X86_64_GLOB_DAT &&
		     ELF64_R_TYPE(reloc->r_info) != R_X86_64_JUMP_SLOT) ||
		    symbol >= module->nr_symbols ||
		    strcmp(wf_module_name(module, &module->symbols[symbol]), FIND_OBJECT) != 0)
			continue;
		slot = module->bias + reloc->r_offset;
		if (may_change(link, slot)) {
			err = add_hook(link, slot, sizeof(slot), false);
			continue;
		}
		plt = find_plt(link, module, slot);
		if (plt && may_change(link, plt))
			err = add_hook(link, plt, WF_JUMP_FAR, true);
	}
	return err;
}

/* The value of the exported symbol, for libraries that are loaded later. */
static int hook_export(struct wf_link *link, const struct wf_module *module,
		       const Elf64_Sym *symbol)
{
	uint64_t at = module->symbols_at + (uint64_t)(symbol - module->symbols) * sizeof(*symbol) +
		      offsetof(Elf64_Sym, st_value),
		 value;
	int err;

	if (!may_change(link, at))
		return 0;
	err = add_hook(link, at, sizeof(value), false);
	if (err)
		return err;
	/* An earlier patch's code, if there is one, is asked next. */
	memcpy(&value, link->hooks[link->nr_hooks - 1].write.old, sizeof(value));
	link->finder_next = module->bias + value;
	return 0;
}

/* The calls in the unwinder of a static program. */
static int hook_calls(struct wf_link *link)
{
	struct wf_value object = { 0 }, frame = { 0 };
	unsigned char code[FIND_FRAME_MAX];
	uint64_t target;
	size_t i;

	if (wf_find_name(link, FIND_OBJECT, &object) || wf_find_name(link, FIND_FRAME, &frame) ||
	    object.kind != WF_ADDRESS || frame.kind != WF_ADDRESS || frame.size > sizeof(code) ||
	    wf_process_read(&link->process, frame.address, code, frame.size))
		return 0;
	link->finder_next = object.address;
	wf_link_uncover(link, frame.address, code, frame.size, false);
	for (i = 0; i + CALL_SIZE <= frame.size; i++) {
		target = frame.address + i + CALL_SIZE + (uint64_t)(int32_t)word(code + i + 1);
		if ((code[i] != 0xe8 && code[i] != 0xe9) || target != object.address ||
		    !may_change(link, frame.address + i))
			continue;
		if (add_hook(link, frame.address + i, CALL_SIZE, false))
			return -EFAULT;
		/* Where an earlier patch's call leads is asked next. */
		link->finder_next =
			frame.address + i + CALL_SIZE +
			(uint64_t)(int32_t)word(link->hooks[link->nr_hooks - 1].write.old + 1);
	}
	return 0;
}

int wf_unwind_plan(struct wf_link *link)
{
	const Elf64_Sym *symbol = NULL;
	struct wf_module *module;
	unsigned int i;
	int err;

	if (!link->object.eh_frame)
		return 0;
	err = count_frames(link);
	if (err || !link->nr_frames)
		return err;
	for (i = 0; !err && i < link->process.nr_modules; i++) {
		module = &link->process.modules[i];
		if (!module->linked || wf_module_load(&link->process, module))
			continue;
		err = hook_importer(link, module);
		if (!err && !symbol) {
			symbol = wf_module_symbol(module, FIND_OBJECT);
			if (symbol) {
				link->finder_next = module->bias + symbol->st_value;
				err = hook_export(link, module, symbol);
			}
		}
	}
	if (!err && !symbol && link->module->program)
		err = hook_calls(link);
	return err ? wf_error_set(&link->error, -err,
				  "cannot read where process %d unwinds its stack",
				  link->process.pid)
		   : 0;
}

static int compare(const void *one, const void *other)
{
	const int32_t *a = one, *b = other;

	return *a < *b ? -1 : *a > *b;
}

static void put_word(unsigned char *at, uint64_t value)
{
	uint32_t low = (uint32_t)value;

	memcpy(at, &low, sizeof(low));
}

/* The sorted table of functions and their records, in which unwinders search. */
static void fill_index(struct wf_link *link)
{
	const struct wf_object_section *section = &link->object.sections[link->object.eh_frame];
	unsigned char *index = link->image + link->index, *entry = index + INDEX_HEAD;
	uint64_t at = section->offset;
	size_t left = section->size, size;

	memcpy(index, index_format, sizeof(index_format));
	put_word(index + 4, section->offset - (link->index + 4));
	put_word(index + 8, link->nr_frames);
	while ((size = record_size(link->image + at, left))) {
		if (word(link->image + at + 4)) {
			put_word(entry, at + 8 + (uint64_t)(int32_t)word(link->image + at + 8) -
						link->index);
			put_word(entry + 4, at - link->index);
			entry += 8;
		}
		at += size;
		left -= size;
	}
	qsort(index + INDEX_HEAD, link->nr_frames, 8, compare);
}

static int finish_hook(struct wf_link *link, struct wf_hook *hook, uint64_t finder)
{
	struct wf_image_write *write = &hook->write;
	struct wf_module *module;
	uint64_t value = finder;
	int64_t distance;
	unsigned int i;

	memcpy(write->new, write->old, write->len);
	if (hook->code) {
		wf_jump_encode(write->new, write->address, finder);
		return 0;
	}
	if (write->len == CALL_SIZE) {
		distance = (int64_t)(finder - (write->address + CALL_SIZE));
		if (distance != (int32_t)distance)
			return wf_error_set(&link->error, ERANGE,
					    "the unwinder of process %d is out of reach",
					    link->process.pid);
		put_word(write->new + 1, (uint64_t)distance);
		return 0;
	}
	/* A symbol's value is relative to its module. */
	for (i = 0; i < link->process.nr_modules; i++) {
		module = &link->process.modules[i];
		if (module->symbols_at && write->address >= module->symbols_at &&
		    write->address - module->symbols_at < module->nr_symbols * sizeof(Elf64_Sym))
			value = finder - module->bias;
	}
	memcpy(write->new, &value, sizeof(value));
	return 0;
}

int wf_unwind_finish(struct wf_link *link)
{
	struct finder_data data = {
		.start = link->address,
		.len = link->len,
		.link_map = link->module->link_map,
		.index = link->address + link->index,
		.next = link->finder_next,
	};
	unsigned int i;
	int err = 0;

	if (!link->nr_frames)
		return 0;
	fill_index(link);
	memcpy(link->image + link->finder, wf_finder_code, wf_unwind_code_size());
	memcpy(link->image + link->finder + (wf_finder_data - wf_finder_code), &data, sizeof(data));
	for (i = 0; !err && i < link->nr_hooks; i++)
		err = finish_hook(link, &link->hooks[i], link->address + link->finder);
	return err;
}
