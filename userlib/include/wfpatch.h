/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libwfpatch: change the code of the running program, thread by thread, without stopping it.
 *
 * Every call returns 0 or a negative errno (unless it says otherwise), prints nothing and never
 * ends the program. Addresses are those of the handle's process, which is the calling one but for
 * wfpatch_attach(). The errors that every request to
 * the kernel may give are listed in <wfpatch/uapi.h>: EFAULT, EINVAL, E2BIG, EPERM, ESRCH, ENOTTY;
 * those named here come on top.
 */
#ifndef WFPATCH_H
#define WFPATCH_H

#include <stddef.h>
#include "wfpatch/uapi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WFPATCH_API __attribute__((visibility("default")))

/**
 * struct wfpatch - a handle: one open /dev/wfpatch
 *
 * A handle belongs to the process that opened it, whatever process it stands for. A forked child may
 * only close it.
 */
struct wfpatch;

/*
 * Optional arguments are structs that begin with their own size, so that they can grow. Fields that
 * are not named are 0, which always means the default; NULL in place of a struct means all
 * defaults. In C: WFPATCH_OPTS(wfpatch_wait_opts, opts, .timeout_ms = 500);
 * Errors: EINVAL the size is less than a size_t, or a flag is not known; E2BIG it is larger than the
 * library knows, and the part that it does not know is not zero.
 */
#define WFPATCH_OPTS(type, name, ...) \
	struct type name = { .sz = sizeof(struct type), ##__VA_ARGS__ }

/* --- handle ---------------------------------------------------------------------------------- */

/* wfpatch_open_opts.flags: this handle has no part in wfpatch_quiesce() */
#define WFPATCH_OPEN_NO_QUIESCE	(1U << 0)

/**
 * struct wfpatch_open_opts - for wfpatch_open()
 * @sz: sizeof(struct wfpatch_open_opts)
 * @path: the device, "/dev/wfpatch" if NULL
 * @flags: WFPATCH_OPEN_... bits
 * @reserved: 0
 * @message: out, if it is not NULL and these options are right but opening fails: what is wrong and
 *	what can be done, one line without an end of line
 * @message_size: bytes of @message, its final 0 included
 */
struct wfpatch_open_opts {
	size_t sz;
	const char *path;
	unsigned int flags;
	unsigned int reserved;
	char *message;
	size_t message_size;
};

/**
 * wfpatch_open() - open a handle to the calling process
 * @handle: out: the handle; unchanged on error
 * @opts: or NULL
 *
 * From the first open handle to the closing of the last one, wfpatch_quiesce() follows the
 * transitions of the process. Errors: those of open(2) and mmap(2), among them ENOENT and ENXIO
 * when the module is not loaded, and EINTR, for the first handle only, when a signal is waiting;
 * ENOMEM; EOPNOTSUPP the loaded module is too old for the library; EPROTONOSUPPORT the library is
 * too old for the module; EPROTO wfpatch_status_page does not have a page for itself, because of the
 * way in which the program was linked.
 */
WFPATCH_API int wfpatch_open(struct wfpatch **handle, const struct wfpatch_open_opts *opts);

/**
 * wfpatch_close() - close a handle
 * @handle: the handle, or NULL
 *
 * With the last handle of a process all its views are deleted; threads that run in one stay there
 * until they end. To leave nothing behind, come to the base first: wfpatch_switch(handle, 0, NULL).
 */
WFPATCH_API void wfpatch_close(struct wfpatch *handle);

/**
 * wfpatch_fd() - the file descriptor of a handle, for poll(2)
 * @handle: the handle
 *
 * It is non-blocking and close-on-exec. It shows POLLIN when there are events, POLLHUP once the
 * process is gone.
 * Returns the file descriptor; it stays the handle's.
 */
WFPATCH_API int wfpatch_fd(const struct wfpatch *handle);

/**
 * wfpatch_status() - the status page of the process, kept up to date by the kernel
 * @handle: the handle
 *
 * Read @seq with acquire semantics, and before the other fields. For a handle that was opened with
 * WFPATCH_OPEN_NO_QUIESCE the page is mapped by the first call, after which the handle cannot be
 * attached any more.
 * Returns a read-only pointer, valid until wfpatch_close(); NULL if the page cannot be mapped.
 */
WFPATCH_API const volatile struct wfpatch_status *wfpatch_status(const struct wfpatch *handle);

/**
 * wfpatch_info() - versions, features and limits of the module
 * @handle: the handle
 * @info: out; size and flags are set by the library
 */
WFPATCH_API int wfpatch_info(struct wfpatch *handle, struct wfpatch_info *info);

/**
 * wfpatch_attach() - make the handle stand for another process
 * @handle: the handle, opened with WFPATCH_OPEN_NO_QUIESCE and not used since but for wfpatch_info()
 * @pidfd: see pidfd_open(2)
 *
 * Allowed to whom ptrace(2) allows to attach, which is checked again by each call that follows: EPERM
 * then, and ESRCH when the process has called exec or ended. The handle does not keep it alive.
 * wfpatch_view_migrate() and wfpatch_view_current(), which are about the calling thread, then give
 * EOPNOTSUPP, as do wfpatch_redirect() and wfpatch_unredirect(), which look at its code.
 * Errors: EINVAL the handle was opened without WFPATCH_OPEN_NO_QUIESCE, or the process is the calling
 * one or a kernel thread; EBADF @pidfd is not a file descriptor of a process; ESRCH the process has
 * ended; EPERM it may not be traced; EBUSY the handle was used; ENOMEM; EINTR. On any error the handle
 * is as before.
 */
WFPATCH_API int wfpatch_attach(struct wfpatch *handle, int pidfd);

/* --- views ----------------------------------------------------------------------------------- */

/**
 * wfpatch_view_create() - make a view
 * @handle: the handle
 * @parent: view whose overlay pages it begins with, 0 for none
 * @view: out: its id, from 1 on
 *
 * The view also gets its copies of pinned memory.
 * Errors: ENOENT no view @parent; ENOSPC wfpatch_info.max_views reached, or twice as many with
 * those that are deleted and not freed yet, or no ids are left, or the copies would be more than
 * wfpatch_info.max_overlays pages; ENOMEM no memory, or RLIMIT_MEMLOCK; EOPNOTSUPP the process has
 * an LDT; EIO the kernel's functions cannot be hooked: someone else redirects one of them (livepatch),
 * or ftrace is switched off; the kernel's log says which.
 */
WFPATCH_API int wfpatch_view_create(struct wfpatch *handle, unsigned int parent,
				    unsigned int *view);

/**
 * wfpatch_view_delete() - delete a view; it is freed after the last thread has left it
 * @handle: the handle
 * @view: the view
 *
 * Errors: ENOENT no view @view; EINVAL @view is the base; EBUSY it is the target of a transition
 * that has not ended.
 */
WFPATCH_API int wfpatch_view_delete(struct wfpatch *handle, unsigned int view);

/**
 * wfpatch_view_migrate() - move the calling thread, now and whatever the target is
 * @handle: the handle
 * @view: the view to run in, 0 for the base
 * @previous: out: the view it ran in before; or NULL
 *
 * The caller must not be inside a function whose code differs between the two views.
 * Errors: ENOENT no view @view; ENOMEM; EOPNOTSUPP the process has an LDT. On any error the thread
 * stays where it is.
 */
WFPATCH_API int wfpatch_view_migrate(struct wfpatch *handle, unsigned int view,
				     unsigned int *previous);

/**
 * wfpatch_view_current() - the view that the calling thread runs in
 * @handle: the handle
 * @view: out
 */
WFPATCH_API int wfpatch_view_current(struct wfpatch *handle, unsigned int *view);

/**
 * wfpatch_view_write() - change memory in one view only
 * @handle: the handle
 * @view: the view; not the base
 * @addr: first byte to change; the mapping need not be writable
 * @data: what to write
 * @len: bytes, not 0
 *
 * Errors: ENOENT no view @view; EINVAL @view is the base, @len is 0, or the range wraps around;
 * E2BIG more than wfpatch_info.max_io bytes; EFAULT @data or @addr is not accessible; EACCES @addr
 * is in a shared mapping; EOPNOTSUPP it is in a mapping of a device, of the kernel's, such as the
 * vdso, or of hugetlb pages that cannot be written; ENOMEM no memory, or RLIMIT_MEMLOCK; ENOSPC
 * wfpatch_info.max_overlays reached. On any error nothing is changed.
 */
WFPATCH_API int wfpatch_view_write(struct wfpatch *handle, unsigned int view, void *addr,
				   const void *data, size_t len);

/**
 * wfpatch_view_read() - read memory as a view shows it
 * @handle: the handle
 * @view: the view, 0 for the base
 * @addr: first byte to read
 * @data: out: @len bytes
 * @len: bytes, not 0
 *
 * Errors: ENOENT, E2BIG, EFAULT as for wfpatch_view_write(); EINVAL @len is 0, or the range wraps
 * around; ENOMEM no memory.
 */
WFPATCH_API int wfpatch_view_read(struct wfpatch *handle, unsigned int view, const void *addr,
				  void *data, size_t len);

/**
 * wfpatch_view_writev() - wfpatch_view_write() of several pieces: all of them, or none
 * @handle: the handle
 * @view: the view; not the base
 * @segs: array of the pieces; where they overlap, the later one wins
 * @nr_segs: their number, from 1 to wfpatch_info.max_segs
 *
 * Errors: those of wfpatch_view_write(), but for a @len of 0, which is good here; EINVAL also
 * @nr_segs is 0; E2BIG also more than wfpatch_info.max_segs pieces.
 */
WFPATCH_API int wfpatch_view_writev(struct wfpatch *handle, unsigned int view,
				    const struct wfpatch_seg *segs, unsigned int nr_segs);

/**
 * wfpatch_view_readv() - wfpatch_view_read() of several pieces
 * @handle: the handle
 * @view: the view, 0 for the base
 * @segs: array of the pieces
 * @nr_segs: their number, from 1 to wfpatch_info.max_segs
 *
 * Errors: those of wfpatch_view_read(), but for a @len of 0, which is good here; EINVAL also
 * @nr_segs is 0; E2BIG also more than wfpatch_info.max_segs pieces.
 */
WFPATCH_API int wfpatch_view_readv(struct wfpatch *handle, unsigned int view,
				   const struct wfpatch_seg *segs, unsigned int nr_segs);

/**
 * wfpatch_view_commit() - make a view the base
 * @handle: the handle
 * @view: the view
 *
 * What the view has in place of the base's content becomes the base's, and all threads return there,
 * running the same code meanwhile; WFPATCH_EVENT_COMMITTED tells that the last one has. On any error
 * nothing is changed.
 * Errors: ENOENT no view @view; EINVAL @view is the base; EBUSY a thread is in another view, or a
 * transition has not ended; ENOMEM; EFAULT a page of the base cannot be written to.
 */
WFPATCH_API int wfpatch_view_commit(struct wfpatch *handle, unsigned int view);

/**
 * wfpatch_pin() - make memory view-local: a store changes only the view of the thread that stores
 * @handle: the handle
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size, not 0
 *
 * Errors: EINVAL @addr or @len is not aligned, @len is 0, or the range wraps around; ENOMEM part of
 * it is not mapped, no memory, or RLIMIT_MEMLOCK; EACCES part of it is a shared mapping; EOPNOTSUPP
 * part of it is a mapping of a device, of the kernel's, such as the vdso, or of hugetlb pages that
 * cannot be written; EEXIST part of it is pinned; ENOSPC wfpatch_info.max_ranges reached, or more
 * than wfpatch_info.max_overlays pages in the range or in a view.
 */
WFPATCH_API int wfpatch_pin(struct wfpatch *handle, void *addr, size_t len);

/**
 * wfpatch_unpin() - make pinned memory shared again: every view shows the base's content
 * @handle: the handle
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size, not 0
 *
 * Errors: EINVAL as for wfpatch_pin(); ENOENT part of it is not pinned; ENOSPC a pinned range would
 * become two, and there are wfpatch_info.max_ranges; ENOMEM no memory.
 */
WFPATCH_API int wfpatch_unpin(struct wfpatch *handle, void *addr, size_t len);

/**
 * struct wfpatch_map_opts - for wfpatch_map()
 * @sz: sizeof(struct wfpatch_map_opts)
 * @distance: with WFPATCH_MAP_NEAR: bytes from the wanted address that any byte may be away
 * @flags: 0, or WFPATCH_MAP_NEAR: where there is room near the wanted address, if not there
 * @reserved: 0
 */
struct wfpatch_map_opts {
	size_t sz;
	unsigned long long distance;
	unsigned int flags;
	unsigned int reserved;
};

/**
 * wfpatch_map() - map a patch image into the handle's process, without stopping it
 * @handle: the handle
 * @fd: a memfd sealed against writing and shrinking (F_SEAL_WRITE, F_SEAL_SHRINK), or a file
 * @addr: in: where, page-aligned; out: where it is. Unchanged on error
 * @len: bytes, a multiple of the page size, not 0
 * @prot: PROT_READ, PROT_READ | PROT_EXEC or PROT_READ | PROT_WRITE
 * @offset: in the file, page-aligned
 * @opts: or NULL
 *
 * A private mapping of the process's own, which every view shows. The caller's rights decide, and the
 * process's limits.
 * Errors: EBADF @fd is not open; EACCES it cannot be read, or a memfd is not sealed; EPERM the file
 * system does not allow execution, or the kernel's security modules refuse; ENODEV the file cannot be
 * mapped; EINVAL *@addr, @len or @offset is not aligned, @len is 0, or another @prot; EEXIST something
 * is mapped there; ENOSPC no room within @distance; ENOMEM no memory, or a limit of the process.
 */
WFPATCH_API int wfpatch_map(struct wfpatch *handle, int fd, void **addr, size_t len, int prot,
			    unsigned long long offset, const struct wfpatch_map_opts *opts);

/**
 * wfpatch_unmap() - unmap memory of the handle's process, as munmap(2)
 * @handle: the handle
 * @addr: first byte, page-aligned
 * @len: bytes, a multiple of the page size, not 0
 *
 * Errors: EINVAL @addr or @len is not aligned, or @len is 0; EPERM part of it is sealed (mseal);
 * ENOMEM no memory, or too many mappings.
 */
WFPATCH_API int wfpatch_unmap(struct wfpatch *handle, void *addr, size_t len);

/* --- who is where, and what happened ----------------------------------------------------------- */

/**
 * wfpatch_list_views() - the views of the process, the base first, then in the order of ids
 * @handle: the handle
 * @views: out: array of @room entries; not used if @room is 0
 * @room: entries that fit
 * @total: out: views that there are; if more than @room, only the first @room are in @views
 *
 * Errors: ENOMEM.
 */
WFPATCH_API int wfpatch_list_views(struct wfpatch *handle, struct wfpatch_view_info *views,
				   unsigned int room, unsigned int *total);

/**
 * wfpatch_list_threads() - the threads of the process and their views, in no order
 * @handle: the handle
 * @threads: out: array of @room entries; not used if @room is 0
 * @room: entries that fit
 * @total: out: threads that there are; if more than @room, only @room of them are in @threads
 *
 * Errors: ENOMEM.
 */
WFPATCH_API int wfpatch_list_threads(struct wfpatch *handle, struct wfpatch_thread_info *threads,
				     unsigned int room, unsigned int *total);

/**
 * wfpatch_list_blocked() - the threads that the transition under way waits for, and why
 * @handle: the handle
 * @threads: out: array of @room entries; not used if @room is 0
 * @room: entries that fit
 * @total: out: threads that it waits for, 0 without a transition; if more than @room, only @room of
 *	them are in @threads
 *
 * Errors: ENOMEM.
 */
WFPATCH_API int wfpatch_list_blocked(struct wfpatch *handle, struct wfpatch_blocked_info *threads,
				     unsigned int room, unsigned int *total);

/**
 * wfpatch_next_event() - take the next event of this handle
 * @handle: the handle
 * @event: out
 * @timeout_ms: milliseconds to wait for one; 0 not to wait, negative to wait without end
 *
 * Every handle gets every event. wfpatch_finish(), wfpatch_switch() and wfpatch_wait() take those of
 * their handle: to read events beside them, open a second one.
 * Errors: EAGAIN there was none in time; ESRCH there are none and the process is gone; EINTR.
 */
WFPATCH_API int wfpatch_next_event(struct wfpatch *handle, struct wfpatch_event *event,
				   int timeout_ms);

/* --- quiescence -------------------------------------------------------------------------------- */

/**
 * union wfpatch_status_page - the page that wfpatch_quiesce() looks at
 * @status: the kernel's, while a handle is open; else zero
 * @page: makes it exactly one page, that nothing else is on
 */
union wfpatch_status_page {
	struct wfpatch_status status;
	char page[4096];
};

/* For wfpatch_quiesce() only. */
extern WFPATCH_API union wfpatch_status_page wfpatch_status_page;
WFPATCH_API void __wfpatch_quiesce_slow(unsigned int *seen) __attribute__((cold));

/* A shared library must ask for the model that needs no call; in a program it is the default. */
#if defined(__PIC__) && !defined(__PIE__)
#define __WFPATCH_TLS __attribute__((tls_model("initial-exec")))
#else
#define __WFPATCH_TLS
#endif

/**
 * wfpatch_quiesce() - a point at which the calling thread may change its view
 *
 * When a transition has begun since the thread's last point, the thread comes to its target here.
 * Else, and when no handle is open, this is a load, a compare and a branch.
 *
 * The program promises that here the thread is in none of the functions that any view changes: none
 * is further up in its stack. All code that it calls between two points is then of one view. Not
 * for signal handlers. errno is kept. A thread that cannot come over for want of memory tries again
 * at its next point.
 */
static inline void wfpatch_quiesce(void)
{
	static __thread unsigned int seen __WFPATCH_TLS;

	if (__builtin_expect(__atomic_load_n(&wfpatch_status_page.status.seq, __ATOMIC_RELAXED) !=
			     seen, 0))
		__wfpatch_quiesce_slow(&seen);
}

/* --- the patcher's side ------------------------------------------------------------------------ */

/* wfpatch_wait_opts.flags, for wfpatch_finish(): do not delete the view that was the target */
#define WFPATCH_FINISH_KEEP_OLD	(1U << 0)

/**
 * struct wfpatch_wait_opts - how to wait for threads
 * @sz: sizeof(struct wfpatch_wait_opts)
 * @on_event: called for each event while waiting, in the waiting thread: WFPATCH_EVENT_MIGRATED with
 *	@tid, @previous and @view for each thread that comes over, and all others. Anything but 0 ends
 *	the wait, which returns it
 * @data: the second argument of @on_event
 * @flags: WFPATCH_FINISH_... bits, for wfpatch_finish() only
 * @timeout_ms: milliseconds to wait, 0 without end
 * @nr_threads: wait until this many threads run in the view, 0 for every thread of the process
 * @reserved: 0
 */
struct wfpatch_wait_opts {
	size_t sz;
	int (*on_event)(const struct wfpatch_event *event, void *data);
	void *data;
	unsigned int flags;
	unsigned int timeout_ms;
	unsigned int nr_threads;
	unsigned int reserved;
};

/**
 * wfpatch_transition() - ask every thread to come to a view; does not wait
 * @handle: the handle
 * @view: the target, 0 for the base
 * @flags: 0 (at their wfpatch_quiesce()), or WFPATCH_TRANSITION_AUTO
 * @spans: array of the code that is replaced; NULL without WFPATCH_TRANSITION_AUTO
 * @nr_spans: its length
 *
 * With WFPATCH_TRANSITION_AUTO the kernel moves each thread as soon as it is in none of the spans; see
 * <wfpatch/uapi.h> for what spans must name, and what closing the handle does then.
 * Errors: ENOENT no view @view; EINVAL spans without WFPATCH_TRANSITION_AUTO, none with it, or wrong
 * ones; E2BIG more than wfpatch_info.max_spans; EBUSY an automatic transition, or the return of threads
 * to the base, has not ended; with WFPATCH_TRANSITION_AUTO also EOPNOTSUPP a 32-bit process, EFAULT an
 * entry is not mapped, ENOMEM, ENOSPC, EIO as for wfpatch_view_create().
 */
WFPATCH_API int wfpatch_transition(struct wfpatch *handle, unsigned int view, unsigned int flags,
				   const struct wfpatch_span *spans, unsigned int nr_spans);

/**
 * wfpatch_call() - have one thread of the process run code when it next calls one of some functions
 * @handle: the handle
 * @spans: array with the functions, with WFPATCH_SPAN_ENTRY, and code that the thread must not be in
 * @nr_spans: its length
 * @call: address of the code in the process; <wfpatch/uapi.h> says how it is entered and must be left
 *
 * Does not wait: the transition has ended when a thread has gone there. To give it up is to begin a
 * transition to the base. Errors: as for wfpatch_transition(); EBUSY also if the process has views or
 * pinned ranges; EINVAL also with a module that does not know it.
 */
WFPATCH_API int wfpatch_call(struct wfpatch *handle, const struct wfpatch_span *spans,
			     unsigned int nr_spans, unsigned long long call);

/**
 * wfpatch_begin() - begin a patch: make a view like the one that is the target now
 * @handle: the handle
 * @view: out: the new view, to be changed with wfpatch_redirect() and wfpatch_view_write()
 *
 * No thread runs in it before wfpatch_finish(). To give up, wfpatch_view_delete() it.
 * Errors: those of wfpatch_view_create().
 */
WFPATCH_API int wfpatch_begin(struct wfpatch *handle, unsigned int *view);

/**
 * wfpatch_finish() - make a view of wfpatch_begin() the target, wait, delete its predecessor
 * @handle: the handle; its events are taken
 * @view: the view
 * @opts: or NULL
 *
 * The calling thread comes over in this call, as at a wfpatch_quiesce(). After -ETIMEDOUT, or when
 * @on_event has ended the wait, the transition goes on: call wfpatch_finish() again to wait on, or
 * wfpatch_switch() to the old view (wfpatch_view_info.parent), which is still there, to go back.
 * Errors: ENOENT no view @view; ESTALE another view has become the target since wfpatch_begin():
 * delete @view and begin again; ECANCELED another transition was begun while this one waited;
 * ETIMEDOUT; EINTR; ENOMEM; EOPNOTSUPP the process has an LDT; EBUSY all have come, but the old
 * view has become the target again and is not deleted; what @on_event returned.
 */
WFPATCH_API int wfpatch_finish(struct wfpatch *handle, unsigned int view,
			       const struct wfpatch_wait_opts *opts);

/**
 * wfpatch_switch() - make any view the target and wait; deletes nothing
 * @handle: the handle; its events are taken
 * @view: the view, 0 for the base
 * @opts: or NULL
 *
 * The calling thread comes over in this call, as at a wfpatch_quiesce(). After -ETIMEDOUT the
 * transition goes on: wfpatch_wait(), or wfpatch_switch() to another view.
 * Errors: ENOENT no view @view; ECANCELED, ETIMEDOUT, EINTR, ENOMEM, EOPNOTSUPP as for
 * wfpatch_finish(); what @on_event returned.
 */
WFPATCH_API int wfpatch_switch(struct wfpatch *handle, unsigned int view,
			       const struct wfpatch_wait_opts *opts);

/**
 * wfpatch_wait() - wait for threads to come to the view that is the target
 * @handle: the handle; its events are taken
 * @view: the view, 0 for the base
 * @opts: or NULL
 *
 * Errors: ECANCELED @view is not the target, or no longer; ETIMEDOUT, EINTR, ENOMEM, EOPNOTSUPP as
 * for wfpatch_finish(); what @on_event returned.
 */
WFPATCH_API int wfpatch_wait(struct wfpatch *handle, unsigned int view,
			     const struct wfpatch_wait_opts *opts);

/* --- redirecting functions --------------------------------------------------------------------- */

/*
 * An attribute for functions that shall be redirected: the compiler neither inlines them nor makes
 * their callers depend on what they do now. gcc's -fipa-ra (part of -O2) lets callers in the same
 * source file keep values in registers that the old function happens not to use, and the new one
 * does not know of that: without this attribute, compile with -fno-ipa-ra or -flive-patching.
 * clang has nothing like it by default, but may know what a static function returns.
 */
#if defined(__GNUC__) && !defined(__clang__)
#define WFPATCH_REPLACEABLE __attribute__((noipa))
#else
#define WFPATCH_REPLACEABLE __attribute__((noinline))
#endif

/**
 * struct wfpatch_redirect_opts - for wfpatch_redirect() and wfpatch_unredirect()
 * @sz: sizeof(struct wfpatch_redirect_opts)
 * @old_size: bytes of the old function; 0 to take it from the program's unwind tables or symbols
 * @err: out: on error a line of text that says what is wrong and what to do; or NULL
 * @err_size: bytes at @err
 */
struct wfpatch_redirect_opts {
	size_t sz;
	size_t old_size;
	char *err;
	size_t err_size;
};

/**
 * wfpatch_redirect() - make a function jump to another one, in one view only
 * @handle: the handle
 * @view: the view; not the base, and no thread runs in it
 * @old_function: its first instruction, in executable memory of a private mapping
 * @new_function: where it jumps to
 * @opts: or NULL
 *
 * Writes a jump of 5 bytes, or of 14 if @new_function is more than 2 GiB away, behind an endbr64 if
 * @old_function begins with one. Padding behind the function may be used. If it jumps there
 * already, nothing is done.
 * Errors: EINVAL @view is the base, @old_function is not the beginning of a function, or
 * @new_function lies under the jump; ENOENT no view @view; EBUSY threads run in it; EFAULT one of
 * the functions is not mapped; ENOEXEC one is not in executable memory; EACCES @old_function is in a
 * shared mapping; ENODATA its size is not known; ERANGE it is too short for the jump; EEXIST it
 * jumps elsewhere in @view, or was changed by other means; EOPNOTSUPP, ENOMEM, ENOSPC as for
 * wfpatch_view_write(); EOPNOTSUPP also the handle is attached to another process; those of open(2)
 * if /proc/self/maps cannot be read. On any error nothing is
 * changed.
 */
WFPATCH_API int wfpatch_redirect(struct wfpatch *handle, unsigned int view, void *old_function,
				 const void *new_function,
				 const struct wfpatch_redirect_opts *opts);

/**
 * wfpatch_unredirect() - put the base's code back where wfpatch_redirect() has put a jump
 * @handle: the handle
 * @view: the view; not the base, and no thread runs in it
 * @old_function: as given to wfpatch_redirect()
 * @opts: or NULL
 *
 * Errors: EINVAL @view is the base; ENOENT no view @view, or @old_function is not redirected in it;
 * EBUSY threads run in it; EFAULT @old_function is not mapped; ENOEXEC it is not in executable
 * memory; EEXIST it was changed by other means; ENOMEM; those of open(2) if /proc/self/maps cannot
 * be read.
 */
WFPATCH_API int wfpatch_unredirect(struct wfpatch *handle, unsigned int view, void *old_function,
				   const struct wfpatch_redirect_opts *opts);

#ifdef __cplusplus
}
#endif

#endif /* WFPATCH_H */
