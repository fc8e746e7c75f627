// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One change of a process's code: a view is made and written to, every thread comes to it, it becomes
 * the base. Whatever fails before that is taken back.
 *
 * Events say when to look; what is true is asked of the kernel each time, because events are dropped
 * when thousands of threads move at once.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"
#include "job.h"

/* How often the caller hears of progress, and a thread that was just born is looked for again. */
#define PROGRESS_MS 100
#define LONGEST_PAUSE_MS 50
#define RETRY_MS 10
/* How long threads that go back are waited for at most. */
#define GO_BACK_MS 30000

static int grow(void *array, unsigned int nr, size_t size)
{
	void *bigger;

	if (nr & (nr - 1))
		return 0;
	bigger = reallocarray(*(void **)array, nr ? 2 * nr : 1, size);
	if (!bigger)
		return -ENOMEM;
	*(void **)array = bigger;
	return 0;
}

int wf_change_write(struct wf_change *change, uint64_t address, const unsigned char *bytes,
		    unsigned int len)
{
	struct wf_image_write *write;
	unsigned int i;
	int err;

	/* A later one for the same place wins. */
	for (i = 0; i < change->nr_writes && change->writes[i].address != address; i++)
		;
	if (i == change->nr_writes) {
		err = grow(&change->writes, i, sizeof(*write));
		if (err)
			return err;
		change->nr_writes++;
	}
	write = &change->writes[i];
	memset(write, 0, sizeof(*write));
	write->address = address;
	write->len = len;
	memcpy(write->new, bytes, len);
	return 0;
}

int wf_change_span(struct wf_change *change, uint64_t start, uint64_t end, unsigned int flags)
{
	int err = grow(&change->spans, change->nr_spans, sizeof(*change->spans));

	if (!err)
		change->spans[change->nr_spans++] =
			(struct wfpatch_span){ .start = start, .end = end, .flags = flags };
	return err;
}

static int compare_spans(const void *a, const void *b)
{
	const struct wfpatch_span *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

/*
 * The kernel wants them apart. An entry is where all that begin there say so; one in the middle of
 * another span is given up, which can only delay.
 */
void wf_change_merge(struct wf_change *change)
{
	struct wfpatch_span *last = change->spans, *span;
	unsigned int i;

	if (!change->nr_spans)
		return;
	qsort(change->spans, change->nr_spans, sizeof(*change->spans), compare_spans);
	for (i = 1; i < change->nr_spans; i++) {
		span = &change->spans[i];
		if (span->start >= last->end) {
			*++last = *span;
			continue;
		}
		if (span->start == last->start)
			last->flags &= span->flags;
		if (span->end > last->end)
			last->end = span->end;
	}
	change->nr_spans = (unsigned int)(last - change->spans) + 1;
}

void wf_change_free(struct wf_change *change)
{
	free(change->writes);
	free(change->spans);
	memset(change, 0, sizeof(*change));
}

/* The views of the process; free them. */
static int list_views(struct wf_job *job, struct wfpatch_view_info **views, unsigned int *nr)
{
	unsigned int room = 16;
	int err;

	for (;;) {
		*views = calloc(room, sizeof(**views));
		if (!*views)
			return -ENOMEM;
		err = wfpatch_list_views(job->handle, *views, room, nr);
		if (!err && *nr <= room)
			return 0;
		free(*views);
		*views = NULL;
		if (err)
			return err;
		room = *nr + 16;
	}
}

/*
 * Two that patch one process at once: each makes its view and then looks. The one whose view has the
 * higher number sees the other's and gives way; so does one that finds a view before it makes any.
 */
int wf_job_alone(struct wf_job *job)
{
	struct wfpatch_view_info *views;
	unsigned int nr, i;
	int err;

	err = list_views(job, &views, &nr);
	if (err)
		return wf_job_fail_step(job, err, "list the views of");
	for (i = 0; !err && i < nr; i++) {
		if (views[i].view && (!job->view || views[i].view < job->view))
			err = -EBUSY;
	}
	free(views);
	if (err)
		return wf_job_fail(job, err,
				   "process %d has a view already: another wfpatch is at work on it, or it patches itself; try again later",
				   job->pid);
	return 0;
}

static int write_view(struct wf_job *job, const struct wf_change *change)
{
	struct wfpatch_info info;
	struct wfpatch_seg *segs;
	unsigned int i, nr;
	int err;

	err = wfpatch_info(job->handle, &info);
	if (err)
		return wf_job_fail_step(job, err, "ask about");
	segs = calloc(change->nr_writes, sizeof(*segs));
	if (!segs)
		return wf_job_fail_step(job, -ENOMEM, "write to a view of");
	for (i = 0; i < change->nr_writes; i++) {
		segs[i].addr = change->writes[i].address;
		segs[i].data = (uintptr_t)change->writes[i].new;
		segs[i].len = change->writes[i].len;
	}
	/* No thread is in the view yet: nobody sees how many requests it takes. */
	for (i = 0; !err && i < change->nr_writes; i += nr) {
		nr = change->nr_writes - i;
		if (info.max_segs && nr > info.max_segs)
			nr = info.max_segs;
		err = wfpatch_view_writev(job->handle, job->view, segs + i, nr);
	}
	free(segs);
	if (err == -EACCES)
		return wf_job_fail(job, err,
				   "the code of process %d is in a shared mapping: it cannot be changed",
				   job->pid);
	if (err == -ENOMEM)
		return wf_job_fail(job, err,
				   "there is no memory for the changed pages of process %d, or its RLIMIT_MEMLOCK is too small",
				   job->pid);
	return err ? wf_job_fail_step(job, err, "write to a view of") : 0;
}

/* Who is missing, to the caller. What it cannot be told for want of memory is left out. */
static int report(struct wf_job *job, unsigned int missing)
{
	struct wfpatch_progress progress = { .missing = missing };
	struct wfpatch_blocked_info *blocked = NULL;
	unsigned int total;
	int stop;

	if (!job->o.on_progress)
		return 0;
	if (wfpatch_list_threads(job->handle, NULL, 0, &progress.threads))
		return 0;
	if (missing)
		blocked = calloc(missing, sizeof(*blocked));
	if (blocked && !wfpatch_list_blocked(job->handle, blocked, missing, &total)) {
		progress.missing = total;
		progress.nr_blocked = total < missing ? total : missing;
		progress.blocked = blocked;
	}
	if (progress.threads < progress.missing)
		progress.threads = progress.missing;
	stop = job->o.on_progress(&progress, job->o.data);
	free(blocked);
	return stop ? -ECANCELED : 0;
}

/* Take all events that are there, waiting for the first. */
static int take_events(struct wf_job *job, int timeout_ms)
{
	struct wfpatch_event event;
	int err;

	do {
		err = wfpatch_next_event(job->handle, &event, timeout_ms);
		if (!err &&
		    (event.type == WFPATCH_EVENT_DONE || event.type == WFPATCH_EVENT_COMMITTED))
			return 0;
		timeout_ms = 0;
	} while (!err);
	/* A signal may be what on_progress wants to know of. */
	return err == -EAGAIN || err == -EINTR ? 0 : err;
}

/* How long to sleep; 0 if the time is over. */
static int nap(int64_t end, int longest)
{
	int64_t left = end ? end - wf_now_ms() : longest;

	if (left <= 0)
		return 0;
	return left < longest ? (int)left : longest;
}

/*
 * Let some time pass while threads come over, and take what was told of them. Not to be woken by each of
 * them is the point: where processors are few, that would hold up the very threads.
 */
static int pass_time(struct wf_job *job, int64_t end, int *pause_ms)
{
	int ms = nap(end, *pause_ms);

	if (!ms)
		return -ETIMEDOUT;
	*pause_ms = 2 * *pause_ms < LONGEST_PAUSE_MS ? 2 * *pause_ms : LONGEST_PAUSE_MS;
	/* A signal may be what on_progress wants to know of: it ends the pause. */
	poll(NULL, 0, ms);
	return take_events(job, 0);
}

/* Wait until the transition waits for nobody. */
static int wait_threads(struct wf_job *job, int64_t end, bool tell)
{
	int64_t next_report = 0;
	unsigned int missing;
	int err, pause_ms = 2;

	for (;;) {
		err = wfpatch_list_blocked(job->handle, NULL, 0, &missing);
		if (err)
			return err;
		if (tell && (!missing || wf_now_ms() >= next_report)) {
			err = report(job, missing);
			if (err && missing)
				return err;
			next_report = wf_now_ms() + PROGRESS_MS;
		}
		if (!missing)
			return 0;
		err = pass_time(job, end, &pause_ms);
		if (err)
			return err;
	}
}

static int begin_transition(struct wf_job *job, const struct wf_change *change, unsigned int view)
{
	if (job->o.flags & WFPATCH_APPLY_EXPLICIT)
		return WF_RETRY(wfpatch_transition(job->handle, view, 0, NULL, 0));
	return WF_RETRY(wfpatch_transition(job->handle, view, WFPATCH_TRANSITION_AUTO,
					   change->spans, change->nr_spans));
}

/*
 * The threads that have come go back by the same rule. Everyone in the base again: 0. The kernel ends it
 * without us if need be, so that nobody has to wait for it for as long as for the patch.
 */
static int go_back(struct wf_job *job, const struct wf_change *change)
{
	unsigned int ms = job->o.timeout_ms < GO_BACK_MS ? job->o.timeout_ms : GO_BACK_MS;
	int64_t end = wf_now_ms() + ms;
	int err;

	/* No memory for it now is no reason to leave threads where they are. */
	for (;;) {
		err = begin_transition(job, change, WFPATCH_BASE_VIEW);
		if (err != -ENOMEM || !nap(end, RETRY_MS))
			break;
		take_events(job, RETRY_MS);
	}
	return err ? err : wait_threads(job, end, false);
}

/* Undo what was done of the change. The line about why it failed is there already. */
static void take_back(struct wf_job *job, const struct wf_change *change)
{
	int err;

	if (!job->view)
		return;
	if (job->moving) {
		err = go_back(job, change);
		if (err == -ESRCH)
			return;
		if (err) {
			job->stuck = true;
			wf_job_add(job,
				   "; going back did not end in time either: threads that are in the new code go back by themselves, and what they run stays mapped");
			return;
		}
	}
	/* Nobody is in it, nor asked to come. */
	WF_RETRY(wfpatch_view_delete(job->handle, job->view));
	job->view = 0;
}

/* A line about threads that did not come in time. */
static int fail_late(struct wf_job *job)
{
	struct wfpatch_blocked_info first;
	unsigned int total = 0;

	if (wfpatch_list_blocked(job->handle, &first, 1, &total) || !total)
		return wf_job_fail(job, -ETIMEDOUT, "not done in %u ms: taken back",
				   job->o.timeout_ms);
	return wf_job_fail(job, -ETIMEDOUT,
			   "%u thread%s did not leave the old code in %u ms, the first is %d (%.16s) at %#llx%s: taken back",
			   total, total == 1 ? "" : "s", job->o.timeout_ms, first.tid, first.comm,
			   (unsigned long long)first.ip,
			   first.reason == WFPATCH_BLOCKED_STACK ?
				   ", with a return there on its stack" : "");
}

/*
 * A commit was refused though nobody was missing. Either the kernel has not ended the transition yet,
 * and another one would only begin that anew; or it has, and a thread is elsewhere all the same.
 */
static int come_again(struct wf_job *job, const struct wf_change *change)
{
	struct wfpatch_view_info *views;
	bool elsewhere = false;
	unsigned int nr, i;
	int err;

	err = take_events(job, RETRY_MS);
	if (err)
		return err;
	err = list_views(job, &views, &nr);
	if (err)
		return err;
	for (i = 0; i < nr; i++)
		elsewhere |= views[i].view != job->view && views[i].nr_threads;
	free(views);
	return elsewhere ? begin_transition(job, change, job->view) : 0;
}

/* Have all threads come, and make the view the base. */
static int finish(struct wf_job *job, const struct wf_change *change)
{
	bool all_came = false;
	int err;

	for (;;) {
		err = wait_threads(job, job->end, true);
		if (!err)
			err = WF_RETRY(wfpatch_view_commit(job->handle, job->view));
		if (err != -EBUSY && err != -EAGAIN)
			break;
		/* A thread was just born, or someone asked for another view. */
		all_came = true;
		if (!nap(job->end, RETRY_MS)) {
			err = -ETIMEDOUT;
			break;
		}
		err = wf_job_alone(job);
		if (err)
			return err;
		err = come_again(job, change);
		if (err)
			break;
	}
	switch (err) {
	case 0:
		return 0;
	case -ETIMEDOUT:
		if (!all_came)
			return fail_late(job);
		return wf_job_fail(job, err,
				   "threads of process %d come and go so fast that it could not be told in %u ms whether all are in the new code: taken back",
				   job->pid, job->o.timeout_ms);
	case -ECANCELED:
		return wf_job_fail(job, err, "cancelled: taken back");
	default:
		return wf_job_fail_step(job, err, "make the change permanent in");
	}
}

/*
 * The base has the change; threads return to it, wherever they are, and run the same code meanwhile.
 * Nothing depends on when the last one has, so that an end of the time is no failure.
 */
static int wait_committed(struct wf_job *job)
{
	struct wfpatch_view_info *views;
	unsigned int nr;
	int err, ms;

	for (;;) {
		err = list_views(job, &views, &nr);
		if (err)
			return err == -ENOMEM ? 0 : err;
		free(views);
		if (nr <= 1)
			return 0;
		ms = nap(job->end, PROGRESS_MS);
		if (!ms)
			return 0;
		err = take_events(job, ms);
		if (err)
			return err;
	}
}

int wf_job_change(struct wf_job *job, struct wf_change *change)
{
	int err;

	wf_change_merge(change);
	err = wf_job_alone(job);
	if (err)
		return err;
	err = WF_RETRY(wfpatch_view_create(job->handle, WFPATCH_BASE_VIEW, &job->view));
	if (err)
		return wf_job_fail_step(job, err, "make a view of");
	err = wf_job_alone(job);
	if (!err)
		err = write_view(job, change);
	if (err)
		goto undo;

	job->end = job->o.timeout_ms == UINT_MAX ? 0 : wf_now_ms() + job->o.timeout_ms;
	err = begin_transition(job, change, job->view);
	if (err) {
		err = wf_job_fail_step(job, err, "begin to move the threads of");
		goto undo;
	}
	job->moving = true;
	err = finish(job, change);
	if (err)
		goto undo;
	job->view = 0;
	err = wait_committed(job);
	return err ? wf_job_fail_step(job, err, "wait for") : 0;
undo:
	take_back(job, change);
	return err;
}
