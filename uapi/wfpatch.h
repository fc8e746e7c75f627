/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Address-space views: the interface of /dev/wfpatch.
 *
 * One open file is a handle to one process. Every request is an ioctl on it whose argument points
 * to a struct that begins with its size and flags. A caller with a larger struct than the kernel
 * knows is served if the unknown tail is zero (else E2BIG); one with a smaller struct is served as
 * if the rest were zero. An unknown flag or a reserved field that is not zero gives EINVAL.
 * All fields have fixed widths, so that 32-bit and 64-bit programs share one layout.
 *
 * open(2) may give ENOMEM, and a process's first one EINTR if a signal is waiting for the thread.
 *
 * Errors that every request may give, besides those listed at it:
 *	EFAULT	the struct, or memory it points to, cannot be read or written
 *	EINVAL	@size is too small, an unknown flag is set, a reserved field is not zero
 *	E2BIG	@size is larger than known here and the unknown part is not zero, or larger than 4096
 *	EPERM	the handle was opened by another process (it came with fork or over a socket)
 *	ESRCH	the process that the handle stands for has called exec or ended
 *	ENOTTY	no such request
 */
#ifndef _UAPI_WFPATCH_H
#define _UAPI_WFPATCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define WFPATCH_API_VERSION	1

/* The view that every process has: its ordinary page tables. */
#define WFPATCH_BASE_VIEW	0

/* Bits of struct wfpatch_info.features */
#define WFPATCH_FEATURE_ATTACH		(1ULL << 0)	/* ATTACH */
#define WFPATCH_FEATURE_AUTO		(1ULL << 1)	/* TRANSITION with WFPATCH_TRANSITION_AUTO */
#define WFPATCH_FEATURE_MAP		(1ULL << 2)	/* MAP */
#define WFPATCH_FEATURE_COMMIT		(1ULL << 3)	/* VIEW_COMMIT */

/**
 * struct wfpatch_info - what this module can do on this kernel (WFPATCH_IOC_INFO)
 * @size: sizeof(struct wfpatch_info)
 * @flags: 0
 * @api_version: out: WFPATCH_API_VERSION of the module; grows with every addition to this interface
 * @max_views: out: views that one process may have at a time, the base not counted
 * @features: out: WFPATCH_FEATURE_... bits
 * @max_segs: out: segments of one VIEW_WRITE or VIEW_READ
 * @max_ranges: out: pinned ranges of one process
 * @max_io: out: bytes that one VIEW_WRITE or VIEW_READ may move, all segments together
 * @max_overlays: out: overlay pages that one view may have
 * @nr_views: out: views that the process has now
 * @max_live: out: views that one process may have together with deleted ones that are not freed yet
 * @max_events: out: events that wait on one handle before WFPATCH_EVENT_OVERFLOW
 * @max_list: out: threads that LIST_THREADS shows at most
 * @caller_version: WFPATCH_API_VERSION that the caller was written for, or 0 if it does not say
 *
 * A caller that was written for a later interface than the module's is served as far as the module
 * goes; it sees by @api_version what it cannot ask for.
 *
 * Errors: EPROTONOSUPPORT @caller_version is not 0 and so old that the module does not serve it.
 */
struct wfpatch_info {
	__u32 size;
	__u32 flags;
	__u32 api_version;
	__u32 max_views;
	__u64 features;
	__u32 max_segs;
	__u32 max_ranges;
	__u64 max_io;
	__u32 max_overlays;
	__u32 nr_views;
	__u32 max_live;
	__u32 max_events;
	__u32 max_list;
	__u32 caller_version;
};

/**
 * struct wfpatch_attach - make the handle stand for another process (WFPATCH_IOC_ATTACH)
 * @size: sizeof(struct wfpatch_attach)
 * @flags: 0
 * @pidfd: file descriptor of the process, see pidfd_open(2)
 * @reserved: 0
 *
 * Errors: EOPNOTSUPP always, as long as INFO does not show WFPATCH_FEATURE_ATTACH.
 */
struct wfpatch_attach {
	__u32 size;
	__u32 flags;
	__s32 pidfd;
	__u32 reserved;
};

/**
 * struct wfpatch_range - memory to make view-local or shared again (WFPATCH_IOC_PIN, _UNPIN)
 * @size: sizeof(struct wfpatch_range)
 * @flags: 0
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size, not 0
 *
 * In a pinned range a store by a thread changes only the view that the thread runs in. Every view
 * gets its own copy of the pages of writable mappings at once: an existing view by PIN, a later one
 * by VIEW_CREATE. Pages of mappings that cannot be written cost nothing until they become writable.
 * UNPIN takes a range, or part of one, back: its pages are the base's again in every view, except
 * pages that VIEW_WRITE has written.
 *
 * Errors of both: EINVAL @addr or @len is not aligned, @len is 0, or the range wraps around; ENOMEM
 * no memory.
 *
 * Errors of PIN: ENOMEM also part of the range is not mapped, or RLIMIT_MEMLOCK would be exceeded;
 * EACCES part of it is a shared mapping; EOPNOTSUPP part of it is a mapping of a device, of the
 * kernel's, such as the vdso, or of hugetlb pages that cannot be written; EEXIST part of it is
 * pinned; ENOSPC INFO.max_ranges reached, or more than INFO.max_overlays pages in the range or in a
 * view.
 *
 * Errors of UNPIN: ENOENT part of the range is not pinned; ENOSPC a pinned range would become two,
 * and there are INFO.max_ranges.
 */
struct wfpatch_range {
	__u32 size;
	__u32 flags;
	__u64 addr;
	__u64 len;
};

/**
 * struct wfpatch_view_create - make a view (WFPATCH_IOC_VIEW_CREATE)
 * @size: sizeof(struct wfpatch_view_create)
 * @flags: 0
 * @parent: view whose overlay pages the new one begins with; 0 for none
 * @view: out: id of the new view, from 1 on, not used again in this process
 *
 * The new view also gets its copies of pinned ranges. If its id cannot be written back, there is no
 * view. Errors: ENOENT no view @parent; ENOSPC INFO.max_views reached, or twice as many with those
 * that are deleted and not freed yet, or no ids are left, or the copies would be more than
 * INFO.max_overlays pages; ENOMEM no memory, or RLIMIT_MEMLOCK would be exceeded; EOPNOTSUPP the
 * process has an LDT; EIO the kernel's functions cannot be hooked: someone else redirects one of them
 * (livepatch), or ftrace is switched off; the kernel's log says which.
 */
struct wfpatch_view_create {
	__u32 size;
	__u32 flags;
	__u32 parent;
	__u32 view;
};

/**
 * struct wfpatch_view_delete - delete a view (WFPATCH_IOC_VIEW_DELETE)
 * @size: sizeof(struct wfpatch_view_delete)
 * @flags: 0
 * @view: the view
 * @reserved: 0
 *
 * The view is gone at once for everything but the threads that run in it; it is freed after the last
 * of them has left. Errors: ENOENT no view @view; EINVAL @view is the base; EBUSY it is the target of
 * a transition that has not ended.
 */
struct wfpatch_view_delete {
	__u32 size;
	__u32 flags;
	__u32 view;
	__u32 reserved;
};

/**
 * struct wfpatch_view_migrate - move the calling thread to a view (WFPATCH_IOC_VIEW_MIGRATE)
 * @size: sizeof(struct wfpatch_view_migrate)
 * @flags: 0
 * @view: the view to run in, 0 for the base
 * @previous: out: the view that the thread ran in before
 *
 * On any error the thread stays where it is; if @previous cannot be written back, it goes back
 * there. Errors: ENOENT no view @view; ENOMEM no memory; EOPNOTSUPP the process has an LDT.
 */
struct wfpatch_view_migrate {
	__u32 size;
	__u32 flags;
	__u32 view;
	__u32 previous;
};

/**
 * struct wfpatch_view_current - the calling thread's view (WFPATCH_IOC_VIEW_CURRENT)
 * @size: sizeof(struct wfpatch_view_current)
 * @flags: 0
 * @view: out: the view that the thread runs in
 * @reserved: 0
 */
struct wfpatch_view_current {
	__u32 size;
	__u32 flags;
	__u32 view;
	__u32 reserved;
};

/**
 * struct wfpatch_seg - one piece of memory of a VIEW_WRITE or VIEW_READ
 * @addr: address in the view
 * @data: address of the caller's buffer
 * @len: bytes, may be 0; no alignment is asked for
 */
struct wfpatch_seg {
	__u64 addr;
	__u64 data;
	__u64 len;
};

/**
 * struct wfpatch_view_io - write or read a view's memory (WFPATCH_IOC_VIEW_WRITE, _VIEW_READ)
 * @size: sizeof(struct wfpatch_view_io)
 * @flags: 0
 * @view: the view; 0 (the base) for VIEW_READ only
 * @nr_segs: number of segments, not 0
 * @segs: address of an array of struct wfpatch_seg
 *
 * A write makes overlay pages in place of the base's and needs no writable mapping. All segments
 * are written, or none; threads that run in the view see each page change as a whole. Where
 * segments overlap, the later one wins.
 *
 * Errors of both: ENOENT no view @view; EINVAL @nr_segs is 0, or a segment wraps around; E2BIG more
 * than INFO.max_segs segments or INFO.max_io bytes; EFAULT the caller's buffer or the view's memory
 * is not accessible (not mapped, a kernel address, the vsyscall page); ENOMEM no memory.
 *
 * Errors of VIEW_WRITE: EINVAL also @view is the base; EACCES a shared mapping; EOPNOTSUPP a mapping
 * of a device, of the kernel's, such as the vdso, or of hugetlb pages that cannot be written; ENOMEM
 * also RLIMIT_MEMLOCK would be exceeded; ENOSPC INFO.max_overlays reached.
 */
struct wfpatch_view_io {
	__u32 size;
	__u32 flags;
	__u32 view;
	__u32 nr_segs;
	__u64 segs;
};

/**
 * struct wfpatch_view_commit - make a view the base (WFPATCH_IOC_VIEW_COMMIT)
 * @size: sizeof(struct wfpatch_view_commit)
 * @flags: 0
 * @view: the view
 * @reserved: 0
 *
 * Errors: EOPNOTSUPP always, as long as INFO does not show WFPATCH_FEATURE_COMMIT.
 */
struct wfpatch_view_commit {
	__u32 size;
	__u32 flags;
	__u32 view;
	__u32 reserved;
};

/* wfpatch_transition.flags: move threads when no span holds their instruction pointer or stack */
#define WFPATCH_TRANSITION_AUTO		(1U << 0)

/* wfpatch_span.flags: @start is a function's entry */
#define WFPATCH_SPAN_ENTRY		(1U << 0)

/**
 * struct wfpatch_span - code that a transition replaces
 * @start: first byte
 * @end: byte after the last
 * @flags: WFPATCH_SPAN_... bits
 * @reserved: 0
 */
struct wfpatch_span {
	__u64 start;
	__u64 end;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct wfpatch_transition - ask every thread to come to a view (WFPATCH_IOC_TRANSITION)
 * @size: sizeof(struct wfpatch_transition)
 * @flags: 0, or WFPATCH_TRANSITION_AUTO
 * @view: the target, 0 for the base
 * @nr_ranges: number of spans; 0 without WFPATCH_TRANSITION_AUTO
 * @ranges: address of an array of struct wfpatch_span; 0 without WFPATCH_TRANSITION_AUTO
 *
 * Sets the target in the status page and counts it up there; threads migrate by themselves at their
 * next wfpatch_quiesce(). Returns at once. When no thread of the process is left outside the target,
 * every handle gets a WFPATCH_EVENT_DONE. A later TRANSITION takes the place of an earlier one.
 *
 * Errors: ENOENT no view @view; EOPNOTSUPP WFPATCH_TRANSITION_AUTO, as long as INFO does not show
 * WFPATCH_FEATURE_AUTO; EINVAL spans without it.
 */
struct wfpatch_transition {
	__u32 size;
	__u32 flags;
	__u32 view;
	__u32 nr_ranges;
	__u64 ranges;
};

/**
 * struct wfpatch_map - map a patch image into the process (WFPATCH_IOC_MAP)
 * @size: sizeof(struct wfpatch_map)
 * @flags: 0
 * @fd: a sealed memfd or a file
 * @prot: PROT_... bits
 * @addr: where, page-aligned
 * @len: bytes
 * @offset: in the file, page-aligned
 *
 * Errors: EOPNOTSUPP always, as long as INFO does not show WFPATCH_FEATURE_MAP.
 */
struct wfpatch_map {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 prot;
	__u64 addr;
	__u64 len;
	__u64 offset;
};

/* Bits of struct wfpatch_view_info.flags */
#define WFPATCH_VIEW_TARGET	(1U << 0)	/* target of the last transition */
#define WFPATCH_VIEW_DELETED	(1U << 1)	/* deleted, threads still run in it */

/**
 * struct wfpatch_view_info - an entry of LIST_VIEWS
 * @view: id
 * @parent: id of the view it was made from, 0 for the base; that view may be gone
 * @flags: WFPATCH_VIEW_... bits
 * @nr_threads: threads that run in it
 * @nr_overlays: pages of its own, those shared with other views included
 */
struct wfpatch_view_info {
	__u32 view;
	__u32 parent;
	__u32 flags;
	__u32 nr_threads;
	__u64 nr_overlays;
};

/**
 * struct wfpatch_thread_info - an entry of LIST_THREADS
 * @tid: thread id, in the caller's pid namespace
 * @view: the view that the thread runs in
 */
struct wfpatch_thread_info {
	__s32 tid;
	__u32 view;
};

/**
 * struct wfpatch_list - who is where (WFPATCH_IOC_LIST_VIEWS, _LIST_THREADS)
 * @size: sizeof(struct wfpatch_list)
 * @flags: 0
 * @nr: in: entries that the array has room for; out: entries written
 * @total: out: entries that there are
 * @entries: address of an array of struct wfpatch_view_info or struct wfpatch_thread_info; not
 *	used if @nr is 0
 *
 * LIST_VIEWS begins with the base and goes on in the order of ids. LIST_THREADS lists all threads
 * that share the address space, in no order. A list that does not fit is cut; @total says so.
 * Errors: ENOMEM no memory.
 */
struct wfpatch_list {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 total;
	__u64 entries;
};

#define WFPATCH_IOC_MAGIC		0xf7

#define WFPATCH_IOC_INFO		_IOWR(WFPATCH_IOC_MAGIC, 0, struct wfpatch_info)
#define WFPATCH_IOC_ATTACH		_IOWR(WFPATCH_IOC_MAGIC, 1, struct wfpatch_attach)
#define WFPATCH_IOC_PIN			_IOWR(WFPATCH_IOC_MAGIC, 2, struct wfpatch_range)
#define WFPATCH_IOC_UNPIN		_IOWR(WFPATCH_IOC_MAGIC, 3, struct wfpatch_range)
#define WFPATCH_IOC_VIEW_CREATE		_IOWR(WFPATCH_IOC_MAGIC, 4, struct wfpatch_view_create)
#define WFPATCH_IOC_VIEW_DELETE		_IOWR(WFPATCH_IOC_MAGIC, 5, struct wfpatch_view_delete)
#define WFPATCH_IOC_VIEW_MIGRATE	_IOWR(WFPATCH_IOC_MAGIC, 6, struct wfpatch_view_migrate)
#define WFPATCH_IOC_VIEW_CURRENT	_IOWR(WFPATCH_IOC_MAGIC, 7, struct wfpatch_view_current)
#define WFPATCH_IOC_VIEW_WRITE		_IOWR(WFPATCH_IOC_MAGIC, 8, struct wfpatch_view_io)
#define WFPATCH_IOC_VIEW_READ		_IOWR(WFPATCH_IOC_MAGIC, 9, struct wfpatch_view_io)
#define WFPATCH_IOC_VIEW_COMMIT		_IOWR(WFPATCH_IOC_MAGIC, 10, struct wfpatch_view_commit)
#define WFPATCH_IOC_TRANSITION		_IOWR(WFPATCH_IOC_MAGIC, 11, struct wfpatch_transition)
#define WFPATCH_IOC_MAP			_IOWR(WFPATCH_IOC_MAGIC, 12, struct wfpatch_map)
#define WFPATCH_IOC_LIST_VIEWS		_IOWR(WFPATCH_IOC_MAGIC, 13, struct wfpatch_list)
#define WFPATCH_IOC_LIST_THREADS	_IOWR(WFPATCH_IOC_MAGIC, 14, struct wfpatch_list)

/**
 * enum wfpatch_event_type - what a struct wfpatch_event tells
 * @WFPATCH_EVENT_OVERFLOW: this handle's queue was full; @count events were dropped here
 * @WFPATCH_EVENT_MIGRATED: thread @tid went from @previous to @view
 * @WFPATCH_EVENT_DRAINED: the last thread left @view
 * @WFPATCH_EVENT_FREED: the deleted @view is freed
 * @WFPATCH_EVENT_DONE: every thread has come to @view, the target of the last transition;
 *	@count threads are there
 * @WFPATCH_EVENT_COMMITTED: @view has become the base (not sent yet)
 * @WFPATCH_EVENT_BLOCKED: thread @tid holds up a transition at @addr (not sent yet)
 * @WFPATCH_EVENT_HOOKS_LOST: thread @tid was found running in another view than @view, because a
 *	hook of the module did not run, which is a fault of the kernel's; it was put right
 */
enum wfpatch_event_type {
	WFPATCH_EVENT_OVERFLOW = 1,
	WFPATCH_EVENT_MIGRATED = 2,
	WFPATCH_EVENT_DRAINED = 3,
	WFPATCH_EVENT_FREED = 4,
	WFPATCH_EVENT_DONE = 5,
	WFPATCH_EVENT_COMMITTED = 6,
	WFPATCH_EVENT_BLOCKED = 7,
	WFPATCH_EVENT_HOOKS_LOST = 8,
};

/**
 * struct wfpatch_event - what read(2) on the handle returns: as many whole records as fit
 * @type: enum wfpatch_event_type
 * @view: the view it is about
 * @previous: the view before
 * @tid: thread id, in the thread's own pid namespace (what its gettid() returns); 0 if none
 * @addr: an address, 0 if none
 * @count: a number, 0 if none
 *
 * read(2) gives EAGAIN if there is none and the handle is non-blocking, EINTR if a signal came while
 * it waited, EINVAL if the buffer is too small for one, EFAULT if it cannot be written, EPERM and
 * ESRCH as for requests; poll(2) shows POLLIN if there are some, POLLHUP once the process is gone,
 * POLLERR to another process.
 */
struct wfpatch_event {
	__u32 type;
	__u32 view;
	__u32 previous;
	__s32 tid;
	__u64 addr;
	__u64 count;
};

/**
 * struct wfpatch_status - the page that mmap(2) of the handle at offset 0 gives (read-only, shared)
 * @seq: counted up by every TRANSITION, after the change of @target; 1 when the page comes into
 *	being, never 0
 * @target: the view that threads are asked to come to; 0, without a new @seq, once that is deleted
 * @nr_views: views that the process has now
 * @pending: threads that were not in @target when last counted; 0 once the transition is done
 *
 * mmap(2) gives EINVAL for another offset or length or a private mapping, EACCES for a writable or
 * executable one, EPERM and ESRCH as for requests, ENOMEM.
 */
struct wfpatch_status {
	__u32 seq;
	__u32 target;
	__u32 nr_views;
	__u32 pending;
};

#endif /* _UAPI_WFPATCH_H */
