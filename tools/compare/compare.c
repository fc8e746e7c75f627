// SPDX-License-Identifier: GPL-2.0
/*
 * Compare old and new objects: see compare.h. What is replaced: each function whose code or tables
 * differ. What comes along: all that these use and the old program does not have.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compare.h"
#include "debug.h"

static void set_why(struct item *item, char *why)
{
	free(item->why);
	item->why = why;
}

static void compare_items(struct pair *pair)
{
	struct item *new;
	size_t i;

	for (i = 0; i < pair->old.nr_items; i++)
		pair->old.items[i]->state = STATE_NEW;
	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		if (new->counterpart)
			same(new->counterpart, &pair->old, new, &pair->new);
		else if (new->kind != ITEM_MERGED && new->kind != ITEM_NAMELESS)
			new->state = STATE_NEW;
	}
}

static bool is_changed_code(const struct comparison *comparison, const struct item *item)
{
	return item->kind == ITEM_CODE &&
	       (item->state == STATE_CHANGED ||
		(comparison->keep_lines && item->state == STATE_LINES));
}

/* Items of a unit that are yet to be looked at. */
struct list {
	struct item **items;
	size_t nr;
};

static void put(struct list *list, struct item *item)
{
	if (!(list->nr & (list->nr - 1)))
		list->items = enlarge(list->items, list->nr ? list->nr * 2 : 1,
				      sizeof(*list->items));
	list->items[list->nr++] = item;
}

static bool is_own_constant(const struct item *item)
{
	return item->kind == ITEM_CONST && !item->global;
}

/*
 * Who uses a constant that comes along must come along, also by a table without a name; the constants among
 * them have users of their own. The state of such a table says that it has been looked at.
 */
static bool spread_change(struct item *item)
{
	struct list list = { 0 };
	struct item *referrer;
	bool any = false;
	size_t i, j;

	put(&list, item);
	for (i = 0; i < list.nr; i++) {
		for (j = 0; j < list.items[i]->nr_referrers; j++) {
			referrer = list.items[i]->referrers[j];
			if (referrer->state == STATE_CHANGED)
				continue;
			if (referrer->kind == ITEM_NAMELESS) {
				referrer->state = STATE_CHANGED;
				put(&list, referrer);
				continue;
			}
			if (!referrer->counterpart ||
			    (referrer->state != STATE_SAME && referrer->state != STATE_LINES))
				continue;
			referrer->state = STATE_CHANGED;
			referrer->counterpart->state = STATE_CHANGED;
			set_why(referrer, text("uses the constant '%s', which differs",
					       list.items[i]->kind == ITEM_NAMELESS ?
					       item->name : list.items[i]->name));
			if (is_own_constant(referrer))
				put(&list, referrer);
			any = true;
		}
	}
	free(list.items);
	return any;
}

bool leads_into_changed(const struct comparison *comparison, const struct item *item,
			const struct pair *pair)
{
	const Elf64_Rela *relocs;
	struct place place;
	size_t i, nr;

	relocs = item_relocs(item, &nr);
	for (i = 0; i < nr; i++) {
		place = unit_place(&pair->new, item->section, &relocs[i]);
		if (place.item && place.item != item && place.offset &&
		    is_changed_code(comparison, place.item))
			return true;
	}
	return false;
}

/* Labels of a function are new with it, also if they are where they were. */
static bool change_table(const struct comparison *comparison, const struct pair *pair,
			 struct item *item)
{
	if (!item->counterpart || item->state != STATE_SAME || item->kind == ITEM_CODE ||
	    !leads_into_changed(comparison, item, pair))
		return false;
	item->state = STATE_CHANGED;
	item->counterpart->state = STATE_CHANGED;
	set_why(item, text("leads into a function that changes"));
	return true;
}

/* A function and its pieces are one. */
static bool join_pieces(struct item *item)
{
	struct item *whole = item->part_of;

	if (!whole)
		return false;
	if ((item->state == STATE_CHANGED || item->state == STATE_NEW) &&
	    (whole->state == STATE_SAME || whole->state == STATE_LINES)) {
		whole->state = STATE_CHANGED;
		set_why(whole, text("its piece '%s' differs: %s", item->name,
				    item->why ? item->why : "it is new"));
		return true;
	}
	if (whole->state == STATE_CHANGED &&
	    (item->state == STATE_SAME || item->state == STATE_LINES)) {
		item->state = STATE_CHANGED;
		return true;
	}
	if (item->state == STATE_LINES && whole->state == STATE_SAME) {
		whole->state = STATE_LINES;
		set_why(whole, text("only numbers of source lines differ"));
		return true;
	}
	return false;
}

static void spread(const struct comparison *comparison, struct pair *pair)
{
	struct item *item;
	bool again = true;
	size_t i;

	while (again) {
		again = false;
		for (i = 0; i < pair->new.nr_items; i++) {
			item = pair->new.items[i];
			again |= join_pieces(item);
			again |= change_table(comparison, pair, item);
			if (is_own_constant(item) && item->state == STATE_CHANGED)
				again |= spread_change(item);
		}
	}
}

/* "f.constprop.0": who calls it had to be compiled for it. */
static bool is_variant(const struct item *item)
{
	return !item->global && (strstr(item->name, ".constprop") || strstr(item->name, ".isra") ||
				 strstr(item->name, ".part"));
}

/* Does somebody who stays call this variant? If not, it is a new function for those who do. */
static bool is_called_by_others(const struct comparison *comparison, const struct item *item)
{
	size_t i;

	for (i = 0; i < item->nr_referrers; i++) {
		if (!is_changed_code(comparison, item->referrers[i]) &&
		    item->referrers[i]->state != STATE_NEW)
			return true;
	}
	return false;
}

/* What has come to be wanted, and what it uses is yet to be. */
struct wants {
	struct comparison *comparison;
	struct want {
		struct item *item;
		struct unit *unit;
	} *list;
	size_t nr;
};

static void want(struct wants *wants, struct item *item, struct unit *unit)
{
	if (item->wanted)
		return;
	item->wanted = true;
	if (!item->why && item->state == STATE_NEW)
		item->why = text("is new");
	if (!(wants->nr & (wants->nr - 1)))
		wants->list = enlarge(wants->list, wants->nr ? wants->nr * 2 : 1,
				      sizeof(*wants->list));
	wants->list[wants->nr++] = (struct want){ item, unit };
}

/* What one file uses another may have got as well. */
static void want_of_others(struct wants *wants, const char *name)
{
	struct comparison *comparison = wants->comparison;
	struct item *item;
	size_t i, j;

	for (i = 0; i < comparison->nr; i++) {
		for (j = 0; j < comparison->pairs[i].new.nr_items; j++) {
			item = comparison->pairs[i].new.items[j];
			if (item->global && item->state == STATE_NEW && !strcmp(item->name, name))
				want(wants, item, &comparison->pairs[i].new);
		}
	}
}

static void want_used(struct wants *wants, struct item *item, struct unit *unit)
{
	const Elf64_Rela *relocs;
	struct place place;
	size_t i, nr;

	relocs = item_relocs(item, &nr);
	for (i = 0; i < nr; i++) {
		place = unit_place(unit, item->section, &relocs[i]);
		if (place.name)
			want_of_others(wants, place.name);
		if (!place.item || place.item->kind == ITEM_MERGED)
			continue;
		if (place.item->kind == ITEM_NAMELESS || place.item->state == STATE_NEW ||
		    (place.item->kind == ITEM_CODE && place.item->state == STATE_CHANGED &&
		     is_variant(place.item)) ||
		    (is_own_constant(place.item) && place.item->state == STATE_CHANGED))
			want(wants, place.item, unit);
	}
	if (item->landing_pads)
		want(wants, item->landing_pads, unit);
	if (item->personality && item->personality->state == STATE_NEW)
		want(wants, item->personality, unit);
	for (i = 0; item->kind == ITEM_CODE && i < unit->nr_items; i++) {
		if (unit->items[i]->part_of == item)
			want(wants, unit->items[i], unit);
	}
}

/* What wfpatch/patch.h names an author's hooks: nobody refers to them. */
static bool is_hook(const struct item *item)
{
	static const char *const names[] = { "wfpatch_pre_apply", "wfpatch_post_apply",
					     "wfpatch_pre_revert", "wfpatch_post_revert" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (item->kind == ITEM_CODE && item->global && item->state == STATE_NEW &&
		    !strcmp(item->name, names[i]))
			return true;
	}
	return false;
}

static void choose(struct comparison *comparison, struct pair *pair)
{
	struct wants wants = { .comparison = comparison };
	struct item *item;
	size_t i;

	for (i = 0; i < pair->new.nr_items; i++) {
		item = pair->new.items[i];
		if (is_hook(item))
			want(&wants, item, &pair->new);
		if (item->part_of || !item->counterpart || !is_changed_code(comparison, item) ||
		    (is_variant(item) && !is_called_by_others(comparison, item)))
			continue;
		item->replaced = true;
		want(&wants, item, &pair->new);
	}
	for (i = 0; i < wants.nr; i++)
		want_used(&wants, wants.list[i].item, wants.list[i].unit);
	free(wants.list);
}

/* Of most files of a program nothing changes. */
static bool same_files(const struct unit *old, const struct unit *new)
{
	size_t old_size, new_size;
	const char *one = elf_rawfile(old->elf, &old_size);
	const char *other = elf_rawfile(new->elf, &new_size);

	return one && other && old_size == new_size && !memcmp(one, other, old_size);
}

static int open_pair(struct pair *pair, const char *old, const char *new,
		     struct findings *findings)
{
	int err;

	pair->old.path = "";
	pair->old.source = "";
	err = old ? unit_open(&pair->old, old, findings) : 0;
	err = err ? err : unit_open(&pair->new, new, findings);
	if (!err)
		pair->same = old && same_files(&pair->old, &pair->new);
	return err;
}

static void compare_pair(struct comparison *comparison, struct pair *pair)
{
	size_t i;

	if (pair->same) {
		for (i = 0; i < pair->new.nr_items; i++)
			pair->new.items[i]->state = STATE_SAME;
		return;
	}
	if (pair->old.elf)
		debug_open(&pair->old);
	debug_open(&pair->new);
	match(pair);
	compare_items(pair);
	spread(comparison, pair);
	check_pair(comparison, pair);
}

int compare(struct comparison *comparison, const char *const *old, const char *const *new,
	    size_t nr)
{
	struct pair *pair;
	int err = 0;
	size_t i;

	comparison->pairs = allocate(nr, sizeof(*comparison->pairs));
	for (i = 0; i < nr; i++) {
		pair = &comparison->pairs[i];
		pair->old.fd = -1;
		pair->new.fd = -1;
	}
	comparison->nr = nr;
	for (i = 0; i < nr; i++) {
		pair = &comparison->pairs[i];
		err = err ? err : open_pair(pair, old[i], new[i], &comparison->findings);
	}
	if (err)
		return err;
	for (i = 0; i < nr; i++)
		compare_pair(comparison, &comparison->pairs[i]);
	for (i = 0; i < nr; i++)
		choose(comparison, &comparison->pairs[i]);
	check_replaced(comparison);
	return 0;
}

void compare_close(struct comparison *comparison)
{
	size_t i;

	for (i = 0; i < comparison->nr; i++) {
		unit_close(&comparison->pairs[i].old);
		unit_close(&comparison->pairs[i].new);
	}
	free(comparison->pairs);
	findings_free(&comparison->findings);
	memset(comparison, 0, sizeof(*comparison));
}

static size_t count(const struct comparison *comparison, bool replaced)
{
	const struct item *item;
	size_t i, j, nr = 0;

	for (i = 0; i < comparison->nr; i++) {
		for (j = 0; j < comparison->pairs[i].new.nr_items; j++) {
			item = comparison->pairs[i].new.items[j];
			if (item->kind == ITEM_CODE && !item->part_of)
				nr += replaced ? item->replaced : item->state == STATE_LINES;
		}
	}
	return nr;
}

size_t compare_replaced(const struct comparison *comparison)
{
	return count(comparison, true);
}

size_t compare_lines_only(const struct comparison *comparison)
{
	return count(comparison, false);
}
