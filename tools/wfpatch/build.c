// SPDX-License-Identifier: GPL-2.0
/* Comparing old and new objects, and making a patch of the difference: see ../compare/compare.h. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../compare/compare.h"
#include "../compare/rebuilt.h"
#include "source.h"
#include "symbols.h"
#include "tool.h"

/* --- what was found out ------------------------------------------------------------------------- */

static bool is_shown(const struct item *item)
{
	return item->kind != ITEM_NAMELESS && item->kind != ITEM_MERGED && !item->part_of &&
	       (item->wanted || (item->kind == ITEM_CODE && item->state == STATE_LINES));
}

static const char *kind_name(const struct item *item)
{
	switch (item->kind) {
	case ITEM_CODE:
		return "function";
	case ITEM_CONST:
		return "constant";
	default:
		return "variable";
	}
}

static const char *what_becomes(const struct item *item)
{
	if (!item->wanted)
		return "left out";
	return item->replaced ? "replaced" : "new";
}

/* What an item refers to, each once. */
static json_t *references(const struct pair *pair, const struct item *item)
{
	json_t *list = json_array(), *seen = json_object();
	const Elf64_Rela *relocs;
	struct place place;
	const char *name;
	size_t i, nr;

	relocs = item_relocs(item, &nr);
	for (i = 0; i < nr; i++) {
		place = unit_place(&pair->new, item->section, &relocs[i]);
		name = place.name;
		if (place.item && place.item->kind != ITEM_NAMELESS &&
		    place.item->kind != ITEM_MERGED && place.item != item &&
		    place.item->part_of != item)
			name = place.item->name;
		if (!name || !*name || json_object_get(seen, name))
			continue;
		json_object_set_new(seen, name, json_true());
		json_array_append_new(list, json_text(name));
	}
	json_decref(seen);
	return list;
}

static json_t *json_item(const struct pair *pair, const struct item *item)
{
	json_t *value = json_object();

	json_object_set_new(value, "name", json_text(item->name));
	json_object_set_new(value, "file", json_text(pair->new.source));
	json_object_set_new(value, "kind", json_string(kind_name(item)));
	json_object_set_new(value, "what", json_string(what_becomes(item)));
	if (item->counterpart) {
		json_object_set_new(value, "old_name", json_text(item->counterpart->name));
		json_object_set_new(value, "old_size",
				    json_integer((json_int_t)item->counterpart->size));
	}
	json_object_set_new(value, "new_size", json_integer((json_int_t)item->size));
	json_object_set_new(value, "why", json_text(item->why ? item->why : ""));
	json_object_set_new(value, "refers_to", references(pair, item));
	return value;
}

static json_t *json_finding(const struct finding *finding)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:b}", "kind", finding_name(finding->kind), "place",
			 json_text(finding->place), "reason", json_text(finding->reason), "way_out",
			 json_text(finding->way_out), "allowed", finding->allowed);
}

static const char *verdict(const struct comparison *comparison)
{
	if (findings_refused(&comparison->findings))
		return "cannot be patched";
	return compare_replaced(comparison) ? "can be patched" : "nothing to patch";
}

static int show_json(const struct comparison *comparison)
{
	json_t *value = json_object(), *items = json_array(), *findings = json_array();
	const struct pair *pair;
	size_t i, j;

	for (i = 0; i < comparison->nr; i++) {
		pair = &comparison->pairs[i];
		for (j = 0; j < pair->new.nr_items; j++) {
			if (is_shown(pair->new.items[j]))
				json_array_append_new(items, json_item(pair, pair->new.items[j]));
		}
	}
	for (i = 0; i < comparison->findings.nr; i++)
		json_array_append_new(findings, json_finding(&comparison->findings.list[i]));
	json_object_set_new(value, "verdict", json_string(verdict(comparison)));
	json_object_set_new(value, "items", items);
	json_object_set_new(value, "findings", findings);
	return put_json(value);
}

static void show_item(const struct pair *pair, const struct item *item)
{
	char *name = printable(item->name), *why = printable(item->why ? item->why : "");
	char sizes[64];
	json_t *list;
	size_t i;

	if (item->counterpart)
		snprintf(sizes, sizeof(sizes), "%llu -> %llu bytes",
			 (unsigned long long)item->counterpart->size,
			 (unsigned long long)item->size);
	else
		snprintf(sizes, sizeof(sizes), "%llu bytes", (unsigned long long)item->size);
	printf("%-8s  %s %s (%s), %s: %s\n", what_becomes(item), kind_name(item),
	       name ? name : "?", pair->new.source, sizes, why ? why : "");
	free(name);
	free(why);
	list = references(pair, item);
	for (i = 0; item->wanted && i < json_array_size(list); i++)
		printf("%s%s", i ? ", " : "          refers to ",
		       json_string_value(json_array_get(list, i)));
	if (item->wanted && i)
		putchar('\n');
	json_decref(list);
}

static void show_findings(const struct comparison *comparison, FILE *file)
{
	const struct finding *finding;
	char *line, *whole;
	size_t i;

	for (i = 0; i < comparison->findings.nr; i++) {
		finding = &comparison->findings.list[i];
		whole = text("%s: %s: %s [%s]; %s", finding->allowed ? "allowed" : "refused",
			     finding->place, finding->reason, finding_name(finding->kind),
			     finding->way_out);
		line = printable(whole);
		fprintf(file, "%s\n", line ? line : whole);
		free(line);
		free(whole);
	}
}

static void show(const struct comparison *comparison)
{
	const struct pair *pair;
	size_t i, j;

	for (i = 0; i < comparison->nr; i++) {
		pair = &comparison->pairs[i];
		for (j = 0; j < pair->new.nr_items; j++) {
			if (is_shown(pair->new.items[j]))
				show_item(pair, pair->new.items[j]);
		}
	}
	show_findings(comparison, stdout);
	printf("%s\n", verdict(comparison));
}

/* --- comparing ---------------------------------------------------------------------------------- */

static int take_allowed(struct comparison *comparison, const struct options *o)
{
	unsigned int i;
	int kind;

	for (i = 0; i < o->allow.nr; i++) {
		kind = finding_kind(o->allow.list[i]);
		if (kind < 0)
			return complain(STATUS_USAGE, "nothing is refused as '%s': see wfpatch(8)",
					o->allow.list[i]);
		if (!finding_may_be_allowed(kind))
			return complain(STATUS_USAGE, "'%s' cannot be allowed: see wfpatch(8)",
					o->allow.list[i]);
		comparison->findings.allowed |= 1U << kind;
	}
	return STATUS_DONE;
}

/* The objects that are given, or are built. */
static int take_objects(struct objects *objects, const struct options *o)
{
	if (!!o->source + !!o->debian + (o->old.nr || o->new.nr) > 1)
		return complain(STATUS_USAGE,
				"give a source tree, a Debian package, or objects, and one of "
				"these only");
	if (o->debian)
		return debian_build(o, objects);
	if (o->source)
		return source_build(o, objects);
	if (!o->old.nr || !o->new.nr)
		return complain(STATUS_USAGE,
				"what has changed? give --source DIR --diff FILE --make COMMAND, "
				"--debian PACKAGE --diff FILE, or --old OBJECT... --new OBJECT...");
	if (o->old.nr != o->new.nr)
		return complain(STATUS_USAGE, "%u old objects and %u new ones: give each its other",
				o->old.nr, o->new.nr);
	objects->nr = o->old.nr;
	objects->old = allocate(objects->nr, sizeof(*objects->old));
	objects->new = allocate(objects->nr, sizeof(*objects->new));
	memcpy(objects->old, o->old.list, objects->nr * sizeof(*objects->old));
	memcpy(objects->new, o->new.list, objects->nr * sizeof(*objects->new));
	if (o->binary || o->target)
		objects->target = text("%s", o->binary ? o->binary : o->target);
	return STATUS_DONE;
}

/* An exit status; compare_close() and objects_free() in any case. */
static int compare_options(struct comparison *comparison, struct objects *objects,
			   const struct options *o)
{
	int status;

	memset(comparison, 0, sizeof(*comparison));
	memset(objects, 0, sizeof(*objects));
	comparison->keep_lines = o->keep_lines;
	status = take_allowed(comparison, o);
	if (!status)
		status = take_objects(objects, o);
	if (status)
		return status;
	if (compare(comparison, objects->old, objects->new, objects->nr) &&
	    !findings_refused(&comparison->findings))
		return complain(STATUS_SYSTEM, "the objects cannot be compared");
	return STATUS_DONE;
}

static int status_of_comparison(const struct comparison *comparison)
{
	if (findings_refused(&comparison->findings))
		return STATUS_REFUSED;
	return compare_replaced(comparison) ? STATUS_DONE : STATUS_UNCHANGED;
}

int cmd_diff(const struct options *o)
{
	struct comparison comparison;
	struct objects objects;
	int status, shown = STATUS_DONE;

	status = compare_options(&comparison, &objects, o);
	if (!status) {
		if (o->json)
			shown = show_json(&comparison);
		else
			show(&comparison);
		status = shown ? shown : status_of_comparison(&comparison);
	}
	compare_close(&comparison);
	objects_free(&objects);
	return status;
}

/* --- making a patch ----------------------------------------------------------------------------- */

/* "file.c:old=new", for each function that is replaced. */
static const char **list_replaced(const struct comparison *comparison, unsigned int *nr)
{
	const char **list = NULL;
	const struct pair *pair;
	const struct item *item;
	size_t i, j;
	char *name;

	*nr = 0;
	for (i = 0; i < comparison->nr; i++) {
		pair = &comparison->pairs[i];
		for (j = 0; j < pair->new.nr_items; j++) {
			item = pair->new.items[j];
			if (!item->replaced || (item->weak && !item->wanted))
				continue;
			name = emitted_name(pair, item);
			list = enlarge(list, *nr + 1UL, sizeof(*list));
			if (item->counterpart->global)
				list[(*nr)++] = text("%s=%s", item->counterpart->name, name);
			else
				list[(*nr)++] = text("%s:%s=%s", pair->old.source,
						     item->counterpart->name, name);
			free(name);
		}
	}
	return list;
}

/* The old function must be that of the target, or the patch would be for another program. */
static void check_function(struct comparison *comparison, const char *target,
			   const struct wf_symbols *symbols, const struct wf_symbol *symbol,
			   const struct item *old)
{
	const struct wf_symbol *next = wf_symbols_in_jump(symbols, symbol);

	if (symbol->size != old->size)
		found(&comparison->findings, FINDING_TARGET, old->name,
		      "give the objects that the target was linked from, built with its compiler "
		      "and options",
		      "it has %llu bytes in the old object and %llu in %s",
		      (unsigned long long)old->size, (unsigned long long)symbol->size, target);
	else if (next)
		found(&comparison->findings, FINDING_SHORT, old->name,
		      "change those that call it instead",
		      "it has %llu bytes, too few for the jump to its new code, and '%s' follows",
		      (unsigned long long)old->size, next->name);
}

static int check_target(struct comparison *comparison, const struct objects *objects)
{
	const char *target = objects->target;
	char line[512] = "";
	struct wf_error error = { line, sizeof(line) };
	struct wf_symbols symbols;
	const struct wf_symbol *symbol;
	const struct pair *pair;
	const struct item *old;
	size_t i, j;
	char *name;
	int err;

	err = wf_symbols_open(&symbols, target, target, "", objects->debug, &error);
	if (err)
		return complain(STATUS_USAGE, "%s", *line ? line : strerror(-err));
	for (i = 0; i < comparison->nr; i++) {
		pair = &comparison->pairs[i];
		for (j = 0; j < pair->new.nr_items; j++) {
			if (!pair->new.items[j]->replaced)
				continue;
			old = pair->new.items[j]->counterpart;
			name = old->global ? text("%s", old->name)
					   : text("%s:%s", pair->old.source, old->name);
			if (!wf_symbols_find(&symbols, name, true, &symbol))
				check_function(comparison, target, &symbols, symbol, old);
			free(name);
		}
	}
	wf_symbols_close(&symbols);
	return STATUS_DONE;
}

static int pack(const struct comparison *comparison, const struct options *o,
		const struct objects *objects, const char *object)
{
	char line[512] = "";
	unsigned int i;
	struct wfpatch_pack_opts opts = {
		.sz = sizeof(opts),
		.hook_points = o->hook_points.list,
		.nr_hook_points = o->hook_points.nr,
		.object = object,
		.target = objects->target,
		.debug = objects->debug,
		.name = o->name,
		.version = o->version,
		.description = o->description,
		.author = o->author,
		.cves = o->cves.list,
		.nr_cves = o->cves.nr,
		.replaces = o->replaces.list,
		.nr_replaces = o->replaces.nr,
		/* Who calls which variant was compared. */
		.flags = WFPATCH_PACK_LEAVE_VARIANTS,
		.output = o->output,
	};
	int err;

	opts.replace = list_replaced(comparison, &opts.nr_replace);
	err = wfpatch_pack(&opts, line, sizeof(line));
	for (i = 0; i < opts.nr_replace; i++)
		free((void *)opts.replace[i]);
	free((void *)opts.replace);
	if (!err)
		return STATUS_DONE;
	return complain(err == -ENOEXEC || err == -ENOTUNIQ || err == -ENOENT || err == -EEXIST ?
			STATUS_REFUSED : STATUS_USAGE, "%s", *line ? line : strerror(-err));
}

static int make(struct comparison *comparison, const struct options *o,
		const struct objects *objects)
{
	char object[PATH_MAX];
	int fd, status;

	status = check_target(comparison, objects);
	if (status || findings_refused(&comparison->findings))
		return status ? status : STATUS_REFUSED;
	if ((size_t)snprintf(object, sizeof(object), "%s.XXXXXX.o", o->output) >= sizeof(object))
		return complain(STATUS_USAGE, "the name %s is too long", o->output);
	fd = mkstemps(object, 2);
	if (fd < 0)
		return complain(STATUS_USAGE, "cannot make %s: %s", object, strerror(errno));
	close(fd);
	status = emit(comparison, object) ? STATUS_REFUSED : pack(comparison, o, objects, object);
	unlink(object);
	return status;
}

/*
 * What was built once more may have another build-id and the same code: then its symbols fit. *@copy
 * is such a file with the build-id of what runs, to be removed.
 */
static int take_debug(const struct options *o, struct objects *objects, char **copy)
{
	enum rebuilt result;
	char *why;
	int fd, err;

	if (objects->debug || !o->debug)
		return STATUS_DONE;
	objects->debug = text("%s", o->debug);
	result = rebuilt_compare(objects->target, o->debug, &why);
	free(why);
	if (result != REBUILT_SAME_CODE)
		return STATUS_DONE;
	*copy = text("%s.XXXXXX.debug", o->output);
	fd = mkstemps(*copy, 6);
	if (fd < 0) {
		err = -errno;
	} else {
		close(fd);
		err = rebuilt_copy(objects->target, o->debug, *copy);
	}
	if (err)
		return complain(STATUS_SYSTEM, "cannot write %s: %s", *copy, strerror(-err));
	free(objects->debug);
	objects->debug = text("%s", *copy);
	if (!o->quiet)
		fprintf(stderr, "wfpatch: %s has the code of %s, section by section, and another "
			"build-id\n", o->debug, objects->target);
	return STATUS_DONE;
}

int cmd_build(const struct options *o)
{
	struct comparison comparison;
	struct objects objects;
	char *copy = NULL;
	int status;

	if (!o->target && !o->debian)
		return complain(STATUS_USAGE,
				"which program or library is it for? give --target FILE");
	if (!o->output)
		return complain(STATUS_USAGE, "where to? give --output FILE");
	status = compare_options(&comparison, &objects, o);
	if (!status)
		status = status_of_comparison(&comparison);
	if (!status)
		status = take_debug(o, &objects, &copy);
	if (!status)
		status = make(&comparison, o, &objects);
	if (copy)
		unlink(copy);
	free(copy);
	if (o->json && comparison.pairs) {
		int shown = show_json(&comparison);

		status = status ? status : shown;
	} else if (findings_refused(&comparison.findings)) {
		show_findings(&comparison, stderr);
	} else if (status == STATUS_UNCHANGED) {
		complain(status, "nothing to patch: %zu functions differ in numbers of lines, none "
			 "in what it does", compare_lines_only(&comparison));
	} else if (!status && !o->quiet) {
		show(&comparison);
	}
	compare_close(&comparison);
	objects_free(&objects);
	return status;
}
