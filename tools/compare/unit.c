// SPDX-License-Identifier: GPL-2.0
/* See unit.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "instruction.h"
#include "debug.h"
#include "unit.h"

/* Nothing of a compiler's own needs more; what is longer is no assembler name. */
#define BASE_MAX 4096

/* A tool that has no memory left can do nothing better than to say so. */
static void *have(void *memory)
{
	if (!memory) {
		fputs("wfpatch: out of memory\n", stderr);
		exit(8);
	}
	return memory;
}

void *allocate(size_t nr, size_t size)
{
	return have(calloc(nr ? nr : 1, size));
}

void *enlarge(void *array, size_t nr, size_t size)
{
	return have(reallocarray(array, nr, size));
}

char *text(const char *format, ...)
{
	va_list args;
	char *line;
	int len;

	va_start(args, format);
	len = vasprintf(&line, format, args);
	va_end(args);
	return have(len < 0 ? NULL : line);
}

size_t base_name(const char *name, char *base, size_t size)
{
	size_t len = 0, digits;

	while (*name && len + 1 < size) {
		digits = *name == '.' ? strspn(name + 1, "0123456789") : 0;
		if (digits && (!name[1 + digits] || name[1 + digits] == '.'))
			name += 1 + digits;
		else
			base[len++] = *name++;
	}
	base[len] = 0;
	return len;
}

bool same_base(const char *one, const char *other)
{
	char first[BASE_MAX], second[BASE_MAX];

	base_name(one, first, sizeof(first));
	base_name(other, second, sizeof(second));
	return !strcmp(first, second);
}

size_t piece_of(const char *name)
{
	const char *found = strstr(name, ".cold");

	if (!found || found == name || (found[5] && found[5] != '.'))
		return 0;
	return (size_t)(found - name);
}

bool is_code(const struct section *section)
{
	return section->header.sh_flags & SHF_EXECINSTR;
}

bool is_text(const struct section *section)
{
	return section->header.sh_flags & SHF_STRINGS && section->header.sh_entsize <= 1;
}

/* Written by the dynamic linker only, before the program runs. */
static bool is_constant(const struct section *section)
{
	return !(section->header.sh_flags & SHF_WRITE) ||
	       !strncmp(section->name, ".data.rel.ro", 12);
}

/* What is not made of items: the dynamic linker's, the unwinder's, for people. */
static bool is_taken_apart(const struct section *section)
{
	const GElf_Shdr *header = &section->header;

	if (!(header->sh_flags & SHF_ALLOC) || !header->sh_size)
		return false;
	if (header->sh_type != SHT_PROGBITS && header->sh_type != SHT_NOBITS)
		return false;
	return strcmp(section->name, ".eh_frame") && strncmp(section->name, ".note", 5);
}

static struct item *add_item(struct unit *unit, struct section *section, enum item_kind kind,
			     const char *name, uint64_t offset, uint64_t size)
{
	struct item *item = allocate(1, sizeof(*item));

	item->kind = kind;
	item->name = name;
	item->section = section;
	item->offset = offset;
	item->size = size;
	if (kind == ITEM_CODE && section->data)
		item->instructions = instructions_decode(section->data + offset, size,
							 &item->nr_instructions);
	section->items = enlarge(section->items, section->nr_items + 1, sizeof(*section->items));
	section->items[section->nr_items++] = item;
	unit->items = enlarge(unit->items, unit->nr_items + 1, sizeof(*unit->items));
	unit->items[unit->nr_items++] = item;
	return item;
}

static enum item_kind kind_of(const struct section *section, bool named)
{
	if (is_code(section))
		return ITEM_CODE;
	if (section->header.sh_flags & SHF_TLS)
		return ITEM_TLS;
	if (!is_constant(section))
		return ITEM_DATA;
	return named ? ITEM_CONST : ITEM_NAMELESS;
}

static bool is_landing_pads(const struct section *section)
{
	return !strncmp(section->name, ".gcc_except_table", 17);
}

/* clang gives names to its tables of landing pads. */
static bool is_named(const struct symbol *symbol, const struct section *section)
{
	return !is_landing_pads(section) && *symbol->name &&
	       strncmp(symbol->name, ".L", 2) != 0 &&
	       symbol->type != STT_SECTION && symbol->type != STT_FILE;
}

/* By place; of several names for one place those that others use first. */
static int compare_symbols(const void *a, const void *b)
{
	const struct symbol *one = *(const struct symbol *const *)a;
	const struct symbol *other = *(const struct symbol *const *)b;

	if (one->value != other->value)
		return one->value < other->value ? -1 : 1;
	if (one->bind != other->bind && (one->bind == STB_LOCAL || other->bind == STB_LOCAL))
		return one->bind == STB_LOCAL ? 1 : -1;
	if (!!one->size != !!other->size)
		return one->size ? -1 : 1;
	return strcmp(one->name, other->name);
}

/* The item of a symbol ends where it says, or at the next one; what lies between has no name. */
static void add_named(struct unit *unit, struct section *section, const struct symbol **list,
		      size_t nr)
{
	uint64_t end = 0, limit, size;
	struct item *item;
	size_t i, next;

	for (i = 0; i < nr; i = next) {
		for (next = i + 1; next < nr && list[next]->value == list[i]->value;)
			next++;
		if (list[i]->value < end)
			continue;
		if (list[i]->value > end && !is_code(section) && is_constant(section))
			add_item(unit, section, kind_of(section, false), section->name, end,
				 list[i]->value - end);
		limit = next < nr ? list[next]->value : section->header.sh_size;
		size = list[i]->size ? list[i]->size : limit - list[i]->value;
		if (size > section->header.sh_size - list[i]->value)
			size = section->header.sh_size - list[i]->value;
		item = add_item(unit, section, kind_of(section, true), list[i]->name,
				list[i]->value, size);
		item->global = list[i]->bind != STB_LOCAL;
		item->weak = list[i]->bind == STB_WEAK || list[i]->bind == STB_GNU_UNIQUE;
		end = list[i]->value + size;
	}
	if (end < section->header.sh_size && !is_code(section) && is_constant(section))
		add_item(unit, section, kind_of(section, false), section->name, end,
			 section->header.sh_size - end);
}

/* clang keeps pointers to the types of exceptions in .data, without a name. */
static bool is_pointers(const struct section *section)
{
	size_t i;

	if (strcmp(section->name, ".data") != 0 ||
	    section->header.sh_size != section->nr_relocs * sizeof(uint64_t))
		return false;
	for (i = 0; i < section->nr_relocs; i++) {
		if (ELF64_R_TYPE(section->relocs[i].r_info) != R_X86_64_64)
			return false;
	}
	return true;
}

static void add_pointers(struct unit *unit, struct section *section)
{
	size_t i;

	for (i = 0; i < section->nr_relocs; i++)
		add_item(unit, section, ITEM_DATA, section->name, i * sizeof(uint64_t),
			 sizeof(uint64_t));
}

static void take_apart(struct unit *unit, struct section *section)
{
	const struct symbol **list, *symbol;
	unsigned int i;
	size_t nr = 0;

	if (section->header.sh_flags & SHF_MERGE && !is_code(section)) {
		add_item(unit, section, ITEM_MERGED, section->name, 0, section->header.sh_size);
		return;
	}
	list = allocate(unit->nr_symbols, sizeof(*list));
	for (i = 0; i < unit->nr_symbols; i++) {
		symbol = &unit->symbols[i];
		if (symbol->section == section->number && is_named(symbol, section) &&
		    symbol->value <= section->header.sh_size)
			list[nr++] = symbol;
	}
	qsort(list, nr, sizeof(*list), compare_symbols);
	if (nr)
		add_named(unit, section, list, nr);
	else if (is_pointers(section))
		add_pointers(unit, section);
	else
		add_item(unit, section, kind_of(section, false), section->name, 0,
			 section->header.sh_size);
	free(list);
}

struct item *section_item(const struct section *section, uint64_t offset)
{
	struct item *item = NULL;
	size_t i;

	for (i = 0; i < section->nr_items; i++) {
		if (section->items[i]->offset > offset)
			break;
		item = section->items[i];
	}
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
	/* In a table of distances from its start the addend is the entry's place: the name tells the text. */
	if (place.item && place.item->kind == ITEM_MERGED && symbol->type != STT_SECTION &&
	    !is_code(section)) {
		place.correction = -reloc->r_addend;
		place.offset = (int64_t)(symbol->value - place.item->offset);
	}
	return place;
}

const Elf64_Rela *item_relocs(const struct item *item, size_t *nr)
{
	const struct section *section = item->section;
	size_t first, end;

	for (first = 0; first < section->nr_relocs; first++) {
		if (section->relocs[first].r_offset >= item->offset)
			break;
	}
	for (end = first; end < section->nr_relocs; end++) {
		if (section->relocs[end].r_offset >= item->offset + item->size)
			break;
	}
	*nr = end - first;
	return section->relocs ? section->relocs + first : NULL;
}

const unsigned char *item_bytes(const struct item *item)
{
	return item->section->data ? item->section->data + item->offset : NULL;
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

/* Each record of frame information has one relocation for its code, and one for landing pads. */
static void read_frames(struct unit *unit, const struct section *section)
{
	struct item *code;
	uint64_t at = 0;
	uint32_t len, cie;
	struct place place;
	size_t i = 0;

	while (section->data && at + 8 <= section->header.sh_size) {
		memcpy(&len, section->data + at, 4);
		memcpy(&cie, section->data + at + 4, 4);
		if (!len || len == UINT32_MAX)
			break;
		code = NULL;
		for (; i < section->nr_relocs && section->relocs[i].r_offset < at + 4 + len; i++) {
			if (!cie || section->relocs[i].r_offset < at + 8)
				continue;
			place = unit_place(unit, section, &section->relocs[i]);
			if (section->relocs[i].r_offset == at + 8) {
				code = place.item;
			} else if (code && place.item) {
				code->landing_pads = place.item;
				code->landing_pads_offset = place.offset;
			}
		}
		at += 4 + len;
	}
}

static void add_referrer(struct item *item, struct item *referrer)
{
	if (item == referrer ||
	    (item->nr_referrers && item->referrers[item->nr_referrers - 1] == referrer))
		return;
	item->referrers = enlarge(item->referrers, item->nr_referrers + 1,
				  sizeof(*item->referrers));
	item->referrers[item->nr_referrers++] = referrer;
}

static void find_referrers(struct unit *unit)
{
	const Elf64_Rela *relocs;
	struct place place;
	struct item *item;
	size_t i, j, nr;

	for (i = 0; i < unit->nr_items; i++) {
		item = unit->items[i];
		relocs = item_relocs(item, &nr);
		for (j = 0; j < nr; j++) {
			place = unit_place(unit, item->section, &relocs[j]);
			if (place.item)
				add_referrer(place.item, item);
		}
		if (item->landing_pads)
			add_referrer(item->landing_pads, item);
	}
}

/* What only tables of landing pads lead to is a constant, wherever it is. */
static void find_constants(struct unit *unit)
{
	struct item *item;
	size_t i, j;

	for (i = 0; i < unit->nr_items; i++) {
		item = unit->items[i];
		if (item->kind != ITEM_DATA || item->name != item->section->name)
			continue;
		for (j = 0; j < item->nr_referrers; j++) {
			if (!is_landing_pads(item->referrers[j]->section))
				break;
		}
		if (j && j == item->nr_referrers)
			item->kind = ITEM_NAMELESS;
	}
}

static void find_pieces(struct unit *unit)
{
	struct item *item, *whole;
	size_t i, j, len;

	for (i = 0; i < unit->nr_items; i++) {
		item = unit->items[i];
		len = item->kind == ITEM_CODE ? piece_of(item->name) : 0;
		for (j = 0; len && j < unit->nr_items; j++) {
			whole = unit->items[j];
			if (whole->kind == ITEM_CODE && strlen(whole->name) == len &&
			    !memcmp(whole->name, item->name, len))
				item->part_of = whole;
		}
	}
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
	for (i = 1; i < unit->nr_sections; i++) {
		if (is_taken_apart(&unit->sections[i]))
			take_apart(unit, &unit->sections[i]);
	}
	for (i = 1; i < unit->nr_sections; i++) {
		if (!strcmp(unit->sections[i].name, ".eh_frame"))
			read_frames(unit, &unit->sections[i]);
	}
	find_referrers(unit);
	find_constants(unit);
	find_pieces(unit);
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
		free(unit->items[j]->why);
		free(unit->items[j]->referrers);
		free(unit->items[j]->instructions);
		free(unit->items[j]);
	}
	free(unit->items);
	free(unit->sections);
	free(unit->symbols);
	elf_end(unit->elf);
	if (unit->fd >= 0)
		close(unit->fd);
	memset(unit, 0, sizeof(*unit));
	unit->fd = -1;
}
