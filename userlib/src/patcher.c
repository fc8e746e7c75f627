// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The patcher's side: begin, finish, switch, wait. Nothing is kept between the calls; whether all
 * threads have come is read from the kernel each time, and events only say when to look again.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include "internal.h"

/* A thread that could not migrate for want of memory tries again after this time. */
#define RETRY_MS 10

static unsigned int target_of(const struct wfpatch *handle)
{
	return __atomic_load_n(&handle->status->target, __ATOMIC_ACQUIRE);
}

static int wait_opts(struct wfpatch_wait_opts *o, const struct wfpatch_wait_opts *opts,
		     unsigned int flags)
{
	int err = wf_opts_copy(o, sizeof(*o), opts);

	if (!err && ((o->flags & ~flags) || o->reserved))
		return -EINVAL;
	return err;
}

/* 1 if enough threads have come, 0 if not yet. */
static int arrived(struct wfpatch *handle, unsigned int view, unsigned int nr_threads)
{
	struct wfpatch_view_info info;
	int err;

	if (target_of(handle) != view)
		return -ECANCELED;
	if (!__atomic_load_n(&handle->status->pending, __ATOMIC_ACQUIRE))
		return 1;
	if (!nr_threads)
		return 0;
	err = wf_view_find(handle, view, &info);
	return err ? err : info.nr_threads >= nr_threads;
}

/* Hand over the events that there are. */
static int take_events(struct wfpatch *handle, const struct wfpatch_wait_opts *o, bool *any)
{
	struct wfpatch_event event;
	int err;

	*any = false;
	while (!(err = wfpatch_next_event(handle, &event, 0))) {
		*any = true;
		err = o->on_event ? o->on_event(&event, o->data) : 0;
		if (err)
			return err;
	}
	return err == -EAGAIN ? 0 : err;
}

/* Sleep until there is an event. */
static int wait_event(struct wfpatch *handle, int64_t end, int longest)
{
	struct pollfd pollfd = { .fd = handle->fd, .events = POLLIN };
	int64_t left;

	if (end) {
		left = end - wf_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (left > INT_MAX)
			left = INT_MAX;
		if (longest < 0 || left < longest)
			longest = (int)left;
	}
	return poll(&pollfd, 1, longest) < 0 ? -errno : 0;
}

static int wait_threads(struct wfpatch *handle, unsigned int view,
			const struct wfpatch_wait_opts *o)
{
	int64_t end = o->timeout_ms ? wf_now_ms() + o->timeout_ms : 0;
	unsigned int seen = 0;
	int err, behind = 0;
	bool any;

	for (;;) {
		/* This thread is one of those that are waited for, if they are of this process. */
		if (!handle->attached &&
		    seen != __atomic_load_n(&handle->status->seq, __ATOMIC_ACQUIRE)) {
			behind = wf_follow(handle->fd, handle->status, &seen);
			if (behind && behind != -ENOMEM && behind != -EINTR && behind != -EAGAIN)
				return behind;
		}
		/* First the state, then the events that led to it, which are then all there. */
		err = arrived(handle, view, o->nr_threads);
		if (err < 0)
			return err;
		if (err)
			return take_events(handle, o, &any);
		/* What was taken may be what the state waited for: look again before sleeping. */
		err = take_events(handle, o, &any);
		if (!err && !any)
			err = wait_event(handle, end, behind ? RETRY_MS : -1);
		if (err)
			return err;
	}
}

int wfpatch_wait(struct wfpatch *handle, unsigned int view, const struct wfpatch_wait_opts *opts)
{
	struct wfpatch_wait_opts o;
	int err = wait_opts(&o, opts, 0);

	if (!err)
		err = wf_status_map(handle);
	return err ? err : wait_threads(handle, view, &o);
}

/* Make the view the target. Events of what was before must not be taken for this transition's. */
static int start(struct wfpatch *handle, unsigned int view)
{
	struct wfpatch_event event;
	int err;

	while (!(err = wfpatch_next_event(handle, &event, 0)))
		;
	return err == -EAGAIN ? wfpatch_transition(handle, view, 0, NULL, 0) : err;
}

int wfpatch_switch(struct wfpatch *handle, unsigned int view, const struct wfpatch_wait_opts *opts)
{
	struct wfpatch_wait_opts o;
	int err;

	err = wait_opts(&o, opts, 0);
	if (!err)
		err = wf_status_map(handle);
	if (!err)
		err = start(handle, view);
	return err ? err : wait_threads(handle, view, &o);
}

int wfpatch_begin(struct wfpatch *handle, unsigned int *view)
{
	int err = wf_status_map(handle);

	return err ? err : wfpatch_view_create(handle, target_of(handle), view);
}

int wfpatch_finish(struct wfpatch *handle, unsigned int view, const struct wfpatch_wait_opts *opts)
{
	struct wfpatch_wait_opts o;
	struct wfpatch_view_info info;
	unsigned int target;
	int err;

	err = wait_opts(&o, opts, WFPATCH_FINISH_KEEP_OLD);
	if (!err)
		err = wf_status_map(handle);
	if (!err)
		err = wf_view_find(handle, view, &info);
	if (err)
		return err;

	target = target_of(handle);
	if (target != view) {
		if (target != info.parent)
			return -ESTALE;
		err = start(handle, view);
		if (err)
			return err;
	}
	err = wait_threads(handle, view, &o);
	if (err || !info.parent || (o.flags & WFPATCH_FINISH_KEEP_OLD))
		return err;
	err = wfpatch_view_delete(handle, info.parent);
	return err == -ENOENT ? 0 : err;
}
