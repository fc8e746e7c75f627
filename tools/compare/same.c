// SPDX-License-Identifier: GPL-2.0
/*
 * Is an item the same in both versions? Bytes are compared, and where their relocations lead to: a text
 * by its letters, a jump table by its entries, a function or variable by being the counterpart.
 */
#include <stdlib.h>
#include <string.h>
#include "compare.h"
#include "debug.h"
#include "instruction.h"

/* Two items that are being compared. */
struct two {
	struct unit *old_unit, *new_unit;
	struct item *old, *new;
};

static bool same_merged(const struct place *old, const struct place *new)
{
	const struct section *one = old->section, *other = new->section;
	uint64_t unit = one->header.sh_entsize ? one->header.sh_entsize : 1, a, b;

	a = (uint64_t)old->offset;
	b = (uint64_t)new->offset;
	if (other->header.sh_entsize != one->header.sh_entsize || a % unit != b % unit ||
	    old->correction != new->correction ||
	    !one->data || !other->data)
		return false;
	if (!(one->header.sh_flags & other->header.sh_flags & SHF_STRINGS)) {
		a -= a % unit;
		b -= b % unit;
		return a + unit <= one->header.sh_size && b + unit <= other->header.sh_size &&
		       !memcmp(one->data + a, other->data + b, unit);
	}
	for (; a + unit <= one->header.sh_size && b + unit <= other->header.sh_size;
	     a += unit, b += unit) {
		static const unsigned char end[8];

		if (memcmp(one->data + a, other->data + b, unit) != 0)
			return false;
		if (!memcmp(one->data + a, end, unit))
			return true;
	}
	return false;
}

/*
 * Tables of the compiler's own: what is in them counts. They may lead to each other, also in a circle: each is
 * taken for the same until all have been looked at.
 */
struct tables {
	struct two *list;
	size_t nr;
};

static void add_table(struct tables *tables, const struct two *two)
{
	size_t i;

	if (two->new->twin == two->old)
		return;
	for (i = 0; i < tables->nr; i++) {
		if (tables->list[i].old == two->old && tables->list[i].new == two->new)
			return;
	}
	tables->list = enlarge(tables->list, tables->nr + 1, sizeof(*tables->list));
	tables->list[tables->nr++] = *two;
}

static const char *place_name(const struct place *place)
{
	return place->name ? place->name : place->item ? place->item->name :
	       place->section ? place->section->name : "an address";
}

static bool differ(char **why, const char *format, const struct place *old, const struct place *new)
{
	if (why && !*why)
		*why = text(format, place_name(old), place_name(new));
	return false;
}

static bool same_item(const struct two *two, const struct place *old, const struct place *new,
		      struct tables *tables, char **why)
{
	struct two places = { two->old_unit, two->new_unit, old->item, new->item };

	if (old->item->kind == ITEM_MERGED && new->item->kind == ITEM_MERGED) {
		if (same_merged(old, new))
			return true;
		return differ(why, is_text(old->section) ? "another text is used" :
							    "another constant is used", old, new);
	}
	if (old->offset != new->offset)
		return differ(why, "refers to another place of '%s'", old, new);
	if (old->item->kind == ITEM_NAMELESS && new->item->kind == ITEM_NAMELESS) {
		add_table(tables, &places);
		return true;
	}
	if (old->item->counterpart != new->item || new->item->counterpart != old->item)
		return differ(why, "refers to '%2$s' in place of '%1$s'", old, new);
	/* Whether a constant of this file alone differs is told to those who use it when all is compared. */
	return true;
}

static bool same_place(const struct two *two, const struct place *old, const struct place *new,
		       struct tables *tables, char **why)
{
	const char *one, *other;

	if (old->item && new->item)
		return same_item(two, old, new, tables, why);
	/* Whether it is defined here or elsewhere, a name that others can use means the same. */
	one = old->item && old->item->global ? old->item->name : old->name;
	other = new->item && new->item->global ? new->item->name : new->name;
	if (!one && !other && old->section && new->section) {
		one = old->section->name;
		other = new->section->name;
	}
	if (!one || !other || strcmp(one, other) != 0)
		return differ(why, "refers to '%2$s' in place of '%1$s'", old, new);
	return old->offset == new->offset ||
	       differ(why, "refers to another place of '%s'", old, new);
}

static bool same_relocs(const struct two *two, struct tables *tables, char **why)
{
	const Elf64_Rela *old, *new;
	struct place one, other;
	size_t nr_old, nr_new, i;

	old = item_relocs(two->old, &nr_old);
	new = item_relocs(two->new, &nr_new);
	if (nr_old != nr_new) {
		if (why && !*why)
			*why = text("refers to something else");
		return false;
	}
	for (i = 0; i < nr_old; i++) {
		one = unit_place(two->old_unit, two->old->section, &old[i]);
		other = unit_place(two->new_unit, two->new->section, &new[i]);
		if (ELF64_R_TYPE(old[i].r_info) != ELF64_R_TYPE(new[i].r_info) ||
		    old[i].r_offset - two->old->offset != new[i].r_offset - two->new->offset)
			return differ(why, "refers to '%2$s' in place of '%1$s'", &one, &other);
		if (!same_place(two, &one, &other, tables, why))
			return false;
	}
	return true;
}

/* NULL bytes are zeroes. */
static bool same_bytes(const struct item *old, const struct item *new, uint64_t at, uint64_t len)
{
	const unsigned char *one = item_bytes(old), *other = item_bytes(new);
	uint64_t i;

	if (one && other)
		return !memcmp(one + at, other + at, len);
	if (!one && !other)
		return true;
	for (i = at; i < at + len; i++) {
		if ((one && one[i]) || (other && other[i]))
			return false;
	}
	return true;
}

static bool same_content(const struct two *two, struct tables *tables, char **why)
{
	if (two->old->size != two->new->size) {
		if (why && !*why)
			*why = text("has %llu bytes, had %llu", (unsigned long long)two->new->size,
				    (unsigned long long)two->old->size);
		return false;
	}
	if (!same_bytes(two->old, two->new, 0, two->old->size)) {
		if (why && !*why)
			*why = text("its bytes differ");
		return false;
	}
	return same_relocs(two, tables, why);
}

/* All tables that something leads to, and all that these lead to. Ends the list. */
static bool same_tables(struct tables *tables, char **why)
{
	bool ret = true;
	struct two two;
	size_t i;

	for (i = 0; ret && i < tables->nr; i++) {
		two = tables->list[i];
		ret = same_content(&two, tables, NULL);
		if (!ret && why && !*why)
			*why = text("its table in %s differs", two.new->name);
	}
	for (i = 0; ret && i < tables->nr; i++)
		tables->list[i].new->twin = tables->list[i].old;
	free(tables->list);
	*tables = (struct tables){ 0 };
	return ret;
}

/* Is the constant of an instruction the number of a source line, there and here, of the same row? */
static bool is_line(const struct line *old, size_t nr_old, const struct line *new, size_t nr_new,
		    int64_t was, int64_t is)
{
	size_t i;

	if (nr_old != nr_new)
		return false;
	for (i = 0; i < nr_old; i++) {
		if (old[i].offset == new[i].offset && old[i].number == was && new[i].number == is)
			return true;
	}
	return false;
}

static int64_t constant(const struct item *item, const struct instruction *instruction)
{
	const unsigned char *at = item_bytes(item) + instruction->offset + instruction->constant;
	int32_t word;
	int16_t half;
	int64_t whole;

	switch (instruction->constant_size) {
	case 1:
		return (int8_t)*at;
	case 2:
		memcpy(&half, at, 2);
		return half;
	case 4:
		memcpy(&word, at, 4);
		return word;
	}
	memcpy(&whole, at, 8);
	return whole;
}

/* The instruction differs in its constant at most, and that is a line's number. */
static bool same_but_line(const struct two *two, const struct instruction *old,
			  const struct instruction *new, const struct line *old_lines,
			  size_t nr_old, const struct line *new_lines, size_t nr_new)
{
	uint64_t at = old->offset, end = old->offset + old->size, constant_end;

	if (new->offset != old->offset || new->size != old->size ||
	    new->constant != old->constant || new->constant_size != old->constant_size)
		return false;
	if (same_bytes(two->old, two->new, at, old->size))
		return true;
	if (!old->constant)
		return false;
	constant_end = at + old->constant + old->constant_size;
	return same_bytes(two->old, two->new, at, old->constant) &&
	       same_bytes(two->old, two->new, constant_end, end - constant_end) &&
	       is_line(old_lines, nr_old, new_lines, nr_new, constant(two->old, old),
		       constant(two->new, new));
}

static bool differs_in_lines_only(const struct two *two)
{
	struct line *old, *new;
	size_t nr_old, nr_new, i;
	bool ret = two->old->nr_instructions &&
		   two->old->nr_instructions == two->new->nr_instructions;

	old = debug_lines(two->old_unit, two->old, &nr_old);
	new = debug_lines(two->new_unit, two->new, &nr_new);
	for (i = 0; ret && i < two->old->nr_instructions; i++)
		ret = same_but_line(two, &two->old->instructions[i], &two->new->instructions[i],
				    old, nr_old, new, nr_new);
	free(old);
	free(new);
	return ret;
}

/* Where exceptions land, and of which types they are. */
static bool same_landing_pads(const struct two *two, struct tables *tables, char **why)
{
	struct two pads = { two->old_unit, two->new_unit, two->old->landing_pads,
			    two->new->landing_pads };

	if (!pads.old && !pads.new)
		return true;
	if (pads.old && pads.new &&
	    two->old->landing_pads_offset == two->new->landing_pads_offset &&
	    same_content(&pads, tables, NULL)) {
		add_table(tables, &pads);
		return true;
	}
	if (why && !*why)
		*why = text("catches other exceptions, or at other places");
	return false;
}

/* How a stack is unwound from it: by exceptions, by debuggers, and by who patches it. */
static bool same_frame(const struct two *two, char **why)
{
	const struct frame *old = &two->old->frame, *new = &two->new->frame;

	if (old->nr == new->nr && old->size == new->size && old->common_size == new->common_size &&
	    (!old->size || !memcmp(old->record, new->record, old->size)) &&
	    (!old->common_size || !memcmp(old->common, new->common, old->common_size)))
		return true;
	if (why && !*why)
		*why = text("its frame information differs");
	return false;
}

/* Code with all that belongs to it; @lines: but for numbers of source lines. */
static bool same_whole(const struct two *two, bool lines, char **why)
{
	struct tables tables = { 0 };
	bool ret = lines ? two->old->size == two->new->size && same_relocs(two, &tables, why) :
			   same_content(two, &tables, why);

	ret = ret && same_landing_pads(two, &tables, why) && same_frame(two, why);
	ret &= same_tables(&tables, why);
	return ret && (!lines || differs_in_lines_only(two));
}

void same(struct item *old, struct unit *old_unit, struct item *new, struct unit *new_unit)
{
	struct two two = { old_unit, new_unit, old, new };
	char *why = NULL;

	if (old->kind != new->kind) {
		new->state = STATE_CHANGED;
		why = text("is of another kind");
	} else if (same_whole(&two, false, &why)) {
		new->state = STATE_SAME;
	} else if (new->kind == ITEM_CODE && same_whole(&two, true, NULL)) {
		new->state = STATE_LINES;
		free(why);
		why = text("only numbers of source lines differ");
	} else {
		new->state = STATE_CHANGED;
	}
	old->state = new->state;
	free(new->why);
	new->why = why;
}
