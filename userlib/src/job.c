// SPDX-License-Identifier: LGPL-2.1-or-later
/* Beginning and ending a piece of work on another process, and the line that is told about errors. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "internal.h"
#include "job.h"

#define DEFAULT_TIMEOUT_MS 30000

int wf_job_fail(const struct wf_job *job, int err, const char *format, ...)
{
	va_list args;

	if (job->o.err && job->o.err_size) {
		va_start(args, format);
		vsnprintf(job->o.err, job->o.err_size, format, args);
		va_end(args);
	}
	return err;
}

void wf_job_add(const struct wf_job *job, const char *format, ...)
{
	size_t len;
	va_list args;

	if (!job->o.err || !job->o.err_size)
		return;
	len = strnlen(job->o.err, job->o.err_size - 1);
	va_start(args, format);
	vsnprintf(job->o.err + len, job->o.err_size - len, format, args);
	va_end(args);
}

int wf_job_fail_step(const struct wf_job *job, int err, const char *what)
{
	switch (err) {
	case -ESRCH:
		return wf_job_fail(job, err, "process %d has ended, or called exec, meanwhile",
				   job->pid);
	case -EPERM:
		return wf_job_fail(job, err,
				   "user %u may not trace process %d: its owner may, or root (unless kernel.yama.ptrace_scope or a container forbids it)",
				   (unsigned int)geteuid(), job->pid);
	case -EIO:
		return wf_job_fail(job, err,
				   "cannot %s process %d: the kernel's functions cannot be hooked; dmesg says which",
				   what, job->pid);
	default:
		return wf_job_fail(job, err, "cannot %s process %d: %s", what, job->pid,
				   strerror(-err));
	}
}

/* Errors about the device, so that none of them can be taken for one about the process. */
static int device_error(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENXIO:
		return -ENODEV;
	case -EACCES:
		return -EPERM;
	case -EOPNOTSUPP:
		return -EPROTONOSUPPORT;
	default:
		return err;
	}
}

static int open_handle(struct wf_job *job)
{
	char message[256] = "";
	WFPATCH_OPTS(wfpatch_open_opts, opts, .flags = WFPATCH_OPEN_NO_QUIESCE, .message = message,
		     .message_size = sizeof(message));
	int err = WF_RETRY(wfpatch_open(&job->handle, &opts));

	if (err)
		return wf_job_fail(job, device_error(err), "%s",
				   message[0] ? message : strerror(-err));
	err = WF_RETRY(wfpatch_attach(job->handle, job->pidfd));
	if (err == -EOPNOTSUPP || err == -ENOTTY)
		return wf_job_fail(job, -EPROTONOSUPPORT,
				   "the loaded module cannot patch other processes: load a newer one (package wfpatch-dkms)");
	if (err == -EINVAL)
		return wf_job_fail(job, err,
				   "process %d is this program itself or a kernel thread: it cannot be patched from outside",
				   job->pid);
	return err ? wf_job_fail_step(job, err, "attach to") : 0;
}

int wf_job_start(struct wf_job *job, pid_t pid, const struct wfpatch_apply_opts *opts)
{
	const unsigned int known = WFPATCH_APPLY_DRY_RUN | WFPATCH_APPLY_EXPLICIT;
	int err;

	memset(job, 0, sizeof(*job));
	job->pid = pid;
	job->pidfd = -1;
	err = wf_opts_copy(&job->o, sizeof(job->o), opts);
	if (err)
		return err;
	if (job->o.err && job->o.err_size)
		job->o.err[0] = '\0';
	if (job->o.flags & ~known)
		return wf_job_fail(job, -EINVAL, "flags %#x are not known to this library",
				   job->o.flags & ~known);
	if (!job->o.timeout_ms)
		job->o.timeout_ms = DEFAULT_TIMEOUT_MS;

	/* From here on the number cannot come to mean another process unnoticed. */
	job->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (job->pidfd < 0 && errno == EINVAL)
		return wf_job_fail(job, -ESRCH,
				   "%d is not a process (a thread cannot be patched without the others)",
				   pid);
	if (job->pidfd < 0 && errno == ESRCH)
		return wf_job_fail(job, -ESRCH, "there is no process %d", pid);
	if (job->pidfd < 0)
		return wf_job_fail_step(job, -errno, "open");
	job->reader = wf_reader(pid);
	if (job->o.flags & WFPATCH_APPLY_DRY_RUN)
		return 0;
	err = open_handle(job);
	return err ? wf_job_end(job, err) : 0;
}

/* A process that is killed loses its memory piece by piece, which may look like anything. */
static bool has_ended(const struct wf_job *job)
{
	struct pollfd pollfd = { .fd = job->pidfd, .events = POLLIN };

	return poll(&pollfd, 1, 0) == 1 || wf_process_is_gone(wf_reader(job->pid));
}

int wf_job_end(struct wf_job *job, int err)
{
	if (err && err != -ESRCH && job->pidfd >= 0 && has_ended(job))
		err = wf_job_fail(job, -ESRCH, "process %d has ended, or called exec, meanwhile",
				  job->pid);
	wfpatch_close(job->handle);
	job->handle = NULL;
	if (job->pidfd >= 0)
		close(job->pidfd);
	job->pidfd = -1;
	return err;
}
