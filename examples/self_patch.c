// SPDX-License-Identifier: GPL-2.0
/*
 * A program that patches itself: four threads call a function without pause while the main thread
 * replaces it, waits until each has come over by itself, and takes it back.
 */
#include <sched.h>
#include <stdatomic.h>
#include "example.h"

static atomic_ulong calls[3]; /* by what they returned */

static WFPATCH_REPLACEABLE int version(void)
{
	return opaque(1);
}

static WFPATCH_REPLACEABLE int version_new(void)
{
	return opaque(2);
}

static void *work(void *arg)
{
	for (;; wfpatch_quiesce())
		calls[version()]++;
	return arg;
}

static int moved(const struct wfpatch_event *event, void *data)
{
	if (event->type == WFPATCH_EVENT_MIGRATED)
		fprintf(data, "thread %d: view %u -> %u\n", event->tid, event->previous,
			event->view);
	return 0;
}

int main(void)
{
	WFPATCH_OPTS(wfpatch_wait_opts, opts, .on_event = moved, .data = stdout);
	struct wfpatch *wf;
	unsigned int view;
	int new, old;

	wf = open_wfpatch();
	start_threads(4, work);
	check("begin", wfpatch_begin(wf, &view));
	check("redirect", wfpatch_redirect(wf, view, version, version_new, NULL));
	check("finish", wfpatch_finish(wf, view, &opts));
	new = version();
	while (!calls[2])
		sched_yield();
	check("switch", wfpatch_switch(wf, WFPATCH_BASE_VIEW, &opts));
	old = version();
	wfpatch_close(wf);
	printf("version %d, then %d; calls: %lu, %lu\n", new, old, calls[1], calls[2]);
	return new != 2 || old != 1;
}
