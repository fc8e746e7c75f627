/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The requests of /dev/wfpatch as the tests make them: raw system calls that return a negative
 * errno and touch neither errno nor anything else of the thread, so that a process which only
 * shares the memory of its parent can use them too.
 */
#ifndef STRESS_DEVICE_H
#define STRESS_DEVICE_H

#include <stdint.h>
#include <sys/syscall.h>

#include "wfpatch.h"

#define DEVICE_PATH "/dev/wfpatch"

static inline long raw_call(long nr, unsigned long a, unsigned long b, unsigned long c,
			    unsigned long d)
{
	register unsigned long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long device_call(int fd, unsigned long request, void *arg)
{
	return raw_call(SYS_ioctl, (unsigned long)fd, request, (unsigned long)arg, 0);
}

static inline long device_create(int fd, uint32_t parent, uint32_t *view)
{
	struct wfpatch_view_create arg = { .size = sizeof(arg), .parent = parent };
	long result = device_call(fd, WFPATCH_IOC_VIEW_CREATE, &arg);

	*view = arg.view;
	return result;
}

static inline long device_delete(int fd, uint32_t view)
{
	struct wfpatch_view_delete arg = { .size = sizeof(arg), .view = view };

	return device_call(fd, WFPATCH_IOC_VIEW_DELETE, &arg);
}

static inline long device_migrate(int fd, uint32_t view, uint32_t *previous)
{
	struct wfpatch_view_migrate arg = { .size = sizeof(arg), .view = view };
	long result = device_call(fd, WFPATCH_IOC_VIEW_MIGRATE, &arg);

	*previous = arg.previous;
	return result;
}

static inline long device_current(int fd, uint32_t *view)
{
	struct wfpatch_view_current arg = { .size = sizeof(arg) };
	long result = device_call(fd, WFPATCH_IOC_VIEW_CURRENT, &arg);

	*view = arg.view;
	return result;
}

static inline long device_io(int fd, unsigned long request, uint32_t view,
			     const struct wfpatch_seg *segs, uint32_t nr)
{
	struct wfpatch_view_io arg = {
		.size = sizeof(arg),
		.view = view,
		.nr_segs = nr,
		.segs = (uintptr_t)segs,
	};

	return device_call(fd, request, &arg);
}

static inline long device_range(int fd, unsigned long request, unsigned long addr,
				unsigned long len)
{
	struct wfpatch_range arg = { .size = sizeof(arg), .addr = addr, .len = len };

	return device_call(fd, request, &arg);
}

#endif /* STRESS_DEVICE_H */
