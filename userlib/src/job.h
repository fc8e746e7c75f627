/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What apply.c, revert.c, job.c and change.c share: one piece of work on one process. */
#ifndef WF_JOB_H
#define WF_JOB_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <wfpatch/apply.h>
#include "applied.h"
#include "image.h"

/**
 * struct wf_job - what is done to a process, from opening the handle to closing it
 * @pid: the process, in the caller's pid namespace
 * @reader: the one of its threads that its memory is read from, see wf_reader()
 * @pidfd: stands for the same process when its number is given to another; -1 if none
 * @handle: attached to it; NULL in a dry run
 * @o: the caller's options
 * @end: of waiting, on wf_now_ms()'s clock; 0 for never
 * @view: being made, 0 if none
 * @moving: threads may be in the view: a transition has begun
 * @stuck: threads did not go back in time, so that the view and what it needs must stay
 * @hooked: a thread may be in the image to run a hook
 * @prepared: the pre-apply hook has run and agreed
 */
struct wf_job {
	pid_t pid;
	pid_t reader;
	int pidfd;
	struct wfpatch *handle;
	struct wfpatch_apply_opts o;
	int64_t end;
	unsigned int view;
	bool moving;
	bool stuck;
	bool hooked;
	bool prepared;
};

int wf_job_start(struct wf_job *job, pid_t pid, const struct wfpatch_apply_opts *opts);
/* Ends it; @err is what came out, and is returned, or -ESRCH if the process has ended meanwhile. */
int wf_job_end(struct wf_job *job, int err);

/* A signal is for on_progress to hear of, and no reason to fail in the middle. */
#define WF_RETRY(call)						\
	({							\
		int retry_;					\
								\
		do						\
			retry_ = (call);			\
		while (retry_ == -EINTR);			\
		retry_;						\
	})

/* Write the line about an error, and return it. */
int wf_job_fail(const struct wf_job *job, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a request that failed: "cannot @what". */
int wf_job_fail_step(const struct wf_job *job, int err, const char *what);
/* Put more behind the line that is there. */
void wf_job_add(const struct wf_job *job, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* change.c: -EBUSY if the process has views that are not this job's, or were there before. */
int wf_job_alone(struct wf_job *job);

/**
 * struct wf_change - what one view shall differ in
 * @writes: array of @nr_writes; @writes[].new is written
 * @spans: array of @nr_spans; what threads must not be in when they change
 */
struct wf_change {
	struct wf_image_write *writes;
	unsigned int nr_writes;
	struct wfpatch_span *spans;
	unsigned int nr_spans;
};

int wf_change_write(struct wf_change *change, uint64_t address, const unsigned char *bytes,
		    unsigned int len);
int wf_change_span(struct wf_change *change, uint64_t start, uint64_t end, unsigned int flags);
/* Put the spans in order and apart, as the kernel wants them. */
void wf_change_merge(struct wf_change *change);
void wf_change_free(struct wf_change *change);

/*
 * Bring every thread of the process to a view with the change, and make that the base. Either all of
 * it is done, or everything is as before; then job->stuck says whether threads are still on their way.
 * The spans are put in order.
 */
int wf_job_change(struct wf_job *job, struct wf_change *change);

/*
 * hook.c: have a hook of the patch run, if it has that one, and wait until it has; *@result is what it
 * returned. -ETIMEDOUT, -ECANCELED: it has not run, or job->stuck says that it runs still.
 */
int wf_job_hook(struct wf_job *job, const struct wf_hooks *hooks, enum wfpatch_hook hook,
		int *result);
/* Wait until no thread is in the image, of which a hook may have run. */
int wf_hooks_leave(struct wf_job *job, const struct wf_hooks *hooks);
/* One that has run and refused may run again. */
int wf_hook_forget(struct wf_job *job, const struct wf_hooks *hooks, enum wfpatch_hook hook);
const char *wf_hook_kind(enum wfpatch_hook hook);

/*
 * Unmap what no thread runs in any more, unless a word of the process's memory points into it: then 1,
 * and where that is.
 */
int wf_job_unmap_unused(struct wf_job *job, const struct wf_extent *extent, uint64_t *where);

#endif
