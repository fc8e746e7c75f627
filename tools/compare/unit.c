// SPDX-License-Identifier: GPL-2.0
/* See unit.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "instruction.h"
#include "debug.h"
#include "unit.h"

bool is_code(const struct section *section)
{
	return section->header.sh_flags & SHF_EXECINSTR;
}

bool is_text(const struct section *section)
{
	return section->header.sh_flags & SHF_STRINGS && section->header.sh_entsize <= 1;
}

struct item *section_item(const struct section *section, uint64_t offset)
{
	size_t low = 0, high = section->nr_items, middle;
	struct item *item;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (section->items[middle]->offset > offset)
			high = middle;
		else
			low = middle + 1;
	}
	item = low ? section->items[low - 1] : NULL;
	/* One behind its end still is its own: loops count up to there. */
	if (item && section->nr_items > 1 && offset > item->offset + item->size)
		return NULL;
	return item ? item : section->nr_items ? section->items[0] : NULL;
}

static bool is_relative(unsigned int type)
{
	switch (type) {
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
	case R_X86_64_GOTPCREL:
	case R_X86_64_GOTPCRELX:
	case R_X86_64_REX_GOTPCRELX:
	case R_X86_64_GOTTPOFF:
	case R_X86_64_TLSGD:
	case R_X86_64_TLSLD:
	case R_X86_64_GOTPC32_TLSDESC:
		return true;
	}
	return false;
}

/* How far behind the relocated place the instruction ends. */
static int64_t correction(const struct section *section, const Elf64_Rela *reloc)
{
	const struct instruction *instruction;
	const struct item *item;

	if (!is_code(section) || !is_relative(ELF64_R_TYPE(reloc->r_info)))
		return 0;
	item = section_item(section, reloc->r_offset);
	if (!item || reloc->r_offset < item->offset)
		return 4;
	instruction = instruction_at(item->instructions, item->nr_instructions,
				     reloc->r_offset - item->offset);
	if (!instruction)
		return 4;
	return (int64_t)(item->offset + instruction->offset + instruction->size) -
	       (int64_t)reloc->r_offset;
}

struct place unit_place(const struct unit *unit, const struct section *section,
			const Elf64_Rela *reloc)
{
	const struct symbol *symbol = &unit->symbols[ELF64_R_SYM(reloc->r_info)];
	struct place place = { .correction = correction(section, reloc) };
	int64_t offset = reloc->r_addend + place.correction;

	place.offset = offset;
	if (symbol->section == SHN_UNDEF || symbol->section >= unit->nr_sections) {
		place.name = symbol->name;
		return place;
	}
	place.section = &unit->sections[symbol->section];
	offset += (int64_t)symbol->value;
	place.offset = offset;
	/* A named symbol says which item is meant, also if the place is before or behind it. */
	place.item = section_item(place.section,
				  symbol->type == STT_SECTION ? (uint64_t)offset : symbol->value);
	if (place.item)
		place.offset -= (int64_t)place.item->offset;
	/* Which text is meant the name tells: with the addend it may be before or behind it. */
	if (place.item && place.item->kind == ITEM_MERGED && symbol->type != STT_SECTION) {
		place.correction = -reloc->r_addend;
		place.offset = (int64_t)(symbol->value - place.item->offset);
	}
	return place;
}

size_t first_reloc(const struct section *section, uint64_t offset)
{
	size_t low = 0, high = section->nr_relocs, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (section->relocs[middle].r_offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const Elf64_Rela *item_relocs(const struct item *item, size_t *nr)
{
	const struct section *section = item->section;
	size_t first = first_reloc(section, item->offset);

	*nr = first_reloc(section, item->offset + item->size) - first;
	return section->relocs ? section->relocs + first : NULL;
}

const unsigned char *item_bytes(const struct item *item)
{
	return item->section->data ? item->section->data + item->offset : NULL;
}

uint64_t item_alignment(const struct item *item)
{
	uint64_t align = item->section->header.sh_addralign;

	while (align > 1 && item->offset % align)
		align /= 2;
	return align ? align : 1;
}

static int damaged(const struct unit *unit, struct findings *findings)
{
	found(findings, FINDING_FILE, unit->path, "compile it again",
	      "it is a damaged object file");
	return -EINVAL;
}

static int read_section(struct unit *unit, Elf_Scn *scn, size_t strings)
{
	struct section *section = &unit->sections[elf_ndxscn(scn)];
	Elf_Data *data;

	section->number = (unsigned int)elf_ndxscn(scn);
	if (!gelf_getshdr(scn, &section->header))
		return -EINVAL;
	section->name = elf_strptr(unit->elf, strings, section->header.sh_name);
	if (!section->name)
		return -EINVAL;
	if (section->header.sh_type == SHT_NOBITS || !section->header.sh_size)
		return 0;
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf || data->d_size < section->header.sh_size)
		return -EINVAL;
	section->data = data->d_buf;
	return 0;
}

static int read_symbols(struct unit *unit)
{
	const struct section *table = NULL;
	const Elf64_Sym *symbols;
	struct symbol *to;
	unsigned int i;

	for (i = 1; i < unit->nr_sections; i++) {
		if (unit->sections[i].header.sh_type == SHT_SYMTAB)
			table = &unit->sections[i];
	}
	if (!table || !table->data)
		return -EINVAL;
	symbols = (const Elf64_Sym *)table->data;
	unit->nr_symbols = (unsigned int)(table->header.sh_size / sizeof(*symbols));
	unit->symbols = allocate(unit->nr_symbols, sizeof(*unit->symbols));
	for (i = 0; i < unit->nr_symbols; i++) {
		to = &unit->symbols[i];
		to->name = elf_strptr(unit->elf, table->header.sh_link, symbols[i].st_name);
		if (!to->name)
			return -EINVAL;
		to->value = symbols[i].st_value;
		to->size = symbols[i].st_size;
		to->section = symbols[i].st_shndx;
		to->type = ELF64_ST_TYPE(symbols[i].st_info);
		to->bind = ELF64_ST_BIND(symbols[i].st_info);
		to->visibility = ELF64_ST_VISIBILITY(symbols[i].st_other);
		if (to->type == STT_FILE && !*unit->source)
			unit->source = to->name;
		if (to->type == STT_SECTION && to->section < unit->nr_sections)
			to->name = unit->sections[to->section].name;
	}
	return 0;
}

static int compare_relocs(const void *a, const void *b)
{
	const Elf64_Rela *one = a, *other = b;

	return one->r_offset < other->r_offset ? -1 : one->r_offset > other->r_offset;
}

static int read_relocs(struct unit *unit, const struct section *table)
{
	struct section *section;
	Elf64_Rela *relocs;
	size_t i;

	if (table->header.sh_type != SHT_RELA || table->header.sh_info >= unit->nr_sections ||
	    !table->data)
		return 0;
	section = &unit->sections[table->header.sh_info];
	if (!(section->header.sh_flags & SHF_ALLOC))
		return 0;
	section->nr_relocs = table->header.sh_size / sizeof(*relocs);
	relocs = allocate(section->nr_relocs, sizeof(*relocs));
	memcpy(relocs, table->data, section->nr_relocs * sizeof(*relocs));
	section->relocs = relocs;
	qsort(relocs, section->nr_relocs, sizeof(*relocs), compare_relocs);
	for (i = 0; i < section->nr_relocs; i++) {
		if (ELF64_R_SYM(relocs[i].r_info) >= unit->nr_symbols ||
		    relocs[i].r_offset >= section->header.sh_size)
			return -EINVAL;
	}
	return 0;
}

static int check(const struct unit *unit, struct findings *findings)
{
	unsigned int i;

	for (i = 1; i < unit->nr_sections; i++) {
		if (!strncmp(unit->sections[i].name, ".gnu.lto_", 9) ||
		    !strcmp(unit->sections[i].name, ".llvmbc")) {
			found(findings, FINDING_LTO, unit->path, "build with -fno-lto",
			      "it was compiled with -flto: which code the program gets is decided "
			      "when it is linked");
			return -ENOEXEC;
		}
	}
	for (i = 0; i < unit->nr_symbols; i++) {
		if (unit->symbols[i].section == SHN_XINDEX) {
			found(findings, FINDING_FILE, unit->path,
			      "compile the file in smaller parts",
			      "it has more than 65280 sections, which is not supported");
			return -ENOEXEC;
		}
	}
	return 0;
}

static int read_all(struct unit *unit, struct findings *findings)
{
	size_t strings, nr;
	Elf_Scn *scn = NULL;
	unsigned int i;
	int err = 0;

	if (elf_getshdrstrndx(unit->elf, &strings) || elf_getshdrnum(unit->elf, &nr) || !nr)
		return damaged(unit, findings);
	unit->nr_sections = (unsigned int)nr;
	unit->sections = allocate(nr, sizeof(*unit->sections));
	unit->sections[0].name = "";
	while (!err && (scn = elf_nextscn(unit->elf, scn)))
		err = read_section(unit, scn, strings);
	err = err ? err : read_symbols(unit);
	for (i = 1; !err && i < unit->nr_sections; i++)
		err = read_relocs(unit, &unit->sections[i]);
	if (err)
		return damaged(unit, findings);
	err = check(unit, findings);
	if (err)
		return err;
	items_make(unit);
	return 0;
}

int unit_open(struct unit *unit, const char *path, struct findings *findings)
{
	unsigned char magic[4] = { 0 };
	GElf_Ehdr header;
	int err;

	memset(unit, 0, sizeof(*unit));
	unit->path = path;
	unit->source = "";
	elf_version(EV_CURRENT);
	unit->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (unit->fd < 0) {
		err = -errno;
		found(findings, FINDING_FILE, path, "check the name and its permissions",
		      "it cannot be opened: %s", strerror(-err));
		return err;
	}
	if (pread(unit->fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	    !memcmp(magic, "BC\xc0\xde", 4)) {
		found(findings, FINDING_LTO, path, "build with -fno-lto",
		      "it was compiled with -flto: it has no machine code");
		unit_close(unit);
		return -ENOEXEC;
	}
	unit->elf = elf_begin(unit->fd, ELF_C_READ, NULL);
	if (!unit->elf || !gelf_getehdr(unit->elf, &header) || header.e_type != ET_REL ||
	    header.e_machine != EM_X86_64 || header.e_ident[EI_CLASS] != ELFCLASS64) {
		found(findings, FINDING_FILE, path, "give what gcc -c or clang -c writes",
		      "it is not an x86-64 relocatable object");
		unit_close(unit);
		return -ENOEXEC;
	}
	err = read_all(unit, findings);
	if (err)
		unit_close(unit);
	return err;
}

void unit_close(struct unit *unit)
{
	unsigned int i;
	size_t j;

	debug_close(unit->debug);
	for (i = 0; i < unit->nr_sections; i++) {
		free(unit->sections[i].relocs);
		free(unit->sections[i].items);
	}
	for (j = 0; j < unit->nr_items; j++) {
		if (unit->items[j]->base != unit->items[j]->name)
			free((void *)unit->items[j]->base);
		free(unit->items[j]->why);
		free(unit->items[j]->referrers);
		free(unit->items[j]->instructions);
		free(unit->items[j]);
	}
	free(unit->items);
	free(unit->by_base);
	free(unit->sections);
	free(unit->symbols);
	elf_end(unit->elf);
	if (unit->fd >= 0)
		close(unit->fd);
	memset(unit, 0, sizeof(*unit));
	unit->fd = -1;
}
