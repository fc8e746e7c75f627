// SPDX-License-Identifier: GPL-2.0
/*
 * The object of a patch: each wanted item in a section of its own. What they refer to and is not in the
 * patch is the old program's, by its name there.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "compare.h"
#include "writer.h"

#define TEXTS ".rodata.merged"

/* From @start to @end of a merged section, copied to @to. */
struct copy {
	const struct section *section;
	uint64_t start, end;
	size_t to;
};

struct emission {
	struct comparison *comparison;
	struct writer writer;
	struct copy *copies; /* of texts and numbers */
	size_t nr_copies;
	unsigned int merged; /* section of texts and numbers; 0 until there is one */
	unsigned int frames; /* section .eh_frame; 0 until there is one */
};

/* --- names -------------------------------------------------------------------------------------- */

/* Two files may each have a function of this name: pack has to tell them apart. */
char *emitted_name(const struct pair *pair, const struct item *item)
{
	const char *source = *pair->new.source ? pair->new.source : pair->new.path;
	char *name, *at;

	if (item->global || item->kind != ITEM_CODE)
		return text("%s", item->name);
	name = text("%s.of.%s", item->name, source);
	for (at = name + strlen(item->name) + 4; *at; at++) {
		if (!isalnum((unsigned char)*at))
			*at = '_';
	}
	return name;
}

/* A static symbol of the old program, as pack understands it. */
static char *local_name(const struct pair *pair, const struct item *old)
{
	char *name = text("wfpatch.local.%s.%s", pair->old.source, old->name), *at;
	size_t start = strlen("wfpatch.local."), i;

	for (i = 0, at = name + start; i < strlen(pair->old.source); i++, at++) {
		if (!isalnum((unsigned char)*at))
			*at = '_';
	}
	return name;
}

static unsigned char symbol_type(const struct item *item)
{
	switch (item->kind) {
	case ITEM_CODE:
		return STT_FUNC;
	case ITEM_TLS:
		return STT_TLS;
	default:
		return STT_OBJECT;
	}
}

/* --- items -------------------------------------------------------------------------------------- */

/* Already there, of another object: templates and inline functions. */
static bool find_weak(struct emission *emission, const struct item *item, unsigned int *number)
{
	size_t i;

	if (!item->weak)
		return false;
	for (i = 0; i < emission->writer.nr_symbols; i++) {
		if (emission->writer.symbols[i].symbol.st_shndx != SHN_UNDEF &&
		    !strcmp(emission->writer.symbols[i].name, item->name)) {
			*number = (unsigned int)i;
			return true;
		}
	}
	return false;
}

/* Its section and symbol; relocations follow when all have theirs. */
static void add_item(struct emission *emission, const struct pair *pair, struct item *item)
{
	const struct section *from = item->section;
	GElf_Xword flags = from->header.sh_flags &
			   (SHF_ALLOC | SHF_EXECINSTR | SHF_WRITE | SHF_TLS);
	unsigned int section;
	char *name;

	/* The patch is relocated before it is mapped. */
	if (item->kind == ITEM_CONST || item->kind == ITEM_NAMELESS)
		flags &= ~(GElf_Xword)SHF_WRITE;
	section = writer_section(&emission->writer, from->name, from->header.sh_type, flags,
				 item_alignment(item), item_bytes(item), item->size);
	if (item->kind == ITEM_NAMELESS) {
		item->number = writer_section_symbol(&emission->writer, section);
		return;
	}
	name = emitted_name(pair, item);
	item->number = writer_symbol(&emission->writer, name,
				     item->weak ? STB_WEAK : item->global ? STB_GLOBAL : STB_LOCAL,
				     symbol_type(item), section, 0, item->size);
	free(name);
}

/*
 * A text or number that the linker would have merged with equal ones: a copy of it, always the same one,
 * since a loop may run from its start to its end.
 */
static int64_t add_merged(struct emission *emission, const struct place *place)
{
	const GElf_Shdr *header = &place->section->header;
	uint64_t unit = header->sh_entsize ? header->sh_entsize : 1, start, end;
	static const unsigned char zero[64];
	struct copy *copy;
	size_t i;

	start = (uint64_t)place->offset - (uint64_t)place->offset % unit;
	end = start + unit;
	for (i = 0; i < emission->nr_copies; i++) {
		copy = &emission->copies[i];
		if (copy->section == place->section && copy->start <= start && start < copy->end)
			return (int64_t)copy->to + place->offset - (int64_t)copy->start;
	}
	if (header->sh_flags & SHF_STRINGS) {
		while (end < header->sh_size && unit <= sizeof(zero) &&
		       memcmp(place->section->data + end - unit, zero, unit) != 0)
			end += unit;
	}
	if (!emission->merged)
		emission->merged = writer_section(&emission->writer, TEXTS, SHT_PROGBITS,
						  SHF_ALLOC, 1, NULL, 0);
	emission->copies = enlarge(emission->copies, emission->nr_copies + 1,
				   sizeof(*emission->copies));
	copy = &emission->copies[emission->nr_copies++];
	*copy = (struct copy){ .section = place->section, .start = start, .end = end };
	copy->to = writer_append(&emission->writer, emission->merged, place->section->data + start,
				 end - start, header->sh_addralign ? header->sh_addralign : 1);
	return (int64_t)copy->to + place->offset - (int64_t)start;
}

static unsigned int undefined(struct emission *emission, const struct pair *pair,
			      const struct item *item)
{
	const struct item *old = item->counterpart ? item->counterpart : item;
	unsigned int number;
	char *name;

	name = old->global ? text("%s", old->name) : local_name(pair, old);
	number = writer_undefined(&emission->writer, name, STB_GLOBAL, symbol_type(old));
	free(name);
	return number;
}

/* A function's name may come to mean the old one, as a pointer to it should: not so places within it. */
static unsigned int own_symbol(struct emission *emission, const struct place *place)
{
	unsigned int number = place->item->number;

	if (place->item->kind != ITEM_CODE || !place->offset)
		return number;
	return writer_section_symbol(&emission->writer,
				     emission->writer.symbols[number].symbol.st_shndx);
}

/*
 * The symbol that stands for @place in the patch, and what has to be added to it: NULL, or what it is
 * that cannot be referred to.
 */
static const char *find_symbol(struct emission *emission, const struct pair *pair,
			       const struct place *place, const struct symbol *symbol,
			       unsigned int *number, int64_t *addend)
{
	const struct item *item = place->item;

	*addend = place->offset - place->correction;
	if (place->name) {
		*number = writer_undefined(&emission->writer, place->name,
					   symbol->bind == STB_WEAK ? STB_WEAK : STB_GLOBAL,
					   symbol->type);
		return *place->name ? NULL : "an address without a name";
	}
	if (!item)
		return place->section ? place->section->name : "an absolute address";
	if (item->kind == ITEM_MERGED) {
		if (place->offset < 0 ||
		    (uint64_t)place->offset >= place->section->header.sh_size)
			return "a place beside its constants";
		*addend = add_merged(emission, place) - place->correction;
		*number = writer_section_symbol(&emission->writer, emission->merged);
		return NULL;
	}
	if (!item->wanted && !item->counterpart && !item->global)
		return item->name;
	*number = item->wanted ? own_symbol(emission, place) : undefined(emission, pair, item);
	return NULL;
}

/* Relocation @reloc of @section, for the place @offset in section @to of the patch. */
static int add_reloc(struct emission *emission, const struct pair *pair,
		     const struct section *section, const Elf64_Rela *reloc, unsigned int to,
		     uint64_t offset)
{
	const struct symbol *symbol = &pair->new.symbols[ELF64_R_SYM(reloc->r_info)];
	struct place place = unit_place(&pair->new, section, reloc);
	unsigned int number = 0;
	const char *wrong;
	int64_t addend;

	wrong = find_symbol(emission, pair, &place, symbol, &number, &addend);
	if (wrong) {
		found(&emission->comparison->findings, FINDING_ASSEMBLY, section->name,
		      "leave this part of it as it was",
		      "it refers to %s, which cannot be part of a patch", wrong);
		return -ENOEXEC;
	}
	writer_reloc(&emission->writer, to, offset, ELF64_R_TYPE(reloc->r_info), number, addend);
	return 0;
}

/* --- frame information -------------------------------------------------------------------------- */

/* A record as it is in the object, with its relocations. */
static int copy_record(struct emission *emission, const struct pair *pair,
		       const struct section *frames, uint64_t at, uint32_t len, size_t *to)
{
	size_t i, end = first_reloc(frames, at + 4 + len);
	int err = 0;

	*to = writer_append(&emission->writer, emission->frames, frames->data + at, 4 + len, 1);
	for (i = first_reloc(frames, at); !err && i < end; i++)
		err = add_reloc(emission, pair, frames, &frames->relocs[i], emission->frames,
				*to + frames->relocs[i].r_offset - at);
	return err;
}

/* The code that a record is about. */
static const struct item *record_item(const struct unit *unit, const struct section *frames,
				      uint64_t at)
{
	size_t i = first_reloc(frames, at + 8);

	return i < frames->nr_relocs && frames->relocs[i].r_offset == at + 8 ?
	       unit_place(unit, frames, &frames->relocs[i]).item : NULL;
}

/* The record of a function, behind a copy of what it has in common with others (its CIE). */
static int add_frame(struct emission *emission, const struct pair *pair,
		     const struct section *frames, uint64_t at, uint64_t *common, size_t *common_to)
{
	struct out_section *out;
	uint32_t len, back;
	size_t to = 0;
	int err = 0;

	if (!emission->frames)
		emission->frames = writer_section(&emission->writer, ".eh_frame", SHT_PROGBITS,
						  SHF_ALLOC, 8, NULL, 0);
	memcpy(&len, frames->data + at, 4);
	memcpy(&back, frames->data + at + 4, 4);
	if (at + 4 - back != *common) {
		*common = at + 4 - back;
		if (back > at + 4)
			return -EINVAL;
		memcpy(&back, frames->data + *common, 4);
		if (*common + 4 + back > at)
			return -EINVAL;
		err = copy_record(emission, pair, frames, *common, back, common_to);
	}
	err = err ? err : copy_record(emission, pair, frames, at, len, &to);
	if (err)
		return err;
	out = &emission->writer.sections[emission->frames - 1];
	back = (uint32_t)(to + 4 - *common_to);
	memcpy(out->data + to + 4, &back, 4);
	return 0;
}

/* The records of all functions in the patch. */
static int add_frames(struct emission *emission, const struct pair *pair,
		      const struct section *frames)
{
	uint64_t at = 0, common = UINT64_MAX;
	const struct item *item;
	size_t common_to = 0;
	uint32_t len, back;
	int err = 0;

	while (!err && at + 8 <= frames->header.sh_size) {
		memcpy(&len, frames->data + at, 4);
		memcpy(&back, frames->data + at + 4, 4);
		if (!len || len == UINT32_MAX || at + 4 + len > frames->header.sh_size)
			break;
		item = back ? record_item(&pair->new, frames, at) : NULL;
		if (item && item->wanted)
			err = add_frame(emission, pair, frames, at, &common, &common_to);
		at += 4 + len;
	}
	return err;
}

/* --- all ---------------------------------------------------------------------------------------- */

static void add_items(struct emission *emission, struct pair *pair)
{
	struct item *item;
	unsigned int number;
	size_t i;

	for (i = 0; i < pair->new.nr_items; i++) {
		item = pair->new.items[i];
		if (!item->wanted)
			continue;
		if (find_weak(emission, item, &number)) {
			/* The first copy serves both; this one has no frame information then. */
			item->wanted = false;
			continue;
		}
		add_item(emission, pair, item);
	}
}

static int add_relocs(struct emission *emission, struct pair *pair, unsigned int *section)
{
	const Elf64_Rela *relocs;
	const struct item *item;
	size_t i, j, nr;
	int err = 0;

	for (i = 0; !err && i < pair->new.nr_items; i++) {
		item = pair->new.items[i];
		if (!item->wanted)
			continue;
		++*section;
		relocs = item_relocs(item, &nr);
		for (j = 0; !err && j < nr; j++)
			err = add_reloc(emission, pair, item->section, &relocs[j], *section,
					relocs[j].r_offset - item->offset);
	}
	return err;
}

static int write_file(struct emission *emission, const char *path)
{
	int fd, err;

	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		err = -errno;
	} else {
		err = writer_write(&emission->writer, fd);
		if (close(fd) && !err)
			err = -errno;
	}
	if (err)
		found(&emission->comparison->findings, FINDING_FILE, path,
		      "look for room and permissions there", "it cannot be written: %s",
		      strerror(-err));
	return err;
}

int emit(struct comparison *comparison, const char *path)
{
	struct emission emission = { .comparison = comparison };
	unsigned int section = 0, j;
	struct pair *pair;
	int err = 0;
	size_t i;

	for (i = 0; i < comparison->nr; i++)
		add_items(&emission, &comparison->pairs[i]);
	for (i = 0; !err && i < comparison->nr; i++)
		err = add_relocs(&emission, &comparison->pairs[i], &section);
	for (i = 0; !err && i < comparison->nr; i++) {
		pair = &comparison->pairs[i];
		for (j = 1; !err && j < pair->new.nr_sections; j++) {
			if (!strcmp(pair->new.sections[j].name, ".eh_frame") &&
			    pair->new.sections[j].data)
				err = add_frames(&emission, pair, &pair->new.sections[j]);
		}
	}
	if (!err)
		err = write_file(&emission, path);
	else if (!findings_refused(&comparison->findings))
		found(&comparison->findings, FINDING_FILE, path, "compile the objects again",
		      "the frame information of an object is damaged");
	free(emission.copies);
	writer_free(&emission.writer);
	return err;
}
