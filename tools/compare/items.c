// SPDX-License-Identifier: GPL-2.0
/* Takes an object apart into its items: see unit.h. */
#include <stdlib.h>
#include <string.h>
#include "instruction.h"
#include "unit.h"

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

static const char *base_of(const char *name)
{
	char base[BASE_MAX];

	return base_name(name, base, sizeof(base)) == strlen(name) ? name : text("%s", base);
}

static struct item *add_item(struct unit *unit, struct section *section, enum item_kind kind,
			     const char *name, uint64_t offset, uint64_t size)
{
	struct item *item = allocate(1, sizeof(*item));

	item->kind = kind;
	item->name = name;
	item->base = base_of(name);
	item->order = unit->nr_items;
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

/* By section and place; of several names for one place those that others use first. */
static int compare_symbols(const void *a, const void *b)
{
	const struct symbol *one = *(const struct symbol *const *)a;
	const struct symbol *other = *(const struct symbol *const *)b;

	if (one->section != other->section)
		return one->section < other->section ? -1 : 1;
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
	size_t i, j, next;

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
		for (j = i; j < next; j++)
			item->chooser |= list[j]->type == STT_GNU_IFUNC;
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

/* @list: its symbols with a name, in their order. */
static void take_apart(struct unit *unit, struct section *section, const struct symbol **list,
		       size_t nr)
{
	if (section->header.sh_flags & SHF_MERGE && !is_code(section)) {
		add_item(unit, section, ITEM_MERGED, section->name, 0, section->header.sh_size);
		return;
	}
	if (nr)
		add_named(unit, section, list, nr);
	else if (is_pointers(section))
		add_pointers(unit, section);
	else
		add_item(unit, section, kind_of(section, false), section->name, 0,
			 section->header.sh_size);
}

static void take_all_apart(struct unit *unit)
{
	const struct symbol **list = allocate(unit->nr_symbols, sizeof(*list)), *symbol;
	size_t nr = 0, at = 0, next;
	struct section *section;
	unsigned int i;

	for (i = 0; i < unit->nr_symbols; i++) {
		symbol = &unit->symbols[i];
		section = symbol->section < unit->nr_sections ? &unit->sections[symbol->section] :
								NULL;
		if (section && is_named(symbol, section) &&
		    symbol->value <= section->header.sh_size)
			list[nr++] = symbol;
	}
	qsort(list, nr, sizeof(*list), compare_symbols);
	for (i = 0; i < unit->nr_sections; i++) {
		for (next = at; next < nr && list[next]->section == i;)
			next++;
		if (i && is_taken_apart(&unit->sections[i]))
			take_apart(unit, &unit->sections[i], list + at, next - at);
		at = next;
	}
	free(list);
}

/* What the record at @at leads to, if it is here: the pointer to its personality function. */
static struct item *record_personality(const struct unit *unit, const struct section *section,
				       uint64_t at)
{
	uint32_t len;
	size_t i;

	if (at + 4 > section->header.sh_size)
		return NULL;
	memcpy(&len, section->data + at, 4);
	for (i = 0; i < section->nr_relocs; i++) {
		if (section->relocs[i].r_offset >= at && section->relocs[i].r_offset < at + 4 + len)
			return unit_place(unit, section, &section->relocs[i]).item;
	}
	return NULL;
}

/* What a record says, without the zeroes that fill its last word or the section's; NULL if it is damaged. */
static const unsigned char *record_content(const struct section *section, uint64_t at,
					   uint32_t *size)
{
	const unsigned char *content = section->data + at + 8;
	uint32_t len;

	*size = 0;
	memcpy(&len, section->data + at, 4);
	if (len < 4 || at + 4 + len > section->header.sh_size)
		return NULL;
	for (len -= 4; len && !content[len - 1];)
		len--;
	*size = len;
	return content;
}

/* @at: of the record, @common: of what it has in common with others. */
static void add_frame(struct item *code, const struct section *section, uint64_t at,
		      uint64_t common)
{
	struct frame *frame = &code->frame;

	if (frame->nr++)
		return;
	frame->record = record_content(section, at, &frame->size);
	frame->common = record_content(section, common, &frame->common_size);
}

/* Each record of frame information has one relocation for its code, and one for landing pads. */
static void read_frames(struct unit *unit, const struct section *section)
{
	struct item *code, *personality = NULL;
	uint64_t at = 0, common = UINT64_MAX;
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
		if (code && cie && at + 4 >= cie) {
			if (common != at + 4 - cie) {
				common = at + 4 - cie;
				personality = record_personality(unit, section, common);
			}
			code->personality = personality;
			add_frame(code, section, at, common);
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

static int compare_bases(const void *a, const void *b)
{
	const struct item *one = *(const struct item *const *)a;
	const struct item *other = *(const struct item *const *)b;
	int order = strcmp(one->base, other->base);

	return order ? order : one->order < other->order ? -1 : one->order > other->order;
}

static void sort_items(struct unit *unit)
{
	unit->by_base = allocate(unit->nr_items, sizeof(*unit->by_base));
	if (!unit->nr_items)
		return;
	memcpy(unit->by_base, unit->items, unit->nr_items * sizeof(*unit->by_base));
	qsort(unit->by_base, unit->nr_items, sizeof(*unit->by_base), compare_bases);
}

struct item *const *items_of_base(const struct unit *unit, const char *base, size_t *nr)
{
	size_t low = 0, high = unit->nr_items, middle, end;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(unit->by_base[middle]->base, base) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < unit->nr_items && !strcmp(unit->by_base[end]->base, base);)
		end++;
	*nr = end - low;
	return unit->by_base + low;
}

static void find_pieces(struct unit *unit)
{
	struct item *const *list, *item;
	char *whole, base[BASE_MAX];
	size_t i, j, len, nr;

	for (i = 0; i < unit->nr_items; i++) {
		item = unit->items[i];
		len = item->kind == ITEM_CODE ? piece_of(item->name) : 0;
		if (!len)
			continue;
		whole = text("%.*s", (int)len, item->name);
		base_name(whole, base, sizeof(base));
		list = items_of_base(unit, base, &nr);
		for (j = 0; j < nr; j++) {
			if (list[j]->kind == ITEM_CODE && !strcmp(list[j]->name, whole))
				item->part_of = list[j];
		}
		free(whole);
	}
}

void items_make(struct unit *unit)
{
	unsigned int i;

	take_all_apart(unit);
	sort_items(unit);
	for (i = 1; i < unit->nr_sections; i++) {
		if (!strcmp(unit->sections[i].name, ".eh_frame"))
			read_frames(unit, &unit->sections[i]);
	}
	find_referrers(unit);
	find_constants(unit);
	find_pieces(unit);
}
