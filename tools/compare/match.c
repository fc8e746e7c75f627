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

static bool has_number(const struct item *item)
{
	return item->base != item->name;
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

/* One that others of its file may share the name with, in some function. */
static bool is_local_variable(const struct item *item)
{
	return is_variable(item) && item->numbered;
}

/* Does the unit have several of this name, but for their numbers? */
static bool has_several(const struct unit *unit, const char *base)
{
	struct item *const *list;
	size_t i, nr, variables = 0;

	list = items_of_base(unit, base, &nr);
	for (i = 0; i < nr; i++)
		variables += is_variable(list[i]);
	return variables > 1;
}

/*
 * The first of several may have no number: "f.count" (clang), "_ZZ1fvE5count". Which one that is
 * depends on the others.
 */
static void find_numbered(const struct pair *pair, const struct unit *unit)
{
	struct item *item;
	size_t i;

	for (i = 0; i < unit->nr_items; i++) {
		item = unit->items[i];
		if (!is_variable(item) || (item->global && !is_cxx_local(item->name)))
			continue;
		item->numbered = has_number(item);
		if (item->numbered || item->kind == ITEM_CONST ||
		    (!is_cxx_local(item->name) && !strchr(item->name + 1, '.')))
			continue;
		item->numbered = has_several(&pair->old, item->base) ||
				 has_several(&pair->new, item->base);
	}
}

static void match_names(struct pair *pair)
{
	struct item *const *list, *old, *new;
	size_t i, j, nr;

	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		if (is_local_variable(new))
			continue;
		list = items_of_base(&pair->old, new->base, &nr);
		for (j = 0; j < nr; j++) {
			old = list[j];
			if (!old->counterpart && comparable(old, new) &&
			    !is_local_variable(old) && !strcmp(old->name, new->name)) {
				join(old, new);
				break;
			}
		}
	}
}

static struct item *symbol_item(const struct unit *unit, const struct symbol *symbol)
{
	struct item *item = NULL;

	if (symbol->section && symbol->section < unit->nr_sections && *symbol->name &&
	    symbol->type != STT_SECTION && symbol->type != STT_FILE)
		item = section_item(&unit->sections[symbol->section], symbol->value);
	return item && item->offset == symbol->value ? item : NULL;
}

struct item *item_by_name(const struct unit *unit, const char *name)
{
	struct item *item;
	unsigned int i;

	for (i = 0; i < unit->nr_symbols; i++) {
		item = symbol_item(unit, &unit->symbols[i]);
		if (item && !strcmp(unit->symbols[i].name, name))
			return item;
	}
	return NULL;
}

/* An item with several names bears the first; another one may be what it had before. */
static void match_aliases(struct pair *pair)
{
	struct item *old, *new;
	unsigned int i;

	for (i = 0; i < pair->new.nr_symbols; i++) {
		new = symbol_item(&pair->new, &pair->new.symbols[i]);
		if (!new || new->counterpart || is_local_variable(new) || !new->global ||
		    !strcmp(pair->new.symbols[i].name, new->name))
			continue;
		old = item_by_name(&pair->old, pair->new.symbols[i].name);
		if (old && !old->counterpart && comparable(old, new))
			join(old, new);
	}
	/* The old one may have lost the name that it bore. */
	for (i = 0; i < pair->old.nr_symbols; i++) {
		old = symbol_item(&pair->old, &pair->old.symbols[i]);
		if (!old || old->counterpart || is_local_variable(old) || !old->global ||
		    !strcmp(pair->old.symbols[i].name, old->name))
			continue;
		new = item_by_name(&pair->new, pair->old.symbols[i].name);
		if (new && !new->counterpart && comparable(old, new))
			join(old, new);
	}
}

/* The only one of its kind that has this base and no counterpart; NULL if there are more. */
static struct item *only_code(const struct unit *unit, const char *base)
{
	struct item *const *list, *item, *only = NULL;
	size_t i, nr;

	list = items_of_base(unit, base, &nr);
	for (i = 0; i < nr; i++) {
		item = list[i];
		if (item->counterpart || item->kind != ITEM_CODE || item->global)
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
		    !has_number(new) || only_code(&pair->new, new->base) != new)
			continue;
		old = only_code(&pair->old, new->base);
		if (old && has_number(old))
			join(old, new);
	}
}

static const char *scope_of(const struct unit *unit, struct item *item)
{
	if (!item->scope_asked)
		item->scope = debug_scope(unit, item);
	item->scope_asked = true;
	return item->scope;
}

static bool same_scope(const struct unit *one_unit, struct item *one,
		       const struct unit *other_unit, struct item *other)
{
	const char *scope = scope_of(one_unit, one);
	const char *other_scope = scope_of(other_unit, other);

	return scope && other_scope && !strcmp(scope, other_scope) &&
	       !strcmp(one->base, other->base);
}

/* How many variables of @unit are declared where @item of @of is, with its name; the last of them. */
static size_t count_local(const struct unit *unit, const struct unit *of, struct item *item,
			  struct item **last)
{
	struct item *const *list;
	size_t i, nr, found = 0;

	list = items_of_base(unit, item->base, &nr);
	for (i = 0; i < nr; i++) {
		if (is_local_variable(list[i]) && same_scope(unit, list[i], of, item)) {
			*last = list[i];
			found++;
		}
	}
	return found;
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

static bool same_start(const struct item *old, const struct item *new)
{
	return old->size == new->size && item_bytes(old) && item_bytes(new) &&
	       !memcmp(item_bytes(old), item_bytes(new), old->size);
}

/* What only another variable leads to is declared without saying where: it is the only one of its name. */
static bool may_be(const struct pair *pair, struct item *old, struct item *new,
		   const struct item *user)
{
	if (is_variable(user) && !scope_of(&pair->old, old) && !scope_of(&pair->new, new))
		return !strcmp(old->base, new->base) && !has_several(&pair->old, old->base) &&
		       !has_several(&pair->new, new->base);
	return same_scope(&pair->old, old, &pair->new, new);
}

/* The same instruction of the same code leads to it, or the same place of the same variable. */
static bool match_used(struct pair *pair, struct item *old_user, struct item *new_user)
{
	struct section *old_section = old_user->section, *new_section = new_user->section;
	const Elf64_Rela *old, *new;
	struct place one, other;
	size_t nr_old, nr_new, i;
	bool any = false;

	old = item_relocs(old_user, &nr_old);
	new = item_relocs(new_user, &nr_new);
	for (i = 0; i < nr_old && nr_old == nr_new; i++) {
		one = unit_place(&pair->old, old_section, &old[i]);
		other = unit_place(&pair->new, new_section, &new[i]);
		if (old[i].r_offset - old_user->offset == new[i].r_offset - new_user->offset &&
		    one.item && other.item && one.offset == other.offset &&
		    !one.item->counterpart && !other.item->counterpart &&
		    is_variable(one.item) && one.item->kind == other.item->kind &&
		    one.item->size == other.item->size &&
		    may_be(pair, one.item, other.item, new_user)) {
			join(one.item, other.item);
			any = true;
		}
	}
	return any;
}

/* Several of one name in a function (macros that say something once): it has to be as it was. */
static void match_variables_by_use(struct pair *pair)
{
	struct item *new;
	bool any = true;
	size_t i;

	while (any) {
		any = false;
		for (i = 0; i < pair->new.nr_items; i++) {
			new = pair->new.items[i];
			if ((new->kind == ITEM_CODE || is_variable(new)) && new->counterpart &&
			    same_start(new->counterpart, new))
				any |= match_used(pair, new->counterpart, new);
		}
	}
}

/*
 * A constant has no state: any with the same bytes will do, and if what they lead to differs, the new
 * one comes along. Compilers make some of their own, which nothing declares (CSWTCH.12).
 */
static void match_constants(struct pair *pair)
{
	struct item *const *list, *old, *new;
	size_t i, j, nr;

	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		if (new->kind != ITEM_CONST || !is_local_variable(new))
			continue;
		list = items_of_base(&pair->old, new->base, &nr);
		for (j = 0; !new->counterpart && j < nr; j++) {
			old = list[j];
			if (old->kind == ITEM_CONST && !old->counterpart &&
			    is_local_variable(old) && old->size == new->size && item_bytes(old) &&
			    item_bytes(new) &&
			    !memcmp(item_bytes(old), item_bytes(new), old->size))
				join(old, new);
		}
	}
}

bool match_unclear(const struct pair *pair, struct item *item)
{
	struct item *const *list, *old;
	size_t i, nr;

	if (item->counterpart || item->kind == ITEM_CONST || !is_variable(item) ||
	    (item->global && !is_cxx_local(item->name)))
		return false;
	list = items_of_base(&pair->old, item->base, &nr);
	for (i = 0; i < nr; i++) {
		old = list[i];
		if (!is_variable(old) || old->kind == ITEM_CONST || old->counterpart ||
		    (old->global && !is_cxx_local(old->name)))
			continue;
		/* Known to be declared elsewhere, it is another. What clang makes of members says nothing. */
		if (!scope_of(&pair->old, old) || !scope_of(&pair->new, item) ||
		    same_scope(&pair->old, old, &pair->new, item))
			return true;
	}
	return false;
}

/* "_ZZ1fvENUliE0_4_FUNEi" without the number of the closure; also "_ZZ1fvEN3$_08__invokeEi". */
static void closure_base(const char *name, char *base, size_t size)
{
	size_t len = 0, digits;

	while (*name && len + 1 < size) {
		base[len++] = *name++;
		digits = strspn(name, "0123456789");
		if ((name[-1] == 'E' && name[digits] == '_') ||
		    !strncmp(name + digits, "$_", 2) ||
		    (len > 1 && !memcmp(base + len - 2, "$_", 2)))
			name += digits;
	}
	base[len] = 0;
}

static size_t count_closures(const struct unit *unit, const char *base)
{
	char other[BASE_MAX];
	size_t i, nr = 0;

	for (i = 0; i < unit->nr_items; i++) {
		if (unit->items[i]->kind != ITEM_CODE)
			continue;
		closure_base(unit->items[i]->name, other, sizeof(other));
		nr += !strcmp(other, base);
	}
	return nr;
}

bool match_renumbered(const struct pair *pair, const struct item *item)
{
	char base[BASE_MAX];

	if (strncmp(item->name, "_Z", 2) != 0 ||
	    (!strstr(item->name, "Ul") && !strstr(item->name, "$_")))
		return false;
	closure_base(item->name, base, sizeof(base));
	return count_closures(&pair->old, base) != count_closures(&pair->new, base);
}

/* Variables without a name: a section has one item of them at most. */
static void match_nameless(struct pair *pair)
{
	struct item *const *list, *old, *new;
	size_t i, j, nr;

	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		if (new->kind != ITEM_DATA || *new->name != '.')
			continue;
		list = items_of_base(&pair->old, new->base, &nr);
		for (j = 0; !new->counterpart && j < nr; j++) {
			old = list[j];
			if (!old->counterpart && old->kind == ITEM_DATA &&
			    !strcmp(old->name, new->name))
				join(old, new);
		}
	}
}

void match(struct pair *pair)
{
	find_numbered(pair, &pair->old);
	find_numbered(pair, &pair->new);
	match_names(pair);
	match_aliases(pair);
	match_numbered_code(pair);
	match_local_variables(pair);
	match_variables_by_use(pair);
	match_constants(pair);
	match_nameless(pair);
}
