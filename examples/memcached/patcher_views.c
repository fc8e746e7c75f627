// SPDX-License-Identifier: GPL-2.0
/*
 * Brings the workers to a view with the fixed functions, and back, each at its own point. Only the
 * workers have points, and only they run what fixes are for: memcached's other threads stay in the
 * base. This thread goes with the workers, since it waits for them.
 */
#define _GNU_SOURCE
#include "patcher.h"
#include "patcher_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wfpatch.h>

#define MAX_THREADS	512
#define MAX_VIEWS	64
#define WAKE_MS		250

static struct wfpatch *handle;		/* opened by the first command that needs it */
static unsigned int fixed_view;		/* where the workers are, 0: in the base */
static unsigned int spare_view;		/* of "prepare" */

/* A transition as it is told to the client. */
struct progress {
	struct answer *answer;
	unsigned int target;
	unsigned int nr;
	struct wfpatch_thread_info workers[MAX_WORKERS];	/* in the order of their ids */
};

static int fail(struct answer *answer, const char *what, int error)
{
	say(answer, "error: %s: %s\n", what, strerror(-error));
	return -1;
}

static int open_handle(struct answer *answer)
{
	char message[256];
	WFPATCH_OPTS(wfpatch_open_opts, opts, .message = message, .message_size = sizeof(message));

	if (handle || !wfpatch_open(&handle, &opts))
		return 0;
	say(answer, "error: %s\n", message);
	return -1;
}

static int compare_threads(const void *a, const void *b)
{
	const struct wfpatch_thread_info *left = a, *right = b;

	return left->tid < right->tid ? -1 : left->tid > right->tid;
}

/* All threads in the order of their ids; returns how many, or a negative errno. */
static int list_threads(struct wfpatch_thread_info threads[MAX_THREADS])
{
	unsigned int nr;
	int error = wfpatch_list_threads(handle, threads, MAX_THREADS, &nr);

	if (error)
		return error;
	if (nr > MAX_THREADS)
		nr = MAX_THREADS;
	qsort(threads, nr, sizeof(*threads), compare_threads);
	return nr;
}

static void init_progress(struct progress *progress, struct answer *answer, unsigned int target)
{
	struct wfpatch_thread_info threads[MAX_THREADS];
	int nr = list_threads(threads);
	char comm[COMM_MAX];

	progress->answer = answer;
	progress->target = target;
	progress->nr = 0;
	for (int i = 0; i < nr && progress->nr < MAX_WORKERS; i++)
		if (is_worker(threads[i].tid, comm))
			progress->workers[progress->nr++] = threads[i];
}

/* Tells that a thread has come over, and where all workers are now. */
static int on_event(const struct wfpatch_event *event, void *data)
{
	struct progress *progress = data;
	char name[32] = "patcher", map[8 * MAX_WORKERS];
	size_t len = 0;

	if (event->type != WFPATCH_EVENT_MIGRATED || event->view != progress->target)
		return 0;
	for (unsigned int i = 0; i < progress->nr; i++) {
		if (progress->workers[i].tid == event->tid) {
			progress->workers[i].view = event->view;
			snprintf(name, sizeof(name), WORKER_COMM ".%u", i);
		}
		len += snprintf(map + len, sizeof(map) - len, " %u", progress->workers[i].view);
	}
	say(progress->answer, "%+9.2f ms  %-11s goes from view %u to view %u; workers are in%s\n",
	    (now_ns() - progress->answer->start) / 1e6, name, event->previous, event->view, map);
	return 0;
}

/* Asks for @view and waits until all have come who ought to: to the base, that is everybody. */
static int go_to(struct answer *answer, const struct workers *workers, unsigned int view)
{
	struct progress progress;
	WFPATCH_OPTS(wfpatch_wait_opts, opts, .on_event = on_event, .data = &progress,
		     .timeout_ms = WAKE_MS, .nr_threads = view ? workers->nr + 1 : 0);
	uint64_t deadline = now_ns() + DEADLINE_MS * 1000000ULL;
	struct wfpatch_event event;
	int error;

	while (!wfpatch_next_event(handle, &event, 0))
		;	/* of what was before */
	init_progress(&progress, answer, view);
	error = wfpatch_transition(handle, view, 0, NULL, 0);
	if (error)
		return error;
	/* An idle worker that could not come for want of memory tries again when it is woken again. */
	do {
		workers->wake();
		error = wfpatch_wait(handle, view, &opts);
	} while (error == -ETIMEDOUT && now_ns() < deadline);
	return error;
}

static int redirect_all(struct answer *answer, unsigned int view, const struct fix *fix)
{
	char why[256] = "";
	WFPATCH_OPTS(wfpatch_redirect_opts, opts, .err = why, .err_size = sizeof(why));

	for (unsigned int i = 0; i < fix->nr; i++) {
		const struct replacement *replacement = &fix->list[i];
		int error = wfpatch_redirect(handle, view, replacement->old, replacement->new,
					     &opts);

		if (error) {
			say(answer, "error: %s: %s (%s)\n", replacement->name, strerror(-error),
			    why);
			return -1;
		}
		say(answer, "%+9.2f ms  view %u: %s at %p jumps to %p\n",
		    (now_ns() - answer->start) / 1e6, view, replacement->name,
		    (void *)replacement->old, (void *)replacement->new);
	}
	return 0;
}

bool views_busy(void)
{
	return fixed_view;
}

int views_apply(struct answer *answer, const struct workers *workers, const struct fix *fix)
{
	unsigned int view, old = fixed_view;
	int error;

	if (open_handle(answer))
		return -1;
	error = wfpatch_begin(handle, &view);
	if (error)
		return fail(answer, "wfpatch_begin", error);
	if (redirect_all(answer, view, fix)) {
		wfpatch_view_delete(handle, view);
		return -1;
	}
	error = go_to(answer, workers, view);
	if (error) {
		fail(answer, "not all workers have come over, going back", error);
		error = go_to(answer, workers, old);
		if (error)
			fail(answer, "not all have come back", error);
		wfpatch_view_delete(handle, view);
		return -1;
	}
	fixed_view = view;
	if (old)
		wfpatch_view_delete(handle, old);
	return 0;
}

/* Everybody goes to the base, where no code was ever changed. */
int views_undo(struct answer *answer, const struct workers *workers)
{
	int error;

	if (!fixed_view) {
		say(answer, "error: no fix is in a view\n");
		return -1;
	}
	error = go_to(answer, workers, 0);
	if (error)
		return fail(answer, "not all workers have come back", error);
	error = wfpatch_view_delete(handle, fixed_view);
	if (error)
		return fail(answer, "the view cannot be deleted", error);
	fixed_view = 0;
	return 0;
}

int views_threads(struct answer *answer)
{
	struct wfpatch_thread_info threads[MAX_THREADS];
	unsigned int worker = 0;
	char comm[COMM_MAX], name[32];
	int nr;

	if (open_handle(answer))
		return -1;
	nr = list_threads(threads);
	if (nr < 0)
		return fail(answer, "the threads cannot be listed", nr);
	for (int i = 0; i < nr; i++) {
		if (is_worker(threads[i].tid, comm))
			snprintf(name, sizeof(name), "%s.%u", comm, worker++);
		else
			strcpy(name, comm);
		say(answer, "  %6d  %-16s view %u\n", threads[i].tid, name, threads[i].view);
	}
	return 0;
}

int views_list(struct answer *answer)
{
	struct wfpatch_view_info views[MAX_VIEWS];
	unsigned int nr;
	int error;

	if (open_handle(answer))
		return -1;
	error = wfpatch_list_views(handle, views, MAX_VIEWS, &nr);
	if (error)
		return fail(answer, "the views cannot be listed", error);
	for (unsigned int i = 0; i < nr && i < MAX_VIEWS; i++)
		say(answer, "  view %u%s: %u threads, %lu pages of its own\n", views[i].view,
		    views[i].view ? "" : " (the base)", views[i].nr_threads,
		    (unsigned long)views[i].nr_overlays);
	return 0;
}

/*
 * The module arms its hooks in the kernel for the first view of all, and disarms them after the
 * last one: both cost more than a patch. A view that nobody uses keeps them armed.
 */
int views_prepare(struct answer *answer)
{
	int error;

	if (open_handle(answer))
		return -1;
	if (spare_view) {
		say(answer, "error: it was done before\n");
		return -1;
	}
	error = wfpatch_view_create(handle, 0, &spare_view);
	if (error)
		return fail(answer, "a view cannot be made", error);
	say(answer, "%+9.2f ms  view %u is there, for nobody\n",
	    (now_ns() - answer->start) / 1e6, spare_view);
	return 0;
}

int views_release(struct answer *answer)
{
	int error;

	if (!spare_view) {
		say(answer, "error: nothing was prepared\n");
		return -1;
	}
	error = wfpatch_view_delete(handle, spare_view);
	if (error)
		return fail(answer, "the view cannot be deleted", error);
	spare_view = 0;
	return 0;
}

/* Without the handle there would be no way back from a view. */
int views_close(struct answer *answer)
{
	if (fixed_view) {
		say(answer, "error: a fix is in view %u; undo it first\n", fixed_view);
		return -1;
	}
	wfpatch_close(handle);
	handle = NULL;
	spare_view = 0;
	return 0;
}
