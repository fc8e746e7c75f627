// SPDX-License-Identifier: GPL-2.0
/*
 * Which item of the old version is which of the new one. Names that others can use do not change, nor
 * do those of a file's own functions and variables. But the compiler numbers what may exist several
 * times in a file (a function's static variables, parts and variants of functions), and counts anew each
 * time. A variable must never be taken for another, since it has a state: its number is left aside, and
 * it is known by the function that it is declared in. For code it is enough that each has one
 * counterpart at most: who calls it is compared by that, and is replaced, too, if it calls another.
 */
#include <stdlib.h>
#include <string.h>
#include "compare.h"
#include "debug.h"

static bool has_number(const char *name)
{
	char base[4096];

	return base_name(name, base, sizeof(base)) != strlen(name);
}

static bool is_variable(const struct item *item)
{
	return item->kind == ITEM_DATA || item->kind == ITEM_CONST || item->kind == ITEM_TLS;
}

/* Others' names mean the same everywhere; a constant may have become a variable. */
static bool comparable(const struct item *old, const struct item *new)
{
	return (old->kind == ITEM_CODE && new->kind == ITEM_CODE) ||
	       (is_variable(old) && is_variable(new));
}

static void join(struct item *old, struct item *new)
{
	old->counterpart = new;
	new->counterpart = old;
}

static bool is_local_variable(const struct item *item)
{
	return is_variable(item) && !item->global && has_number(item->name);
}

static void match_names(struct pair *pair)
{
	struct item *old, *new;
	size_t i, j;

	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		if (is_local_variable(new))
			continue;
		for (j = 0; j < pair->old.nr_items; j++) {
			old = pair->old.items[j];
			if (!old->counterpart && comparable(old, new) &&
			    !is_local_variable(old) && !strcmp(old->name, new->name)) {
				join(old, new);
				break;
			}
		}
	}
}

/* The only one of its kind that has this base and no counterpart; NULL if there are more. */
static struct item *only_code(const struct unit *unit, const char *name)
{
	struct item *item, *only = NULL;
	size_t i;

	for (i = 0; i < unit->nr_items; i++) {
		item = unit->items[i];
		if (item->counterpart || item->kind != ITEM_CODE || item->global ||
		    !same_base(item->name, name))
			continue;
		if (only)
			return NULL;
		only = item;
	}
	return only;
}

static void match_numbered_code(struct pair *pair)
{
	struct item *old, *new;
	size_t i;

	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		if (new->counterpart || new->kind != ITEM_CODE || new->global ||
		    !has_number(new->name) || only_code(&pair->new, new->name) != new)
			continue;
		old = only_code(&pair->old, new->name);
		if (old && has_number(old->name))
			join(old, new);
	}
}

static bool same_scope(const struct unit *one_unit, const struct item *one,
		       const struct unit *other_unit, const struct item *other)
{
	const char *scope = debug_scope(one_unit, one);
	const char *other_scope = debug_scope(other_unit, other);

	return scope && other_scope && !strcmp(scope, other_scope) &&
	       same_base(one->name, other->name);
}

/* How many variables of @unit are declared where @item of @of is, with its name; the last of them. */
static size_t count_local(const struct unit *unit, const struct unit *of, const struct item *item,
			  struct item **last)
{
	size_t i, nr = 0;

	for (i = 0; i < unit->nr_items; i++) {
		if (is_local_variable(unit->items[i]) &&
		    same_scope(unit, unit->items[i], of, item)) {
			*last = unit->items[i];
			nr++;
		}
	}
	return nr;
}

static void match_local_variables(struct pair *pair)
{
	struct item *old, *new, *self;
	size_t i;

	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		if (is_local_variable(new) &&
		    count_local(&pair->new, &pair->new, new, &self) == 1 &&
		    count_local(&pair->old, &pair->new, new, &old) == 1)
			join(old, new);
	}
}

/*
 * A constant has no state: any with the same bytes will do, and if what they lead to differs, the new
 * one comes along. Compilers make some of their own, which nothing declares (CSWTCH.12).
 */
static void match_constants(struct pair *pair)
{
	struct item *old, *new;
	size_t i, j;

	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		if (new->kind != ITEM_CONST || !is_local_variable(new))
			continue;
		for (j = 0; !new->counterpart && j < pair->old.nr_items; j++) {
			old = pair->old.items[j];
			if (old->kind == ITEM_CONST && !old->counterpart &&
			    is_local_variable(old) && same_base(old->name, new->name) &&
			    old->size == new->size && item_bytes(old) && item_bytes(new) &&
			    !memcmp(item_bytes(old), item_bytes(new), old->size))
				join(old, new);
		}
	}
}

bool match_unclear(const struct pair *pair, const struct item *item)
{
	const struct item *old;
	size_t i;

	if (item->counterpart || item->kind == ITEM_CONST || !is_local_variable(item))
		return false;
	for (i = 0; i < pair->old.nr_items; i++) {
		old = pair->old.items[i];
		if (!is_local_variable(old) || old->counterpart ||
		    !same_base(old->name, item->name))
			continue;
		/* Known to be declared elsewhere, it is another. */
		if (!debug_scope(&pair->old, old) || !debug_scope(&pair->new, item) ||
		    same_scope(&pair->old, old, &pair->new, item))
			return true;
	}
	return false;
}

/* Variables without a name: a section has one item of them at most. */
static void match_nameless(struct pair *pair)
{
	struct item *old, *new;
	size_t i, j;

	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		for (j = 0; !new->counterpart && j < pair->old.nr_items; j++) {
			old = pair->old.items[j];
			if (!old->counterpart && new->kind == ITEM_DATA && old->kind == ITEM_DATA &&
			    *new->name == '.' && !strcmp(old->name, new->name))
				join(old, new);
		}
	}
}

void match(struct pair *pair)
{
	match_names(pair);
	match_numbered_code(pair);
	match_local_variables(pair);
	match_constants(pair);
	match_nameless(pair);
}
