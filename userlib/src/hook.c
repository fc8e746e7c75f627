// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Having the hooks of a patch run: the kernel sends one thread to the code that calls it (caller.c), when
 * the thread calls one of the functions where that is allowed. What has become of it is read from the
 * process.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include "internal.h"
#include "header.h"
#include "job.h"

#define FIRST_PAUSE_MS 1
#define LONGEST_PAUSE_MS 50

static const char *const kinds[WFPATCH_NR_HOOKS] = {
	[WFPATCH_HOOK_PRE_APPLY] = "pre-apply",
	[WFPATCH_HOOK_POST_APPLY] = "post-apply",
	[WFPATCH_HOOK_PRE_REVERT] = "pre-revert",
	[WFPATCH_HOOK_POST_REVERT] = "post-revert",
};

const char *wf_hook_kind(enum wfpatch_hook hook)
{
	return kinds[hook];
}

static int read_state(const struct wf_job *job, const struct wf_hooks *hooks,
		      enum wfpatch_hook hook, struct wf_hook_state *state)
{
	struct iovec local = { state, sizeof(*state) };
	struct iovec remote = { (void *)(uintptr_t)hooks->state[hook], sizeof(*state) };
	ssize_t done = process_vm_readv(job->reader, &local, 1, &remote, 1, 0);

	if (done == (ssize_t)sizeof(*state))
		return 0;
	/* Its memory is there as long as it lives. */
	return done < 0 && errno == EPERM ? -EPERM : -ESRCH;
}

int wf_hook_forget(struct wf_job *job, const struct wf_hooks *hooks, enum wfpatch_hook hook)
{
	struct wf_hook_state state = { 0 };
	struct iovec local = { &state, sizeof(state) };
	struct iovec remote = { (void *)(uintptr_t)hooks->state[hook], sizeof(state) };
	ssize_t done = process_vm_writev(job->reader, &local, 1, &remote, 1, 0);

	if (done == (ssize_t)sizeof(state))
		return 0;
	return wf_job_fail_step(job, done < 0 && errno == EPERM ? -EPERM : -ESRCH, "write to");
}

/* Where it may run: at a call, by a thread that is nowhere else in these functions or in the patch. */
static int add_places(const struct wf_hooks *hooks, struct wf_change *change)
{
	unsigned int i;
	int err;

	err = wf_change_span(change, hooks->text_start, hooks->text_end, 0);
	for (i = 0; !err && i < hooks->nr_points; i++)
		err = wf_change_span(change, hooks->points[i].start, hooks->points[i].end,
				     hooks->points[i].flags);
	return err;
}

/* Every thread leaves the image: one that has run a hook is not out of it when that says DONE. */
int wf_hooks_leave(struct wf_job *job, const struct wf_hooks *hooks)
{
	struct wf_change change = { 0 };
	int err = wf_change_span(&change, hooks->text_start, hooks->text_end, 0);

	if (!err)
		err = wf_job_change(job, &change);
	wf_change_free(&change);
	return err;
}

/* The caller wants to stop? */
static int report(struct wf_job *job, const struct wf_hooks *hooks, enum wfpatch_hook hook)
{
	struct wfpatch_progress progress = { .hook = hooks->name[hook] };

	if (!job->o.on_progress)
		return 0;
	if (wfpatch_list_threads(job->handle, NULL, 0, &progress.threads))
		return 0;
	return job->o.on_progress(&progress, job->o.data) ? -ECANCELED : 0;
}

static bool pause_until(int64_t end, int *ms)
{
	int64_t left = end ? end - wf_now_ms() : *ms;

	if (left <= 0)
		return false;
	poll(NULL, 0, left < *ms ? (int)left : *ms);
	*ms = 2 * *ms < LONGEST_PAUSE_MS ? 2 * *ms : LONGEST_PAUSE_MS;
	return true;
}

/* Ask the kernel; it may have to be waited for while threads return from a change before. */
static int request(struct wf_job *job, const struct wf_hooks *hooks, enum wfpatch_hook hook,
		   const struct wf_change *change, int64_t end)
{
	int err, ms = FIRST_PAUSE_MS;

	for (;;) {
		err = WF_RETRY(wfpatch_call(job->handle, change->spans, change->nr_spans,
					    hooks->call[hook]));
		if (err != -EBUSY)
			return err;
		/* Views or pinned ranges of its own may stay for ever. */
		if (report(job, hooks, hook))
			return -ECANCELED;
		if (!pause_until(end, &ms))
			return err;
	}
}

/* Until it has run. 0, with the result. */
static int wait_done(struct wf_job *job, const struct wf_hooks *hooks, enum wfpatch_hook hook,
		     int64_t end, struct wf_hook_state *state)
{
	int err, ms = FIRST_PAUSE_MS;

	for (;;) {
		err = read_state(job, hooks, hook, state);
		if (err || state->state == WFPATCH_HOOK_DONE)
			return err;
		err = report(job, hooks, hook);
		if (err)
			return err;
		if (!pause_until(end, &ms))
			return -ETIMEDOUT;
	}
}

/* Nobody shall be sent there any more; but one may be on his way. */
static int give_up(struct wf_job *job, const struct wf_hooks *hooks, enum wfpatch_hook hook,
		   const struct wf_change *change, struct wf_hook_state *state)
{
	int err;

	err = WF_RETRY(wfpatch_transition(job->handle, WFPATCH_BASE_VIEW, WFPATCH_TRANSITION_AUTO,
					  change->spans, change->nr_spans));
	if (!err)
		err = read_state(job, hooks, hook, state);
	/* One that runs it may take long. */
	if (!err && state->state == WFPATCH_HOOK_NOT_RUN)
		wf_hooks_leave(job, hooks);
	/* If they did not leave, it may have begun since, or have ended. */
	return err ? err : read_state(job, hooks, hook, state);
}

/* Why it has not run to its end. */
static int fail(struct wf_job *job, enum wfpatch_hook hook, int err,
		const struct wf_hook_state *state)
{
	if (err != -ETIMEDOUT && err != -ECANCELED)
		return wf_job_fail_step(job, err, "have a hook run in");
	if (state->state == WFPATCH_HOOK_RUNNING) {
		job->stuck = true;
		return wf_job_fail(job, err,
				   "the %s hook of the patch still runs after %u ms; the patch's memory stays, and 'wfpatch revert' takes it away when the hook has ended",
				   kinds[hook], job->o.timeout_ms);
	}
	if (err == -ECANCELED)
		return wf_job_fail(job, err, "cancelled before the %s hook has run", kinds[hook]);
	return wf_job_fail(job, err,
			   "the %s hook did not run: no thread called one of the functions where it may in %u ms; have the process do some work, or see --hook-point of 'wfpatch pack'",
			   kinds[hook], job->o.timeout_ms);
}

int wf_job_hook(struct wf_job *job, const struct wf_hooks *hooks, enum wfpatch_hook hook,
		int *result)
{
	int64_t end = job->o.timeout_ms == UINT_MAX ? 0 : wf_now_ms() + job->o.timeout_ms;
	struct wf_hook_state state = { 0 };
	struct wf_change change = { 0 };
	int err;

	*result = 0;
	if (!hooks->name[hook])
		return 0;
	err = add_places(hooks, &change);
	if (!err)
		err = read_state(job, hooks, hook, &state);
	if (err)
		goto out;
	wf_change_merge(&change);
	/* One that an earlier command has begun is waited for. */
	if (state.state == WFPATCH_HOOK_NOT_RUN) {
		job->hooked = true;
		err = request(job, hooks, hook, &change, end);
		/* There is nothing to give up: a transition that there is may be another's. */
		if (err)
			goto out;
	}
	if (!err)
		err = wait_done(job, hooks, hook, end, &state);
	if (err == -ETIMEDOUT || err == -ECANCELED) {
		if (!give_up(job, hooks, hook, &change, &state) &&
		    state.state == WFPATCH_HOOK_DONE)
			err = 0;
	}
	if (!err)
		*result = state.result;
out:
	wf_change_free(&change);
	return err ? fail(job, hook, err, &state) : 0;
}
