// SPDX-License-Identifier: GPL-2.0
/* What is applied: in one process in detail, or where in the system at all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "applied.h"
#include "header.h"
#include "tool.h"

/* Where a function leads now. */
static const char *function_state(const struct wf_applied *patch, unsigned int function,
				  const struct wf_applied_list *list, const char **by)
{
	unsigned int i;

	*by = NULL;
	for (i = 0; i < patch->nr_writes; i++) {
		if (patch->function[i] != function)
			continue;
		if (patch->active[i])
			return "active";
		if (patch->covered[i] >= 0) {
			*by = list->patches[patch->covered[i]].pub.info.name;
			return "taken over";
		}
	}
	return "not in use";
}

static const char *patch_state(const struct wf_applied *patch)
{
	if (patch->pub.active == patch->pub.info.nr_functions)
		return "active";
	if (patch->pub.active)
		return "partly active";
	return wf_applied_unused(patch) ? "not in use" : "taken over";
}

/* What has become of a hook. */
static const char *hook_state(const struct wfpatch_applied *patch, unsigned int hook)
{
	switch (patch->hook_state[hook]) {
	case WFPATCH_HOOK_NOT_RUN:
		return "not run";
	case WFPATCH_HOOK_RUNNING:
		return "running";
	case WFPATCH_HOOK_DONE:
		return "done";
	}
	return "unknown";
}

static json_t *json_hook(const struct wfpatch_applied *patch, unsigned int hook)
{
	return json_pack("{s:o, s:s, s:i}", "function", json_text(patch->info.hooks[hook]), "state",
			 hook_state(patch, hook), "result", patch->hook_result[hook]);
}

static json_t *json_patch(pid_t pid, const struct wf_applied *patch,
			  const struct wf_applied_list *list)
{
	struct wf_extent extent = wf_applied_extent(patch);
	json_t *value = json_info(&patch->pub.info), *function;
	const char *state, *by;
	unsigned int i;
	uint64_t where;

	json_object_set_new(value, "sequence", json_integer((json_int_t)patch->pub.sequence));
	json_object_set_new(value, "start", json_hex(patch->pub.start));
	json_object_set_new(value, "end", json_hex(patch->pub.end));
	json_object_set_new(value, "state", json_string(patch_state(patch)));
	json_object_set_new(value, "active", json_integer(patch->pub.active));
	for (i = 0; i < patch->pub.info.nr_functions; i++) {
		function = json_array_get(json_object_get(value, "functions"), i);
		state = function_state(patch, i, list, &by);
		json_object_set_new(function, "state", json_string(state));
		if (by)
			json_object_set_new(function, "by", json_text(by));
	}
	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (patch->pub.info.hooks[i])
			json_object_set_new(json_object_get(value, "hooks"), hook_name(i),
					    json_hook(&patch->pub, i));
	}
	if (wf_applied_unused(patch) &&
	    wf_points_into(wf_reader(pid), &extent, &where) == 1)
		json_object_set_new(value, "kept_by", json_hex(where));
	return value;
}

/* Why the memory of a patch that is not in use is still there. */
static void put_unused(pid_t pid, const struct wf_applied *patch)
{
	struct wf_extent extent = wf_applied_extent(patch);
	uint64_t where;
	int found = wf_points_into(wf_reader(pid), &extent, &where);

	if (found > 0)
		printf("             reverted, kept because the word at %#llx points to it\n",
		       (unsigned long long)where);
	else if (!found)
		printf("             being applied or reverted now, or left behind: 'wfpatch revert' unmaps it\n");
}

static void put_patch(pid_t pid, const struct wf_applied *patch, const struct wf_applied_list *list)
{
	const struct wfpatch_patch_info *info = &patch->pub.info;
	char *name, *version, *function, *other;
	const char *state, *by;
	unsigned int i;

	name = printable(info->name);
	version = printable(info->version);
	if (name && version)
		printf("%4llu  %s%s%s  %s, %u of %u functions  %.12s  %#llx-%#llx\n",
		       (unsigned long long)patch->pub.sequence, name, *version ? " " : "", version,
		       patch_state(patch), patch->pub.active, info->nr_functions, info->id,
		       (unsigned long long)patch->pub.start, (unsigned long long)patch->pub.end);
	free(name);
	free(version);
	for (i = 0; i < info->nr_functions; i++) {
		state = function_state(patch, i, list, &by);
		function = printable(info->functions[i].name);
		other = printable(by ? by : "");
		if (function && other)
			printf("             %s: %s%s%s\n", function, state, by ? " by " : "",
			       other);
		free(function);
		free(other);
	}
	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (info->hooks[i])
			printf("             %s hook: %s, result %d\n", hook_name(i),
			       hook_state(&patch->pub, i), patch->pub.hook_result[i]);
	}
	if (wf_applied_unused(patch))
		put_unused(pid, patch);
}

/* One process. With JSON into @array, else onto standard output. */
static int put_process(pid_t pid, json_t *array)
{
	struct wf_applied_list list;
	char line[512] = "", name[32], *clean;
	json_t *entry, *patches;
	unsigned int i;
	int err;

	err = wf_applied_read(wf_reader(pid), &list, line, sizeof(line));
	if (err)
		return complain(status_of(err, true), "%s", *line ? line : strerror(-err));
	process_name(pid, name, sizeof(name));
	if (array) {
		entry = json_object();
		patches = json_array();
		for (i = 0; i < list.nr; i++)
			json_array_append_new(patches, json_patch(pid, &list.patches[i], &list));
		json_object_set_new(entry, "pid", json_integer(pid));
		json_object_set_new(entry, "name", json_text(name));
		json_object_set_new(entry, "patches", patches);
		json_array_append_new(array, entry);
	} else {
		clean = printable(name);
		printf("%d (%s): %u patch%s\n", pid, clean ? clean : "?", list.nr,
		       list.nr == 1 ? "" : "es");
		free(clean);
		for (i = 0; i < list.nr; i++)
			put_patch(pid, &list.patches[i], &list);
	}
	wf_applied_drop(&list);
	return STATUS_DONE;
}

static int status_once(const struct options *o)
{
	json_t *array = o->json ? json_array() : NULL;
	int status = STATUS_DONE, one;
	unsigned int i;

	for (i = 0; i < o->nr_pids; i++) {
		one = put_process(o->pids[i], array);
		if (!status)
			status = one;
	}
	if (o->json && put_json(array))
		status = STATUS_SYSTEM;
	return status;
}

static void put_row(pid_t pid, const struct wfpatch_applied *list, unsigned int nr, json_t *array)
{
	char name[32], *clean, *patch;
	json_t *entry, *patches;
	unsigned int i;

	process_name(pid, name, sizeof(name));
	if (array) {
		entry = json_object();
		patches = json_array();
		for (i = 0; i < nr; i++)
			json_array_append_new(patches,
					      json_pack("{s:o, s:o, s:I, s:i, s:i}", "name",
							json_text(list[i].info.name), "id",
							json_text(list[i].info.id), "sequence",
							(json_int_t)list[i].sequence, "active",
							(int)list[i].active, "functions",
							(int)list[i].info.nr_functions));
		json_object_set_new(entry, "pid", json_integer(pid));
		json_object_set_new(entry, "name", json_text(name));
		json_object_set_new(entry, "patches", patches);
		json_array_append_new(array, entry);
		return;
	}
	clean = printable(name);
	printf("%7d  %-16s", pid, clean ? clean : "?");
	free(clean);
	for (i = 0; i < nr; i++) {
		patch = printable(list[i].info.name);
		printf(" %s", patch ? patch : "?");
		if (list[i].active < list[i].info.nr_functions)
			printf("(%u/%u)", list[i].active, list[i].info.nr_functions);
		free(patch);
	}
	putchar('\n');
}

static int list_once(const struct options *o)
{
	unsigned int all, nr, i, unread = 0, rows = 0;
	json_t *array = o->json ? json_array() : NULL;
	struct wfpatch_applied *list;
	pid_t *pids;
	int err;

	err = process_list(&pids, &all);
	if (err) {
		json_decref(array);
		return complain(STATUS_SYSTEM, "cannot look at the processes: %s", strerror(-err));
	}
	for (i = 0; i < all; i++) {
		err = wfpatch_applied(pids[i], &list, &nr, NULL, 0);
		unread += err == -EPERM;
		if (err)
			continue;
		if (nr && !rows++ && !o->json)
			printf("%7s  %-16s %s\n", "PID", "NAME", "PATCHES");
		if (nr)
			put_row(pids[i], list, nr, array);
		wfpatch_applied_free(list, nr);
	}
	free(pids);
	if (o->json)
		return put_json(array);
	if (!rows)
		puts("no process has a patch");
	note_unread(unread);
	return STATUS_DONE;
}

/* Again and again, until a signal comes. */
static int watch(const struct options *o, int (*once)(const struct options *o))
{
	int status;

	if (!o->watch)
		return once(o);
	signals_catch();
	do {
		redraw();
		status = once(o);
	} while (!status && watch_wait());
	return status;
}

int cmd_status(const struct options *o)
{
	if (!o->nr_pids)
		return complain(STATUS_USAGE,
				"which process? give --pid PID; 'wfpatch list' shows those with patches");
	return watch(o, status_once);
}

int cmd_list(const struct options *o)
{
	return watch(o, list_once);
}
