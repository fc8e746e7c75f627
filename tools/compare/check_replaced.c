// SPDX-License-Identifier: GPL-2.0
/* What stands in the way of a patch, when it is known what it replaces: see findings.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compare.h"
#include "debug.h"
#include "instruction.h"

/* As many are named of what a loop calls. */
#define CALLS_MAX 16

/* Who uses the old function and stays as he is, in any of the objects? NULL if nobody does. */
static const struct item *stays(const struct comparison *comparison, const struct pair *of,
				const struct item *function)
{
	const struct item *item;
	const struct pair *pair;
	const Elf64_Rela *relocs;
	struct place place;
	size_t i, j, k, nr;

	for (i = 0; i < comparison->nr; i++) {
		pair = &comparison->pairs[i];
		if (pair != of && !function->global)
			continue;
		for (j = 0; j < pair->new.nr_items; j++) {
			item = pair->new.items[j];
			if (item->wanted)
				continue;
			relocs = item_relocs(item, &nr);
			for (k = 0; k < nr; k++) {
				place = unit_place(&pair->new, item->section, &relocs[k]);
				if (place.item == function ||
				    (place.name && function->global &&
				     !strcmp(place.name, function->name)))
					return item;
			}
		}
	}
	return NULL;
}

static void check_signature(struct comparison *comparison, struct pair *pair, struct item *item)
{
	char *old = debug_signature(&pair->old, item->counterpart);
	char *new = debug_signature(&pair->new, item);
	const struct item *caller;

	if (old && new && strcmp(old, new) != 0) {
		caller = stays(comparison, pair, item);
		if (caller)
			found(&comparison->findings, FINDING_SIGNATURE, item->name,
			      "give the new function another name, and leave the old one",
			      "it was '%s' and is '%s', and '%s', which stays, uses it",
			      old, new, caller->name);
	}
	free(old);
	free(new);
}

static bool jumps_back(const struct instruction *instruction)
{
	return (instruction->flow == FLOW_JUMP || instruction->flow == FLOW_BRANCH) &&
	       instruction->destination >= 0 && instruction->destination <= instruction->offset;
}

/*
 * The largest loop of a function: false if it has none. Compilers put what is rarely run behind the
 * loop; it jumps back into it.
 */
static bool find_loop(const struct item *item, uint64_t *start, uint64_t *end)
{
	const struct instruction *instruction;
	bool any = false;
	uint64_t to;
	size_t i;

	for (i = 0; i < item->nr_instructions; i++) {
		instruction = &item->instructions[i];
		if (!jumps_back(instruction))
			continue;
		to = (uint64_t)instruction->destination;
		if (!any || instruction->offset - to > *end - *start) {
			*start = to;
			*end = instruction->offset;
		}
		any = true;
	}
	for (i = 0; any && i < item->nr_instructions; i++) {
		instruction = &item->instructions[i];
		if (instruction->offset > *end && jumps_back(instruction) &&
		    (uint64_t)instruction->destination >= *start &&
		    (uint64_t)instruction->destination <= *end)
			*end = instruction->offset;
	}
	return any;
}

/* Is it a function of the program's, which could be changed, and not a library's? */
static bool is_own(const struct comparison *comparison, const struct place *place)
{
	size_t i;

	if (place->item)
		return true;
	for (i = 0; i < comparison->nr; i++) {
		if (item_by_name(&comparison->pairs[i].old, place->name))
			return true;
	}
	return false;
}

/* What a loop calls: "'read_event', 'handle_event'"; only what is the program's own, if @own. */
static char *list_calls(const struct comparison *comparison, const struct unit *unit,
			const struct item *item, uint64_t start, uint64_t end, bool own)
{
	const struct instruction *instruction;
	char *list = text("%s", ""), *longer, *quoted;
	const Elf64_Rela *relocs;
	struct place place;
	const char *name;
	size_t i, nr, calls = 0;

	relocs = item_relocs(item, &nr);
	for (i = 0; i < nr && calls < CALLS_MAX; i++) {
		if (relocs[i].r_offset < item->offset + start ||
		    relocs[i].r_offset > item->offset + end)
			continue;
		instruction = instruction_at(item->instructions, item->nr_instructions,
					     relocs[i].r_offset - item->offset);
		place = unit_place(unit, item->section, &relocs[i]);
		name = place.item ? place.item->name : place.name;
		if (!instruction || instruction->flow != FLOW_CALL || !name ||
		    (own && !is_own(comparison, &place)))
			continue;
		quoted = text("'%s'", name);
		if (!strstr(list, quoted)) {
			longer = text("%s%s%s", list, calls++ ? ", " : "", quoted);
			free(list);
			list = longer;
		}
		free(quoted);
	}
	return list;
}

static bool returns(const struct item *item)
{
	const struct instruction *instruction;
	size_t i;

	for (i = 0; i < item->nr_instructions; i++) {
		instruction = &item->instructions[i];
		if (instruction->flow == FLOW_RETURN || instruction->flow == FLOW_INDIRECT)
			return true;
		/* A tail call, or on in its other piece. */
		if (instruction->flow == FLOW_JUMP &&
		    (instruction->destination < 0 ||
		     instruction->destination >= (int64_t)item->size))
			return true;
		/* Jumps of the object to others have no destination yet. */
		if (instruction->flow == FLOW_JUMP && instruction->size == 5 &&
		    instruction->destination == instruction->offset + 5)
			return true;
	}
	return false;
}

/* Does @code take the address of @function, other than to call it? */
static bool takes_address(const struct unit *unit, const struct item *code,
			  const struct item *function)
{
	const struct instruction *instruction;
	const Elf64_Rela *relocs;
	size_t i, nr;

	relocs = item_relocs(code, &nr);
	for (i = 0; i < nr; i++) {
		if (unit_place(unit, code->section, &relocs[i]).item != function)
			continue;
		instruction = instruction_at(code->instructions, code->nr_instructions,
					     relocs[i].r_offset - code->offset);
		if (!instruction || instruction->flow == FLOW_NEXT)
			return true;
	}
	return false;
}

/* Is its address given to what starts threads? */
static bool starts_thread(const struct unit *unit, const struct item *item)
{
	static const char *const names[] = { "pthread_create", "thrd_create", "g_thread_new",
					     "uv_thread_create" };
	const Elf64_Rela *relocs;
	struct place place;
	size_t i, j, k, nr;

	for (i = 0; i < item->nr_referrers; i++) {
		if (!takes_address(unit, item->referrers[i], item))
			continue;
		relocs = item_relocs(item->referrers[i], &nr);
		for (j = 0; j < nr; j++) {
			place = unit_place(unit, item->referrers[i]->section, &relocs[j]);
			for (k = 0; place.name && k < sizeof(names) / sizeof(*names); k++) {
				if (!strcmp(place.name, names[k]))
					return true;
			}
		}
	}
	return false;
}

static void check_quiescence(struct comparison *comparison, struct pair *pair, struct item *item)
{
	uint64_t start = 0, end = 0;
	const char *reason = NULL;
	const char *in_loop;
	char *calls, *way_out;
	int own;

	/* The old code is what threads are in. */
	item = item->counterpart;
	if (!strcmp(item->name, "main"))
		reason = "the main thread is in it until the program ends";
	else if (!find_loop(item, &start, &end))
		return;
	else if (!returns(item))
		reason = "it never returns: the thread that calls it is in it for ever";
	else if (starts_thread(&pair->old, item))
		reason = "it is what a thread runs from its start on, in a loop";
	if (!reason)
		return;
	calls = text("%s", "");
	for (own = 1; end && own >= 0 && !*calls; own--) {
		free(calls);
		calls = list_calls(comparison, &pair->old, item, start, end, own);
	}
	in_loop = *calls ? ", in its loop: " : "";
	way_out = text("change a function that it calls instead%s%s; with --allow quiescence the "
		       "apply waits until no thread is in it", in_loop, calls);
	found(&comparison->findings, FINDING_QUIESCENCE, item->name, way_out, "%s", reason);
	free(calls);
	free(way_out);
}

/*
 * In a section of several variables a place tells which one is meant only if it is within it: the end
 * of one, to which loops count, is the start of the next.
 */
static void check_shared(struct comparison *comparison, const struct pair *pair,
			 const struct item *item)
{
	const Elf64_Rela *relocs;
	struct place place;
	size_t i, nr;

	relocs = item_relocs(item, &nr);
	for (i = 0; i < nr && item->kind != ITEM_NAMELESS; i++) {
		place = unit_place(&pair->new, item->section, &relocs[i]);
		if (pair->new.symbols[ELF64_R_SYM(relocs[i].r_info)].type != STT_SECTION ||
		    !place.section || is_code(place.section) || place.section->nr_items < 2)
			continue;
		found(&comparison->findings, FINDING_FILE, pair->new.path,
		      "build both with -ffunction-sections -fdata-sections",
		      "'%s' uses the section %s, which several variables share", item->name,
		      place.section->name);
		return;
	}
}

static void check_unclear(struct comparison *comparison, struct pair *pair)
{
	struct item *item;
	size_t i;

	for (i = 0; i < pair->new.nr_items; i++) {
		item = pair->new.items[i];
		if (item->wanted && item->chooser)
			found(&comparison->findings, FINDING_ASSEMBLY, item->name,
			      "choose in a plain function what to call",
			      "it is an indirect function: nothing in the program would choose again");
		if (item->wanted)
			check_shared(comparison, pair, item);
		if (item->replaced && match_renumbered(pair, item))
			found(&comparison->findings, FINDING_AMBIGUOUS, item->name,
			      "put what is new into a function of its own, or behind the others",
			      "its function has more or fewer closures than before, and which of the old "
			      "ones it is cannot be told");
		if (item->wanted && match_unclear(pair, item))
			found(&comparison->findings, FINDING_AMBIGUOUS, item->name,
			      "give the static variables of this function names of their own",
			      "there are several static variables of this name, and which of the "
			      "old ones it is cannot be told");
	}
}

void check_replaced(struct comparison *comparison)
{
	struct pair *pair;
	size_t i, j;

	for (i = 0; i < comparison->nr; i++) {
		pair = &comparison->pairs[i];
		check_unclear(comparison, pair);
		for (j = 0; j < pair->new.nr_items; j++) {
			if (!pair->new.items[j]->replaced)
				continue;
			check_signature(comparison, pair, pair->new.items[j]);
			check_quiescence(comparison, pair, pair->new.items[j]);
		}
	}
}
