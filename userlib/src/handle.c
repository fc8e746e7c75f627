// SPDX-License-Identifier: LGPL-2.1-or-later
/* Opening and closing a handle, and reading its events. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "internal.h"

int wf_status_map(struct wfpatch *handle)
{
	const volatile struct wfpatch_status *none = NULL;
	void *status;

	if (handle->status)
		return 0;
	status = mmap(NULL, WF_PAGE_SIZE, PROT_READ, MAP_SHARED, handle->fd, 0);
	if (status == MAP_FAILED)
		return -errno;
	/* Another thread may have been faster. */
	if (!atomic_compare_exchange_strong(&handle->status, &none, status))
		munmap(status, WF_PAGE_SIZE);
	return 0;
}

/* The oldest module that this library works with. The module knows the oldest library. */
#define OLDEST_MODULE 1

static int check_versions(struct wfpatch *handle)
{
	struct wfpatch_info info;
	int err = wfpatch_info(handle, &info);

	if (!err && info.api_version < OLDEST_MODULE)
		err = -EOPNOTSUPP;
	return err;
}

/* What went wrong, and what can be done about it. */
static void explain(const struct wfpatch_open_opts *opts, const char *path, int err)
{
	char *message = opts->message;
	size_t size = opts->message_size;

	if (!message || !size)
		return;
	switch (err) {
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		snprintf(message, size,
			 "there is no device %s: the module is not loaded (modprobe wfpatch)",
			 path);
		break;
	case -EACCES:
		snprintf(message, size,
			 "user %u may not open %s: it is for root and the group that owns it",
			 (unsigned int)geteuid(), path);
		break;
	case -EOPNOTSUPP:
		snprintf(message, size,
			 "the loaded module is too old: this library needs API version %d; install a newer one and load it (package wfpatch-dkms)",
			 OLDEST_MODULE);
		break;
	case -EPROTONOSUPPORT:
		snprintf(message, size,
			 "this library, of API version %d, is too old for the loaded module: install a newer one (package libwfpatch0)",
			 WFPATCH_API_VERSION);
		break;
	case -EPROTO:
		snprintf(message, size,
			 "wfpatch_status_page has no page for itself: the program was linked without its alignment");
		break;
	default:
		snprintf(message, size, "%s cannot be opened: %s", path, strerror(-err));
		break;
	}
}

static void close_device(struct wfpatch *handle)
{
	if (handle->status)
		munmap((void *)handle->status, WF_PAGE_SIZE);
	close(handle->fd);
}

int wfpatch_open(struct wfpatch **handle, const struct wfpatch_open_opts *opts)
{
	struct wfpatch_open_opts o;
	const char *path;
	struct wfpatch *new;
	int err;

	err = wf_opts_copy(&o, sizeof(o), opts);
	if (err)
		return err;
	if ((o.flags & ~WFPATCH_OPEN_NO_QUIESCE) || o.reserved)
		return -EINVAL;

	path = o.path ? o.path : "/dev/wfpatch";
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (new->fd < 0) {
		err = -errno;
		goto free;
	}
	new->quiesce = !(o.flags & WFPATCH_OPEN_NO_QUIESCE);
	err = check_versions(new);
	if (err)
		goto close;
	if (new->quiesce) {
		/* A handle whose page is mapped cannot be attached any more. */
		err = wf_status_map(new);
		if (!err)
			err = wf_status_join(new);
		if (err)
			goto close;
	}
	*handle = new;
	return 0;
close:
	close_device(new);
free:
	explain(&o, path, err);
	free(new);
	return err;
}

void wfpatch_close(struct wfpatch *handle)
{
	int saved = errno;

	if (!handle)
		return;
	wf_status_leave(handle);
	close_device(handle);
	free(handle);
	errno = saved;
}

int wfpatch_fd(const struct wfpatch *handle)
{
	return handle->fd;
}

const volatile struct wfpatch_status *wfpatch_status(const struct wfpatch *handle)
{
	/* What is mapped later is not what const is about. */
	wf_status_map((struct wfpatch *)handle);
	return handle->status;
}

int64_t wf_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int wfpatch_next_event(struct wfpatch *handle, struct wfpatch_event *event, int timeout_ms)
{
	struct pollfd pollfd = { .fd = handle->fd, .events = POLLIN };
	int64_t end = timeout_ms > 0 ? wf_now_ms() + timeout_ms : 0, left;
	ssize_t len;
	int ready;

	/* Another reader may be faster than this one after poll(): then wait for what is left. */
	for (;;) {
		len = read(handle->fd, event, sizeof(*event));
		if (len == (ssize_t)sizeof(*event))
			return 0;
		if (len >= 0)
			return -ESRCH;
		if (errno != EAGAIN)
			return -errno;
		ready = poll(&pollfd, 1, timeout_ms < 0 ? -1 : timeout_ms);
		if (ready < 0)
			return -errno;
		if (!ready)
			return -EAGAIN;
		if (!(pollfd.revents & POLLIN))
			return -ESRCH;
		if (timeout_ms > 0) {
			left = end - wf_now_ms();
			timeout_ms = left > 0 ? (int)left : 0;
		}
	}
}
