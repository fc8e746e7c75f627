// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How long a function is. The unwind tables that programs and libraries carry in memory for
 * exceptions (.eh_frame and its sorted index) know every compiled function, static ones and
 * those of stripped files too; the dynamic symbols know what has no unwind entry.
 *
 * .eh_frame is described in the Linux Standard Base, "Exception Frames"; only what GNU ld, gold and
 * lld write is understood, anything else counts as unknown.
 */
#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include "internal.h"

/* Pointer encodings: a format, how it is to be taken, and no value at all. */
#define ENC_FORMAT 0x07
#define ENC_PTR 0x00
#define ENC_2 0x02
#define ENC_4 0x03
#define ENC_8 0x04
#define ENC_ALIGNED 0x50
#define ENC_NONE 0xff

/* What every linker's index is made of. */
#define INDEX_VERSION 1
#define INDEX_FRAME 0x1b /* relative to itself, signed 4 bytes */
#define INDEX_COUNT 0x03 /* unsigned 4 bytes */
#define INDEX_TABLE 0x3b /* relative to the index, signed 4 bytes */

struct index {
	unsigned char version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
	struct entry {
		int32_t start;
		int32_t fde;
	} entries[];
};

struct object {
	uintptr_t address;
	const struct index *index;
	uintptr_t end; /* of the segment that contains @address */
};

static int find_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct object *object = data;
	const struct index *index = NULL;
	uintptr_t start, end = 0;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
			index = (const struct index *)start;
		else if (info->dlpi_phdr[i].p_type == PT_LOAD && object->address >= start &&
			 object->address - start < info->dlpi_phdr[i].p_memsz)
			end = start + info->dlpi_phdr[i].p_memsz;
	}
	if (!end)
		return 0;
	object->index = index;
	object->end = end;
	return 1;
}

/* The last entry that begins at @address or before it. */
static const struct entry *find_entry(const struct index *index, uintptr_t address)
{
	uint32_t low = 0, high = index->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if ((uintptr_t)index + index->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &index->entries[low - 1] : NULL;
}

static size_t encoded_size(unsigned char encoding)
{
	if (encoding == ENC_NONE)
		return 0;
	switch (encoding & ENC_FORMAT) {
	case ENC_2:
		return 2;
	case ENC_4:
		return 4;
	case ENC_PTR:
	case ENC_8:
		return 8;
	}
	return 0;
}

static const unsigned char *skip_leb128(const unsigned char *p)
{
	while (*p++ & 0x80)
		;
	return p;
}

/* The encoding of addresses in the entries that belong to a common entry; ENC_NONE if not known. */
unsigned char wf_frame_encoding(const unsigned char *cie)
{
	const unsigned char *p = cie + 8, *letter;
	unsigned char version = *p++;

	letter = p;
	p += strlen((const char *)p) + 1;
	if (*letter != 'z')
		return *letter ? ENC_NONE : ENC_PTR;
	p = skip_leb128(skip_leb128(p));	   /* alignment factors */
	p = version == 1 ? p + 1 : skip_leb128(p); /* return address register */
	p = skip_leb128(p);			   /* length of what follows */
	while (*++letter) {
		switch (*letter) {
		case 'R':
			return *p;
		case 'P':
			if (*p == ENC_ALIGNED || !encoded_size(*p))
				return ENC_NONE;
			p += 1 + encoded_size(*p);
			break;
		case 'L':
			p++;
			break;
		case 'S':
		case 'B':
			break;
		default:
			return ENC_NONE;
		}
	}
	return ENC_PTR;
}

/* The number of bytes that a frame description entry covers; 0 if not known. */
static size_t covered(const unsigned char *fde)
{
	unsigned char encoding;
	uint32_t len, back;
	uint64_t range = 0;
	size_t size;

	memcpy(&len, fde, sizeof(len));
	memcpy(&back, fde + 4, sizeof(back));
	if (!len || len == UINT32_MAX || !back)
		return 0;
	encoding = wf_frame_encoding(fde + 4 - back);
	size = encoded_size(encoding);
	if (encoding == ENC_ALIGNED || !size)
		return 0;
	memcpy(&range, fde + 8 + size, size);
	return range;
}

/* Bytes of the no-operation at @code as compilers and assemblers pad with; 0 if it is none. */
static size_t nop_len(const unsigned char *code, size_t max)
{
	size_t i = 0;
	unsigned char modrm;

	if (max && code[0] == 0xcc)
		return 1;
	while (i < max && (code[i] == 0x66 || code[i] == 0x2e))
		i++;
	if (i < max && code[i] == 0x90)
		return i + 1;
	if (i + 3 > max || code[i] != 0x0f || code[i + 1] != 0x1f)
		return 0;
	modrm = code[i + 2];
	i += 3;
	if (modrm >> 6 == 3)
		return 0;
	if ((modrm & 7) == 4)
		i++;
	if (modrm >> 6 == 1)
		i++;
	else if (modrm >> 6 == 2)
		i += 4;
	return i <= max ? i : 0;
}

size_t wf_padding_len(const unsigned char *code, size_t max)
{
	size_t len = 0, nop;

	while ((nop = nop_len(code + len, max - len)))
		len += nop;
	return len;
}

/* A function without unwind entry, from the symbols that the dynamic linker has. */
static size_t from_symbol(struct wf_function *function)
{
	const Elf64_Sym *symbol = NULL;
	uintptr_t start;
	Dl_info info;

	if (!dladdr1((void *)function->start, &info, (void **)&symbol, RTLD_DL_SYMENT) ||
	    !info.dli_saddr || !symbol || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC)
		return 0;
	start = (uintptr_t)info.dli_saddr;
	if (function->start - start >= symbol->st_size)
		return 0;
	function->start = start;
	return symbol->st_size;
}

static size_t from_index(struct wf_function *function, const struct index *index)
{
	const struct entry *found;
	uintptr_t start;
	size_t size;

	if (!index || index->version != INDEX_VERSION || index->frame_encoding != INDEX_FRAME ||
	    index->count_encoding != INDEX_COUNT || index->table_encoding != INDEX_TABLE)
		return 0;
	found = find_entry(index, function->start);
	if (!found)
		return 0;
	start = (uintptr_t)index + found->start;
	size = covered((const unsigned char *)index + found->fde);
	if (function->start - start >= size)
		return 0;
	function->start = start;
	if (found + 1 < index->entries + index->count)
		function->limit = (uintptr_t)index + found[1].start;
	return size;
}

bool wf_function_find(uintptr_t address, struct wf_function *function)
{
	struct object object = { .address = address };
	uintptr_t aligned;

	if (!dl_iterate_phdr(find_object, &object))
		return false;
	function->start = address;
	function->limit = object.end;
	function->size = from_index(function, object.index);
	if (!function->size)
		function->size = from_symbol(function);
	/* Where the next function has no entry, it is not before the next multiple of 16. */
	aligned = (function->start + function->size + 15) & ~(uintptr_t)15;
	if (function->limit > aligned)
		function->limit = aligned;
	return function->size;
}
