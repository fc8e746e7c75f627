// SPDX-License-Identifier: GPL-2.0
/* apply, check and revert: the same over one process, several, or all that are concerned. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tool.h"

/* What is done to each process. */
enum action { APPLY, CHECK, REVERT };

struct work {
	enum action action;
	const struct options *options;
	struct wfpatch_patch *patch;
	const char *name; /* of the patch, for people */
	const char *id;	  /* what to revert */
	pid_t *pids;
	unsigned int nr;
	unsigned int count[NR_STATUS];
	int status;
	json_t *results;
};

static const char *const done_text[] = {
	[APPLY] = "applied",
	[CHECK] = "would be applied",
	[REVERT] = "reverted",
};

static const char *verb(const struct work *work)
{
	if (work->action == APPLY && work->options->dry_run)
		return "would be applied";
	if (work->action == REVERT && work->options->dry_run)
		return "would be reverted";
	return done_text[work->action];
}

static void put_result(struct work *work, pid_t pid, const char *name, int status, const char *line,
		       const struct progress *progress)
{
	double seconds = (now_ms() - progress->started_ms) / 1000.0;
	char *clean = printable(name);
	json_t *entry;

	if (work->options->json) {
		entry = json_object();
		json_object_set_new(entry, "pid", json_integer(pid));
		json_object_set_new(entry, "name", json_text(name));
		json_object_set_new(entry, "result",
				    json_string(status ? status_name(status) : verb(work)));
		json_object_set_new(entry, "status", json_integer(status));
		json_object_set_new(entry, "seconds", json_real(seconds));
		json_object_set_new(entry, "threads", json_integer(progress->threads));
		json_object_set_new(entry, "error", *line ? json_text(line) : json_null());
		json_array_append_new(work->results, entry);
	} else if (!status && !work->options->quiet) {
		printf("%d (%s): %s %s", pid, clean ? clean : "?", work->name, verb(work));
		if (progress->threads)
			printf(", %u threads in %.2f s", progress->threads, seconds);
		printf("\n");
		fflush(stdout);
	}
	if (status)
		complain(status, "%d (%s): %s", pid, name, *line ? line : status_name(status));
	free(clean);
}

static void one_process(struct work *work, pid_t pid)
{
	const struct options *o = work->options;
	char line[512] = "", name[32];
	struct progress progress;
	struct wfpatch_apply_opts opts = {
		.sz = sizeof(opts),
		.debug = o->debug,
		.on_progress = progress_show,
		.data = &progress,
		.timeout_ms = o->timeout_ms,
		.err = line,
		.err_size = sizeof(line),
	};
	int err, status;

	if (o->dry_run || work->action == CHECK)
		opts.flags |= WFPATCH_APPLY_DRY_RUN;
	if (o->explicit_only)
		opts.flags |= WFPATCH_APPLY_EXPLICIT;
	process_name(pid, name, sizeof(name));
	progress_begin(&progress, pid, name, o);
	if (work->action == REVERT)
		err = wfpatch_revert(pid, work->id, &opts);
	else
		err = wfpatch_apply(pid, work->patch, &opts);
	progress_end(&progress);
	status = status_of(err, work->action == REVERT);
	if (status && !*line)
		snprintf(line, sizeof(line), "%s", strerror(-err));
	put_result(work, pid, name, status, line, &progress);
	work->count[status]++;
	/* That one has the patch already is no failure beside others that get it. */
	if (status && status != STATUS_UNCHANGED && !work->status)
		work->status = status;
}

static void put_summary(const struct work *work)
{
	const char *between = ":";
	unsigned int i;

	if (work->options->quiet || work->options->json)
		return;
	printf("%u processes", work->nr);
	for (i = 0; i < NR_STATUS; i++) {
		if (!work->count[i])
			continue;
		printf("%s %u %s", between, work->count[i], i ? status_name((int)i) : verb(work));
		between = ",";
	}
	putchar('\n');
}

static int run(struct work *work)
{
	unsigned int i;

	signals_catch();
	if (work->options->json)
		work->results = json_array();
	for (i = 0; i < work->nr && !signals_seen(); i++)
		one_process(work, work->pids[i]);
	if (i < work->nr)
		work->status = complain(STATUS_TAKEN_BACK,
					"stopped: %u of %u processes were not tried", work->nr - i,
					work->nr);
	if (!work->status && !work->count[STATUS_DONE])
		work->status = STATUS_UNCHANGED;
	if (work->nr > 1)
		put_summary(work);
	if (work->options->json && put_json(work->results))
		return STATUS_SYSTEM;
	return work->status;
}

/* One of --pid and --all. */
static int check_selection(const struct options *o)
{
	if (o->all && o->nr_pids)
		return complain(STATUS_USAGE,
				"--pid and --all do not go together: give one of them");
	if (!o->all && !o->nr_pids)
		return complain(STATUS_USAGE, "which process? give --pid PID, or --all");
	return 0;
}

static int open_patch(const char *path, struct wfpatch_patch **patch)
{
	char line[512] = "";
	int err = wfpatch_patch_open(patch, path, line, sizeof(line));

	if (err)
		return complain(STATUS_USAGE, "%s", *line ? line : strerror(-err));
	return 0;
}

/* A note about the device, for check: its answer is about the patch and the process. */
static void note_device(void)
{
	char line[256] = "";
	WFPATCH_OPTS(wfpatch_open_opts, opts, .flags = WFPATCH_OPEN_NO_QUIESCE, .message = line,
		     .message_size = sizeof(line));
	struct wfpatch *handle;

	if (wfpatch_open(&handle, &opts))
		complain(0, "note: %s", line);
	else
		wfpatch_close(handle);
}

static int run_patch(struct work *work)
{
	const struct wfpatch_patch_info *info = wfpatch_patch_info(work->patch);
	const struct options *o = work->options;
	unsigned int unread = 0;
	int err;

	work->name = info->name;
	work->id = info->id;
	if (!o->all) {
		work->pids = o->pids;
		work->nr = o->nr_pids;
		return run(work);
	}
	err = process_find(info, &work->pids, &work->nr, &unread);
	if (err)
		return complain(STATUS_SYSTEM, "cannot look at the processes: %s", strerror(-err));
	if (!o->quiet)
		note_unread(unread);
	if (!work->nr)
		err = complain(STATUS_NOT_FOUND,
			       "no process maps %s with the build-id that the patch is for",
			       info->target);
	else
		err = run(work);
	free(work->pids);
	return err;
}

static int with_patch(enum action action, const struct options *o)
{
	struct work work = { .action = action, .options = o };
	int status = check_selection(o);

	if (!status)
		status = open_patch(o->args[0], &work.patch);
	if (status)
		return status;
	if (action == CHECK && !o->quiet)
		note_device();
	status = run_patch(&work);
	wfpatch_patch_close(work.patch);
	return status;
}

int cmd_apply(const struct options *o)
{
	return with_patch(APPLY, o);
}

int cmd_check(const struct options *o)
{
	return with_patch(CHECK, o);
}

/* --- revert ----------------------------------------------------------------------------------- */

static bool has_patch(pid_t pid, const char *id)
{
	struct wfpatch_applied *list;
	unsigned int nr, i;
	bool has = false;

	if (wfpatch_applied(pid, &list, &nr, NULL, 0))
		return false;
	for (i = 0; i < nr; i++)
		has |= !strcmp(list[i].info.id, id) || !strcmp(list[i].info.name, id);
	wfpatch_applied_free(list, nr);
	return has;
}

static int find_patched(struct work *work)
{
	unsigned int all, i, nr = 0;
	int err;

	err = process_list(&work->pids, &all);
	if (err)
		return complain(STATUS_SYSTEM, "cannot look at the processes: %s", strerror(-err));
	for (i = 0; i < all; i++) {
		if (has_patch(work->pids[i], work->id))
			work->pids[nr++] = work->pids[i];
	}
	work->nr = nr;
	if (!nr)
		return complain(STATUS_NOT_FOUND,
				"no process has patch %s: 'wfpatch list' shows which are applied",
				work->name);
	return 0;
}

static bool is_patch_file(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, ".wfp");
}

int cmd_revert(const struct options *o)
{
	struct work work = { .action = REVERT, .options = o };
	int status = check_selection(o);

	if (status)
		return status;
	work.name = work.id = o->args[0];
	/* Where a program lies there may be a file of any name; a patch may be called like it. */
	if (strchr(o->args[0], '/') || is_patch_file(o->args[0])) {
		status = open_patch(o->args[0], &work.patch);
		if (status)
			return status;
		work.name = wfpatch_patch_info(work.patch)->name;
		work.id = wfpatch_patch_info(work.patch)->id;
	}
	if (o->all) {
		status = find_patched(&work);
	} else {
		work.pids = o->pids;
		work.nr = o->nr_pids;
	}
	if (!status)
		status = run(&work);
	if (o->all)
		free(work.pids);
	if (work.patch)
		wfpatch_patch_close(work.patch);
	return status;
}
