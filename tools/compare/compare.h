/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Old and new objects of a program, compared: which functions a patch has to replace, what it has to
 * carry along, and what stands in its way.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include "findings.h"
#include "unit.h"

/* The same source file, before and after. */
struct pair {
	struct unit old, new;
	bool same; /* byte by byte */
};

/**
 * struct comparison - of all objects that something was linked from
 * @keep_lines: a function that differs in numbers of source lines only is replaced, too
 */
struct comparison {
	struct pair *pairs;
	size_t nr;
	bool keep_lines;
	struct findings findings;
};

/*
 * Compare @nr objects with those of the same index; an old one that is NULL was not there. Afterwards each item of the new units has its
 * state, and those of the patch are wanted. 0, or a negative errno if an object cannot be read; what
 * was found is in the findings either way. compare_close() in both cases.
 */
int compare(struct comparison *comparison, const char *const *old, const char *const *new,
	    size_t nr);
void compare_close(struct comparison *comparison);
/* How many functions the patch replaces, and how many differ in line numbers only. */
size_t compare_replaced(const struct comparison *comparison);
size_t compare_lines_only(const struct comparison *comparison);

/* match.c: find counterparts. */
void match(struct pair *pair);
/* Could an old variable be this one, without anything that says which? */
bool match_unclear(const struct pair *pair, struct item *item);
/* Is it the code of a closure of a function that has more or fewer of them now, and counts anew? */
bool match_renumbered(const struct pair *pair, const struct item *item);
/* What bears this name, first or not; NULL. */
struct item *item_by_name(const struct unit *unit, const char *name);

/*
 * same.c: is the item the same as its counterpart? Sets its state, and why. That a constant which it uses
 * differs is left to compare.c.
 */
void same(struct item *old, struct unit *old_unit, struct item *new, struct unit *new_unit);

/* Does it hold addresses of places within (not: of) a function that is replaced? */
bool leads_into_changed(const struct comparison *comparison, const struct item *item,
			const struct pair *pair);

/* What cannot be patched, before (check.c) and after the functions to replace are known (check_replaced.c). */
void check_pair(struct comparison *comparison, struct pair *pair);
void check_replaced(struct comparison *comparison);

/* emit.c: write the relocatable object of the patch. 0 or a negative errno; see the findings. */
int emit(struct comparison *comparison, const char *path);
/* The name of a new item in that object; free it. */
char *emitted_name(const struct pair *pair, const struct item *item);

#endif
