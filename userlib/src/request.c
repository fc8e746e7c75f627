// SPDX-License-Identifier: LGPL-2.1-or-later
/* The requests of /dev/wfpatch, one call each: they fill in the struct and take the answer out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "internal.h"

int wf_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int wf_opts_copy(void *to, size_t to_size, const void *from)
{
	const unsigned char *bytes = from;
	size_t size, i;

	memset(to, 0, to_size);
	if (!from)
		return 0;
	memcpy(&size, from, sizeof(size));
	if (size < sizeof(size))
		return -EINVAL;
	for (i = to_size; i < size; i++) {
		if (bytes[i])
			return -E2BIG;
	}
	memcpy(to, from, size < to_size ? size : to_size);
	return 0;
}

int wfpatch_info(struct wfpatch *handle, struct wfpatch_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->caller_version = WFPATCH_API_VERSION;
	return wf_ioctl(handle->fd, WFPATCH_IOC_INFO, info);
}

int wfpatch_attach(struct wfpatch *handle, int pidfd)
{
	struct wfpatch_attach arg = { .size = sizeof(arg), .pidfd = pidfd };
	int err;

	/* wfpatch_quiesce() looks at the page of a handle to the program itself. */
	if (handle->quiesce)
		return -EINVAL;
	err = wf_ioctl(handle->fd, WFPATCH_IOC_ATTACH, &arg);
	if (!err)
		handle->attached = true;
	return err;
}

static int range_request(struct wfpatch *handle, unsigned long request, void *addr, size_t len)
{
	struct wfpatch_range arg = { .size = sizeof(arg), .addr = (uintptr_t)addr, .len = len };

	return wf_ioctl(handle->fd, request, &arg);
}

int wfpatch_pin(struct wfpatch *handle, void *addr, size_t len)
{
	return range_request(handle, WFPATCH_IOC_PIN, addr, len);
}

int wfpatch_unpin(struct wfpatch *handle, void *addr, size_t len)
{
	return range_request(handle, WFPATCH_IOC_UNPIN, addr, len);
}

int wfpatch_view_create(struct wfpatch *handle, unsigned int parent, unsigned int *view)
{
	struct wfpatch_view_create arg = { .size = sizeof(arg), .parent = parent };
	int err = wf_ioctl(handle->fd, WFPATCH_IOC_VIEW_CREATE, &arg);

	if (!err)
		*view = arg.view;
	return err;
}

int wfpatch_view_delete(struct wfpatch *handle, unsigned int view)
{
	struct wfpatch_view_delete arg = { .size = sizeof(arg), .view = view };

	return wf_ioctl(handle->fd, WFPATCH_IOC_VIEW_DELETE, &arg);
}

int wfpatch_view_migrate(struct wfpatch *handle, unsigned int view, unsigned int *previous)
{
	struct wfpatch_view_migrate arg = { .size = sizeof(arg), .view = view };
	int err = wf_ioctl(handle->fd, WFPATCH_IOC_VIEW_MIGRATE, &arg);

	if (!err && previous)
		*previous = arg.previous;
	return err;
}

int wfpatch_view_current(struct wfpatch *handle, unsigned int *view)
{
	struct wfpatch_view_current arg = { .size = sizeof(arg) };
	int err = wf_ioctl(handle->fd, WFPATCH_IOC_VIEW_CURRENT, &arg);

	if (!err)
		*view = arg.view;
	return err;
}

static int io_request(struct wfpatch *handle, unsigned long request, unsigned int view,
		      const struct wfpatch_seg *segs, unsigned int nr_segs)
{
	struct wfpatch_view_io arg = {
		.size = sizeof(arg),
		.view = view,
		.nr_segs = nr_segs,
		.segs = (uintptr_t)segs,
	};

	return wf_ioctl(handle->fd, request, &arg);
}

int wfpatch_view_writev(struct wfpatch *handle, unsigned int view, const struct wfpatch_seg *segs,
			unsigned int nr_segs)
{
	return io_request(handle, WFPATCH_IOC_VIEW_WRITE, view, segs, nr_segs);
}

int wfpatch_view_readv(struct wfpatch *handle, unsigned int view, const struct wfpatch_seg *segs,
		       unsigned int nr_segs)
{
	return io_request(handle, WFPATCH_IOC_VIEW_READ, view, segs, nr_segs);
}

int wfpatch_view_write(struct wfpatch *handle, unsigned int view, void *addr, const void *data,
		       size_t len)
{
	struct wfpatch_seg seg = { (uintptr_t)addr, (uintptr_t)data, len };

	return len ? wfpatch_view_writev(handle, view, &seg, 1) : -EINVAL;
}

int wfpatch_view_read(struct wfpatch *handle, unsigned int view, const void *addr, void *data,
		      size_t len)
{
	struct wfpatch_seg seg = { (uintptr_t)addr, (uintptr_t)data, len };

	return len ? wfpatch_view_readv(handle, view, &seg, 1) : -EINVAL;
}

int wfpatch_view_commit(struct wfpatch *handle, unsigned int view)
{
	struct wfpatch_view_commit arg = { .size = sizeof(arg), .view = view };

	return wf_ioctl(handle->fd, WFPATCH_IOC_VIEW_COMMIT, &arg);
}

int wfpatch_transition(struct wfpatch *handle, unsigned int view, unsigned int flags,
		       const struct wfpatch_span *spans, unsigned int nr_spans)
{
	struct wfpatch_transition arg = {
		.size = sizeof(arg),
		.flags = flags,
		.view = view,
		.nr_ranges = nr_spans,
		.ranges = (uintptr_t)spans,
	};

	return wf_ioctl(handle->fd, WFPATCH_IOC_TRANSITION, &arg);
}

int wfpatch_call(struct wfpatch *handle, const struct wfpatch_span *spans, unsigned int nr_spans,
		 unsigned long long call)
{
	struct wfpatch_transition arg = {
		.size = sizeof(arg),
		.flags = WFPATCH_TRANSITION_AUTO | WFPATCH_TRANSITION_CALL,
		.nr_ranges = nr_spans,
		.ranges = (uintptr_t)spans,
		.call = call,
	};

	return wf_ioctl(handle->fd, WFPATCH_IOC_TRANSITION, &arg);
}

int wfpatch_map(struct wfpatch *handle, int fd, void **addr, size_t len, int prot,
		unsigned long long offset, const struct wfpatch_map_opts *opts)
{
	struct wfpatch_map_opts o;
	struct wfpatch_map arg = {
		.size = sizeof(arg),
		.fd = fd,
		.prot = prot,
		.addr = (uintptr_t)*addr,
		.len = len,
		.offset = offset,
	};
	int err = wf_opts_copy(&o, sizeof(o), opts);

	if (err)
		return err;
	if (o.reserved)
		return -EINVAL;
	arg.flags = o.flags;
	arg.distance = o.distance;
	err = wf_ioctl(handle->fd, WFPATCH_IOC_MAP, &arg);
	if (!err)
		*addr = (void *)(uintptr_t)arg.addr;
	return err;
}

int wfpatch_unmap(struct wfpatch *handle, void *addr, size_t len)
{
	struct wfpatch_unmap arg = { .size = sizeof(arg), .addr = (uintptr_t)addr, .len = len };

	return wf_ioctl(handle->fd, WFPATCH_IOC_UNMAP, &arg);
}

static int list_request(struct wfpatch *handle, unsigned long request, void *entries,
			unsigned int room, unsigned int *total)
{
	struct wfpatch_list arg = {
		.size = sizeof(arg),
		.nr = room,
		.entries = room ? (uintptr_t)entries : 0,
	};
	int err = wf_ioctl(handle->fd, request, &arg);

	if (!err)
		*total = arg.total;
	return err;
}

int wfpatch_list_views(struct wfpatch *handle, struct wfpatch_view_info *views, unsigned int room,
		       unsigned int *total)
{
	return list_request(handle, WFPATCH_IOC_LIST_VIEWS, views, room, total);
}

int wfpatch_list_threads(struct wfpatch *handle, struct wfpatch_thread_info *threads,
			 unsigned int room, unsigned int *total)
{
	return list_request(handle, WFPATCH_IOC_LIST_THREADS, threads, room, total);
}

int wfpatch_list_blocked(struct wfpatch *handle, struct wfpatch_blocked_info *threads,
			 unsigned int room, unsigned int *total)
{
	return list_request(handle, WFPATCH_IOC_LIST_BLOCKED, threads, room, total);
}

int wf_view_find(struct wfpatch *handle, unsigned int view, struct wfpatch_view_info *info)
{
	struct wfpatch_view_info *views;
	unsigned int room = 16, total, i;
	int err;

	for (;;) {
		views = calloc(room, sizeof(*views));
		if (!views)
			return -ENOMEM;
		err = wfpatch_list_views(handle, views, room, &total);
		if (err || total <= room)
			break;
		free(views);
		room = total + 16;
	}
	for (i = 0; !err && i < total && views[i].view != view; i++)
		;
	if (!err && i == total)
		err = -ENOENT;
	if (!err)
		*info = views[i];
	free(views);
	return err;
}
