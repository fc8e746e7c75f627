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
 *	EPERM	the handle was opened by another process (it came with fork or over a socket), or it
 *		stands for one that the caller may not trace (any more)
 *	ESRCH	the process that the handle stands for has called exec or ended
 *	ENOTTY	no such request
 */
#ifndef _UAPI_WFPATCH_H
#define _UAPI_WFPATCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define WFPATCH_API_VERSION	2

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
 * @max_list: out: threads that LIST_THREADS and LIST_BLOCKED show at most
 * @caller_version: WFPATCH_API_VERSION that the caller was written for, or 0 if it does not say
 * @max_spans: out: spans of one TRANSITION
 * @reserved: 0
 * @max_stack: out: bytes of one stack that an AUTO transition reads
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
	__u32 max_spans;
	__u32 reserved;
	__u64 max_stack;
};

/**
 * struct wfpatch_attach - make the handle stand for another process (WFPATCH_IOC_ATTACH)
 * @size: sizeof(struct wfpatch_attach)
 * @flags: 0
 * @pidfd: file descriptor of the process, see pidfd_open(2)
 * @reserved: 0
 *
 * Allowed to whom ptrace(2) allows PTRACE_ATTACH, which is checked again at each request that follows.
 * The handle must be fresh: no ATTACH, no other request but INFO, and no mmap(2), read(2) or poll(2)
 * before. It does not keep the process alive. VIEW_MIGRATE and VIEW_CURRENT, which are about the calling thread, then give
 * EOPNOTSUPP.
 *
 * Errors: EBADF @pidfd is not a file descriptor of a process; ESRCH the process has ended; EPERM the
 * caller may not trace it; EINVAL it is the caller itself or a kernel thread; EBUSY the handle is not
 * fresh; ENOMEM; EINTR. Other requests give EBUSY while ATTACH is at work.
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
 * pinned; EBUSY an AUTO transition has not ended; ENOSPC INFO.max_ranges reached, or more than INFO.max_overlays pages in the range or in a
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
 * (livepatch), or ftrace is switched off; the kernel's log says which; EBUSY the last handle was closed
 * in an AUTO transition, and threads are on their way back to the base.
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
 * a transition that has not ended, or an AUTO one comes from it.
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
 * there. Errors: ENOENT no view @view; ENOMEM no memory; EOPNOTSUPP the process has an LDT; EBUSY the
 * view that the thread is in is being committed just now.
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
 * also RLIMIT_MEMLOCK would be exceeded; ENOSPC INFO.max_overlays reached; EBUSY an AUTO transition
 * comes from the view.
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
 * Every thread of the process must be in the view, and no transition on its way. What the view has
 * in place of the base's content is written to the base, copy on write as by a debugger: of a page
 * that can only be read, the bytes that VIEW_WRITE wrote; of one that can be written to, or that is
 * pinned, the whole page. Then the view is gone as by VIEW_DELETE, and every thread returns to the
 * base, wherever it is; at the last one there is a WFPATCH_EVENT_COMMITTED. Whatever a thread does
 * meanwhile, it runs the view's code. On an error the view is as it was.
 *
 * Errors: ENOENT no view @view; EINVAL @view is the base; EBUSY a thread is elsewhere, or a transition
 * has not ended; ENOMEM no memory; EFAULT
 * a page of the base cannot be written to, because its mapping has changed or its file is too short.
 */
struct wfpatch_view_commit {
	__u32 size;
	__u32 flags;
	__u32 view;
	__u32 reserved;
};

/* wfpatch_transition.flags: move threads when no span holds their instruction pointer or stack */
#define WFPATCH_TRANSITION_AUTO		(1U << 0)

/* wfpatch_transition.flags: have one thread run the code at @call; with WFPATCH_TRANSITION_AUTO */
#define WFPATCH_TRANSITION_CALL		(1U << 1)

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
 * @flags: 0, or WFPATCH_TRANSITION_AUTO, or that and WFPATCH_TRANSITION_CALL
 * @view: the target, 0 for the base; 0 with WFPATCH_TRANSITION_CALL
 * @nr_ranges: number of spans; 0 without WFPATCH_TRANSITION_AUTO
 * @ranges: address of an array of struct wfpatch_span; 0 without WFPATCH_TRANSITION_AUTO
 * @call: with WFPATCH_TRANSITION_CALL: address of code in the process; else 0
 *
 * Sets the target in the status page and counts it up there, and returns at once. When no thread of
 * the process is left outside the target, every handle gets a WFPATCH_EVENT_DONE. A later TRANSITION
 * takes the place of an earlier one; to cancel one is to begin one back to where it came from.
 *
 * Without WFPATCH_TRANSITION_AUTO threads migrate by themselves at their next wfpatch_quiesce().
 *
 * With it the kernel moves each thread as soon as neither its instruction pointer nor any register nor
 * any word on its user stack lies in one of the spans, asleep or not; none is woken, stopped or interrupted. The spans
 * name all code that one of the views has and the other has not, or that only one of them calls.
 * WFPATCH_SPAN_ENTRY says that @start is the entry of a function, that it is not entered by a jump from
 * itself or from another span (a loop that begins there, a tail call), and that the byte there may be taken for a trap until the transition has ended:
 * threads then also come over when they call it. Threads that a transition waits for are listed by
 * LIST_BLOCKED. If the last handle is closed before the view is committed, an AUTO transition is
 * taken back: threads return to the base by the same rule, and the views are freed behind them.
 *
 * With WFPATCH_TRANSITION_CALL as well, no thread changes its view for good: the first that calls one of
 * the functions with WFPATCH_SPAN_ENTRY, with none of its stack in a span and not from a signal handler, goes to
 * @call instead, as if by a jump from the entry, all registers as they were but for the stack pointer: it points to the
 * entry's address, which was pushed. What is there has to put all registers back, drop that word, and jump to
 * the entry. Other threads are not held up. After that the transition ends. It is one thread, once, of the process itself: no task
 * that only shares its memory (vfork). A process that nobody calls any of the functions in is
 * waited for until another TRANSITION, to the base, or the end of the last handle ends that.
 *
 * Errors: ENOENT no view @view; EBUSY threads are on their way by an AUTO transition, and this is not
 * one, or they are on their way to the base after VIEW_COMMIT or after the last handle was closed; EINVAL
 * spans without AUTO, AUTO without any, a span that is empty, overlaps another, ends beyond the address
 * space or has unknown flags, CALL without AUTO, to a view, without an entry or with a bad @call; E2BIG more than INFO.max_spans; EOPNOTSUPP AUTO for a 32-bit
 * process; EBUSY also CALL in a process that has views or pinned ranges; EFAULT a span with WFPATCH_SPAN_ENTRY is not mapped; ENOMEM; ENOSPC as for VIEW_CREATE (for
 * the traps); EIO as for VIEW_CREATE.
 */
struct wfpatch_transition {
	__u32 size;
	__u32 flags;
	__u32 view;
	__u32 nr_ranges;
	__u64 ranges;
	__u64 call;
};

/* wfpatch_map.flags: where there is room near @addr, if not there; see @distance */
#define WFPATCH_MAP_NEAR	(1U << 0)

/**
 * struct wfpatch_map - map a patch image into the process (WFPATCH_IOC_MAP)
 * @size: sizeof(struct wfpatch_map)
 * @flags: 0, or WFPATCH_MAP_NEAR
 * @fd: a memfd sealed against writing and shrinking, or a file; opened for reading
 * @prot: PROT_READ, PROT_READ | PROT_EXEC or PROT_READ | PROT_WRITE
 * @addr: where, page-aligned; out: where it is mapped
 * @len: bytes, a multiple of the page size, not 0
 * @offset: in the file, page-aligned
 * @distance: with WFPATCH_MAP_NEAR: how far from @addr any byte of it may be; else 0
 *
 * A private mapping of the process's own, shown by every view; made without stopping it, with the
 * caller's credentials for whatever the kernel checks, and the process's limits. If @addr cannot be
 * written back, nothing stays mapped. UNMAP undoes it.
 *
 * Errors: EBADF @fd is not open; EACCES it cannot be read, or a memfd is not sealed; EPERM the file
 * system does not allow execution, or the kernel's security modules refuse; ENODEV the file cannot be
 * mapped, or is no regular file; EINVAL @addr, @len or @offset is not aligned, @len is 0, another @prot,
 * @distance without WFPATCH_MAP_NEAR, or @offset is too large for the file; EEXIST something
 * is mapped there; ENOSPC no room within @distance; ENOMEM no memory, or a limit of the process
 * (RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, number of mappings), or no address of a process; EINTR.
 */
struct wfpatch_map {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 prot;
	__u64 addr;
	__u64 len;
	__u64 offset;
	__u64 distance;
};

/**
 * struct wfpatch_unmap - unmap memory of the process (WFPATCH_IOC_UNMAP)
 * @size: sizeof(struct wfpatch_unmap)
 * @flags: 0
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size, not 0
 *
 * As munmap(2). No thread may use the memory; TRANSITION with spans there tells when none does.
 * Errors: EINVAL @addr or @len is not aligned, @len is 0, or no addresses of a process; EPERM part of
 * it is sealed (mseal); ENOMEM no memory, or too many mappings; EINTR.
 */
struct wfpatch_unmap {
	__u32 size;
	__u32 flags;
	__u64 addr;
	__u64 len;
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
 * enum wfpatch_blocked_reason - why a thread was not moved when it was last looked at
 * @WFPATCH_BLOCKED_UNSEEN: it has not been looked at yet, or has been migrated elsewhere since
 * @WFPATCH_BLOCKED_IP: @ip lies in a span
 * @WFPATCH_BLOCKED_STACK: the word at @where of its stack lies in a span, or with 0 one in a register
 * @WFPATCH_BLOCKED_UNREADABLE: its stack could not be read at @where
 * @WFPATCH_BLOCKED_TOO_LARGE: there is more stack than INFO.max_stack bytes from @where on
 * @WFPATCH_BLOCKED_MEMORY: no memory for its record
 */
enum wfpatch_blocked_reason {
	WFPATCH_BLOCKED_UNSEEN = 0,
	WFPATCH_BLOCKED_IP = 1,
	WFPATCH_BLOCKED_STACK = 2,
	WFPATCH_BLOCKED_UNREADABLE = 3,
	WFPATCH_BLOCKED_TOO_LARGE = 4,
	WFPATCH_BLOCKED_MEMORY = 5,
};

/**
 * struct wfpatch_blocked_info - an entry of LIST_BLOCKED
 * @tid: thread id, in the caller's pid namespace
 * @view: the view that the thread runs in
 * @reason: enum wfpatch_blocked_reason
 * @looks: how often it was looked at in this transition
 * @ip: its user instruction pointer when it was last looked at
 * @where: address of the word, 0 if none
 * @word: the word
 * @comm: its name
 */
struct wfpatch_blocked_info {
	__s32 tid;
	__u32 view;
	__u32 reason;
	__u32 looks;
	__u64 ip;
	__u64 where;
	__u64 word;
	char comm[16];
};

/**
 * struct wfpatch_list - who is where (WFPATCH_IOC_LIST_VIEWS, _LIST_THREADS, _LIST_BLOCKED)
 * @size: sizeof(struct wfpatch_list)
 * @flags: 0
 * @nr: in: entries that the array has room for; out: entries written
 * @total: out: entries that there are
 * @entries: address of an array of struct wfpatch_view_info, struct wfpatch_thread_info or struct
 *	wfpatch_blocked_info; not used if @nr is 0
 *
 * LIST_VIEWS begins with the base and goes on in the order of ids. LIST_THREADS lists all threads
 * that share the address space, in no order; LIST_BLOCKED those that the transition under way waits
 * for, none if there is none. A list that does not fit is cut; @total says so.
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
#define WFPATCH_IOC_UNMAP		_IOWR(WFPATCH_IOC_MAGIC, 15, struct wfpatch_unmap)
#define WFPATCH_IOC_LIST_BLOCKED	_IOWR(WFPATCH_IOC_MAGIC, 16, struct wfpatch_list)

/**
 * enum wfpatch_event_type - what a struct wfpatch_event tells
 * @WFPATCH_EVENT_OVERFLOW: this handle's queue was full; @count events were dropped here
 * @WFPATCH_EVENT_MIGRATED: thread @tid went from @previous to @view
 * @WFPATCH_EVENT_DRAINED: the last thread left @view
 * @WFPATCH_EVENT_FREED: the deleted @view is freed
 * @WFPATCH_EVENT_DONE: every thread has come to @view, the target of the last transition;
 *	@count threads are there
 * @WFPATCH_EVENT_COMMITTED: @view has become the base, and every thread has returned there
 * @WFPATCH_EVENT_BLOCKED: thread @tid, in @view, has held up an AUTO transition for a second; @addr is
 *	its instruction pointer, or the word of its stack, that lies in a span. Told once a transition
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
 * ESRCH as for requests, of an attached handle EPERM to another process and ESRCH after the last one;
 * poll(2) shows POLLIN if there are some, POLLHUP once the process is gone, POLLERR to another process.
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
