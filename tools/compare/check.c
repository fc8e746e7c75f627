// SPDX-License-Identifier: GPL-2.0
/* What stands in the way of a patch, before it is known what it replaces: see findings.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compare.h"
#include "debug.h"

static const char *place_of(const struct unit *unit)
{
	return *unit->source ? unit->source : unit->path;
}

static bool begins_with(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

static bool touched(const struct pair *pair)
{
	const struct item *item;
	size_t i;

	for (i = 0; i < pair->new.nr_items; i++) {
		item = pair->new.items[i];
		if (item->kind == ITEM_CODE && item->state == STATE_CHANGED)
			return true;
	}
	return false;
}

static void check_sources(struct comparison *comparison, struct pair *pair)
{
	if (*pair->old.source && *pair->new.source &&
	    strcmp(pair->old.source, pair->new.source) != 0)
		found(&comparison->findings, FINDING_FILE, pair->new.path,
		      "give old and new objects in the same order",
		      "it was compiled from %s, and %s, to which it is compared, from %s",
		      pair->new.source, pair->old.path, pair->old.source);
}

/* An option that only says what words mean, where files are, or what to warn of; the next word may belong to it. */
static bool is_no_matter(const char *word, size_t len, bool *next)
{
	static const char *const words[] = { "-D", "-U", "-I", "-isystem", "-iquote", "-idirafter", "-include",
					     "-imacros", "-o", "-MF", "-MT", "-MQ" };
	static const char *const endings[] = { ".c", ".cc", ".cpp", ".cxx", ".C", ".S", ".s" };
	size_t i, size;

	*next = false;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size = strlen(words[i]);
		if (len >= size && !memcmp(word, words[i], size)) {
			*next = len == size;
			return true;
		}
	}
	if (*word == '-')
		return len > 1 && (word[1] == 'M' || (word[1] == 'W' && memcmp(word, "-Wa,", 4)));
	for (i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size = strlen(endings[i]);
		if (len > size && !memcmp(word + len - size, endings[i], size))
			return true;
	}
	return false;
}

/* The next word that matters, and its length; 0 at the end. Spaces within words have a \ in front. */
static size_t next_word(const char **at)
{
	bool next = false, skip = false;
	size_t len;

	for (;; *at += len) {
		*at += strspn(*at, " ");
		for (len = 0; (*at)[len] && (*at)[len] != ' '; len++) {
			if ((*at)[len] == '\\' && (*at)[len + 1])
				len++;
		}
		if (!len)
			return 0;
		if (skip) {
			skip = false;
			continue;
		}
		if (!is_no_matter(*at, len, &next))
			return len;
		skip = next;
	}
}

/* gcc leaves out what does not matter; clang, where it is asked to tell its options, tells all. */
static bool same_producer(const char *old, const char *new)
{
	size_t len, other;

	if (!strstr(old, "clang") || !strstr(new, "clang"))
		return !strcmp(old, new);
	do {
		len = next_word(&old);
		other = next_word(&new);
		if (len != other || memcmp(old, new, len) != 0)
			return false;
		old += len;
		new += len;
	} while (len);
	return true;
}

static void check_compilers(struct comparison *comparison, struct pair *pair)
{
	const char *old = debug_producer(&pair->old), *new = debug_producer(&pair->new);
	struct findings *findings = &comparison->findings;

	if (!pair->old.elf)
		return;
	if (!*old || !*new)
		found(findings, FINDING_FILE, *old ? pair->new.path : pair->old.path,
		      "build both with -g", "it has no debug information, without which types and "
		      "variables cannot be compared");
	else if (!same_producer(old, new))
		found(findings, FINDING_COMPILER, place_of(&pair->new),
		      "build both with the same compiler and options",
		      "the old object was compiled by \"%s\", the new one by \"%s\"", old, new);
}

/* Several functions in one section call each other without a trace in the object. */
static void check_sections(struct comparison *comparison, struct pair *pair)
{
	const struct section *section;
	const struct item *item;
	size_t i, j, nr;

	for (i = 0; i < pair->new.nr_items; i++) {
		item = pair->new.items[i];
		section = item->section;
		for (nr = 0, j = 0; j < section->nr_items; j++)
			nr += section->items[j]->size != 0;
		if (item->kind == ITEM_CODE && nr > 1 &&
		    (item->state == STATE_CHANGED || item->state == STATE_NEW))
			found(&comparison->findings, FINDING_FILE, pair->new.path,
			      "build both with -ffunction-sections -fdata-sections",
			      "'%s' shares the section %s with other functions", item->name,
			      section->name);
		else if (item->kind == ITEM_CODE && item->state == STATE_CHANGED &&
			 !item->nr_instructions)
			found(&comparison->findings, FINDING_ASSEMBLY, item->name,
			      "leave it as it is, or write it in C",
			      "it has something in its code that is none, and has changed");
	}
}

static bool is_vtable(const char *name)
{
	return begins_with(name, "_ZTV") || begins_with(name, "_ZTT") ||
	       begins_with(name, "_ZTC") || begins_with(name, "_ZTI");
}

/* Sections whose meaning is known: what is in others somebody may walk through from end to end. */
static bool is_known(const char *name)
{
	static const char *const known[] = { "__patchable_function_entries", ".text", ".data",
					     ".rodata", ".bss",
					     ".gcc_except_table", ".tdata", ".tbss", ".ldata",
					     ".lbss", ".lrodata" };
	size_t i, len;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		len = strlen(known[i]);
		if (!strncmp(name, known[i], len) && (!name[len] || name[len] == '.'))
			return true;
	}
	return false;
}

static void check_tls(struct comparison *comparison, const struct item *item)
{
	if (item->state == STATE_NEW)
		found(&comparison->findings, FINDING_TLS, item->name,
		      "keep it by thread number in a table, or with pthread_setspecific()",
		      "it is a new thread-local variable, for which threads that run have no room");
	else if (item->counterpart && item->counterpart->kind != ITEM_TLS)
		found(&comparison->findings, FINDING_TLS, item->name, "leave it as it was",
		      "it has become thread-local");
	else if (item->state == STATE_CHANGED)
		found(&comparison->findings, FINDING_TLS, item->name, "leave it as it was",
		      "the thread-local variable %s", item->why);
}

/* A new definition of what exists has no effect: the program goes on with what it has. */
static void check_variable(struct comparison *comparison, const struct pair *pair,
			   const struct item *item)
{
	struct findings *findings = &comparison->findings;
	const struct item *old = item->counterpart;

	if (item->kind == ITEM_TLS || old->kind == ITEM_TLS) {
		check_tls(comparison, item);
	} else if (old->size != item->size && !(item->kind == ITEM_CONST && !item->global)) {
		found(findings, is_vtable(item->name) ? FINDING_VTABLE : FINDING_SIZE, item->name,
		      "leave it as it is, and keep what is new in a variable of its own",
		      "it has %llu bytes, had %llu: the program uses the old one",
		      (unsigned long long)item->size, (unsigned long long)old->size);
	} else if (old->kind != item->kind) {
		found(findings, FINDING_DATA, item->name, "give it another name",
		      "it was %s and is %s now",
		      old->kind == ITEM_CONST ? "a constant" : "a variable",
		      item->kind == ITEM_CONST ? "a constant" : "a variable");
	} else if (is_vtable(item->name)) {
		found(findings, FINDING_VTABLE, item->name,
		      "leave the class's virtual functions as they are",
		      "%s: objects that live use the old one", item->why);
	} else if ((item->kind == ITEM_DATA || item->global) &&
		   leads_into_changed(comparison, item, pair)) {
		found(findings, FINDING_ASSEMBLY, item->name,
		      "make it a static constant, or leave the function as it is",
		      "it holds addresses of places within a function that changes");
	} else if (item->kind == ITEM_DATA || item->global) {
		found(findings, FINDING_DATA, item->name,
		      "set it in the changed function, or say --allow data if the old value may stay",
		      "it begins with another value (%s), but the program has it already",
		      item->why);
	}
}

static void check_items(struct comparison *comparison, struct pair *pair)
{
	struct item *item;
	size_t i;

	for (i = 0; i < pair->new.nr_items; i++) {
		item = pair->new.items[i];
		if (item->kind == ITEM_TLS && !item->counterpart)
			check_tls(comparison, item);
		else if (item->counterpart && item->kind != ITEM_CODE &&
			 item->state == STATE_CHANGED)
			check_variable(comparison, pair, item);
	}
}

/* Sections that are not code, data or the compiler's own must be as they were, relocations and all. */
static bool same_section(struct pair *pair, const struct section *old, const struct section *new)
{
	struct place one, other;
	const char *a, *b;
	size_t i;

	if (!old || old->header.sh_size != new->header.sh_size ||
	    old->nr_relocs != new->nr_relocs || !old->data != !new->data ||
	    (old->data && memcmp(old->data, new->data, new->header.sh_size) != 0))
		return false;
	for (i = 0; i < new->nr_relocs; i++) {
		one = unit_place(&pair->old, old, &old->relocs[i]);
		other = unit_place(&pair->new, new, &new->relocs[i]);
		a = one.item ? one.item->name : one.name ? one.name : "";
		b = other.item ? other.item->name : other.name ? other.name : "";
		if (one.offset != other.offset || !same_base(a, b))
			return false;
	}
	return true;
}

static bool refers_to_changed(struct pair *pair, const struct section *section)
{
	struct place place;
	size_t i;

	for (i = 0; i < section->nr_relocs; i++) {
		place = unit_place(&pair->new, section, &section->relocs[i]);
		if (place.item && place.item->kind == ITEM_CODE &&
		    place.item->state == STATE_CHANGED)
			return true;
	}
	return false;
}

/*
 * The old section of this name that has not been found yet, and is the same if one is: there may be several,
 * one for each group. NULL if there is none.
 */
static const struct section *find_section(struct pair *pair, const struct section *section,
					  bool *taken, bool *same)
{
	const struct section *old, *any = NULL;
	unsigned int i;

	for (i = 1; i < pair->old.nr_sections; i++) {
		old = &pair->old.sections[i];
		if (taken[i] || strcmp(old->name, section->name) != 0)
			continue;
		*same = same_section(pair, old, section);
		any = any && !*same ? any : old;
		if (*same)
			break;
	}
	if (any)
		taken[any->number] = true;
	return any;
}

static bool runs_at_start(const char *name)
{
	return begins_with(name, ".init_array") || begins_with(name, ".fini_array") ||
	       begins_with(name, ".preinit_array") || begins_with(name, ".ctors") ||
	       begins_with(name, ".dtors");
}

static bool is_checked(const struct section *section)
{
	return section->header.sh_flags & SHF_ALLOC && !is_code(section) &&
	       section->header.sh_type != SHT_NOTE && strcmp(section->name, ".eh_frame") &&
	       (runs_at_start(section->name) || !is_known(section->name));
}

static void check_section(struct comparison *comparison, struct pair *pair,
			  const struct section *section, bool same)
{
	struct findings *findings = &comparison->findings;

	if (same && !refers_to_changed(pair, section))
		return;
	if (runs_at_start(section->name))
		found(findings, FINDING_CONSTRUCTOR, place_of(&pair->new),
		      "do it in a changed function when it is first called",
		      "code that runs when the program starts or ends is new or has "
		      "changed (%s): nothing would run it", section->name);
	else
		found(findings, FINDING_ASSEMBLY, place_of(&pair->new),
		      "leave what is in it as it is",
		      "the section %s %s, and what uses it is not known", section->name,
		      same ? "leads to code that changes" : "is new or has changed");
}

static void check_all_sections(struct comparison *comparison, struct pair *pair)
{
	bool *taken = allocate(pair->old.nr_sections, sizeof(*taken)), same;
	const struct section *section;
	unsigned int i;

	for (i = 1; i < pair->new.nr_sections; i++) {
		section = &pair->new.sections[i];
		same = false;
		if (!is_checked(section))
			continue;
		find_section(pair, section, taken, &same);
		check_section(comparison, pair, section, same);
	}
	/* What the old program will run at its end, it will run. */
	for (i = 1; i < pair->old.nr_sections; i++) {
		section = &pair->old.sections[i];
		if (runs_at_start(section->name) && !taken[i])
			found(&comparison->findings, FINDING_CONSTRUCTOR, place_of(&pair->new),
			      "empty the function, and leave it where it is",
			      "code that runs when the program starts or ends is gone (%s): it has run, "
			      "or will", section->name);
	}
	free(taken);
}

static bool has_versioned(const struct unit *unit, const char *name)
{
	unsigned int i;

	for (i = 0; i < unit->nr_symbols; i++) {
		if (!strcmp(unit->symbols[i].name, name))
			return true;
	}
	return false;
}

static void check_versions(struct comparison *comparison, struct pair *pair)
{
	struct unit *units[] = { &pair->old, &pair->new };
	const char *name;
	unsigned int i, j;

	for (j = 0; j < 2; j++) {
		for (i = 0; i < units[j]->nr_symbols; i++) {
			name = units[j]->symbols[i].name;
			if (strchr(name, '@') && !has_versioned(units[!j], name))
				found(&comparison->findings, FINDING_VERSION,
				      place_of(&pair->new), "leave the symbol's version as it is",
				      "the versioned symbol '%s' is %s", name,
				      j ? "new" : "gone");
		}
	}
}

/* An enumeration may have more values behind the old ones. */
static bool same_layout(const struct layout *old, const struct layout *new)
{
	size_t len = strlen(old->text);

	if (begins_with(old->name, "enum ") && len)
		return !strncmp(old->text, new->text, len - 1);
	return !strcmp(old->text, new->text);
}

static void check_layouts(struct comparison *comparison, struct pair *pair)
{
	const struct layout *old, *new;
	size_t nr_old, nr_new, first = 0, i, j;
	bool equal;

	old = debug_layouts(&pair->old, &nr_old);
	new = debug_layouts(&pair->new, &nr_new);
	for (i = 0; i < nr_new; i++) {
		while (first < nr_old && strcmp(old[first].name, new[i].name) < 0)
			first++;
		/* Types of one name in several blocks: each must be there. */
		equal = false;
		for (j = first; j < nr_old && !strcmp(old[j].name, new[i].name); j++)
			equal |= same_layout(&old[j], &new[i]);
		if (j > first && !equal)
			found(&comparison->findings, FINDING_LAYOUT, new[i].name,
			      "keep what is new in a table of its own, or say --allow layout if no "
			      "object of this type lives when the patch is applied",
			      "its layout in %s has changed: objects that live have the old one",
			      place_of(&pair->new));
	}
}

/* New code may count on what the old variable does not have. */
static void check_variables(struct comparison *comparison, struct pair *pair)
{
	struct findings *findings = &comparison->findings;
	const struct item *new, *old;
	char *was, *is;
	size_t i;

	for (i = 0; i < pair->new.nr_items; i++) {
		new = pair->new.items[i];
		old = new->counterpart;
		if (!old || new->kind == ITEM_CODE || (new->kind == ITEM_CONST && !new->global))
			continue;
		if (item_alignment(new) > item_alignment(old))
			found(findings, FINDING_SIZE, new->name, "leave its alignment as it is",
			      "it is aligned to %llu bytes, was to %llu: the program uses the old one",
			      (unsigned long long)item_alignment(new),
			      (unsigned long long)item_alignment(old));
		was = debug_type(&pair->old, old);
		is = debug_type(&pair->new, new);
		if (was && is && strcmp(was, is) != 0)
			found(findings, FINDING_LAYOUT, new->name,
			      "keep what is new in a variable of its own, or say --allow layout if what "
			      "the old one holds means the same",
			      "its type in %s has changed: the program has the old one",
			      place_of(&pair->new));
		free(was);
		free(is);
	}
}

/* The old program's name goes on meaning what it means there. */
static void check_names(struct comparison *comparison, struct pair *pair)
{
	const struct symbol *symbol;
	struct item *old, *new;
	unsigned int i;

	for (i = 0; i < pair->new.nr_symbols; i++) {
		symbol = &pair->new.symbols[i];
		if (symbol->bind == STB_LOCAL || !symbol->section ||
		    symbol->section >= pair->new.nr_sections)
			continue;
		new = section_item(&pair->new.sections[symbol->section], symbol->value);
		if (!new || new->offset != symbol->value || !strcmp(new->name, symbol->name))
			continue;
		old = item_by_name(&pair->old, symbol->name);
		if (old && old->counterpart != new)
			found(&comparison->findings, FINDING_ASSEMBLY, symbol->name,
			      "make it a function that calls what it is to mean",
			      "it is another name of '%s' now, and was one of '%s': the program goes on "
			      "with that", new->name, old->name);
	}
}

/* Variables of -fcommon get their place when they are linked. */
static void check_common(struct comparison *comparison, struct pair *pair)
{
	const struct symbol *symbol, *old;
	unsigned int i, j;

	for (i = 0; i < pair->new.nr_symbols; i++) {
		symbol = &pair->new.symbols[i];
		if (symbol->section != SHN_COMMON)
			continue;
		for (j = 0; j < pair->old.nr_symbols; j++) {
			old = &pair->old.symbols[j];
			if (old->bind != STB_LOCAL && !strcmp(old->name, symbol->name))
				break;
		}
		if (j == pair->old.nr_symbols)
			found(&comparison->findings, FINDING_FILE, pair->new.path,
			      "build both with -fno-common",
			      "'%s' is a new common variable, which no patch can define",
			      symbol->name);
		else if (old->section && old->size != symbol->size)
			found(&comparison->findings, FINDING_SIZE, symbol->name,
			      "leave it as it is, and keep what is new in a variable of its own",
			      "it has %llu bytes, had %llu: the program uses the old one",
			      (unsigned long long)symbol->size, (unsigned long long)old->size);
	}
}

void check_pair(struct comparison *comparison, struct pair *pair)
{
	check_sources(comparison, pair);
	check_items(comparison, pair);
	check_all_sections(comparison, pair);
	check_versions(comparison, pair);
	check_names(comparison, pair);
	if (!touched(pair))
		return;
	check_compilers(comparison, pair);
	check_sections(comparison, pair);
	check_layouts(comparison, pair);
	check_variables(comparison, pair);
	check_common(comparison, pair);
}
