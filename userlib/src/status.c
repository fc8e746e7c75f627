// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The status page that wfpatch_quiesce() looks at, and what it does when a transition has begun.
 *
 * wfpatch_status_page is an object of the program, zero at first. While handles are open, the kernel's
 * status page is mapped over it, by the handle that was opened first. Without one, its seq is 0
 * and quiescence points have nothing to do.
 *
 * This is the only state outside handles. shared.lock is held for writing to change it, and for
 * reading while a thread uses shared.fd, which therefore cannot be closed in between.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include "internal.h"

_Alignas(WF_PAGE_SIZE) union wfpatch_status_page wfpatch_status_page;

static struct {
	pthread_rwlock_t lock;
	struct wfpatch *handles; /* the first one's page is mapped */
	int fd;			 /* of the first one, -1 if none */
	unsigned int last_seq;	 /* highest that a thread may have seen of a page now gone */
} shared = { .lock = PTHREAD_RWLOCK_INITIALIZER, .fd = -1 };

static unsigned int load_seq(const volatile struct wfpatch_status *status)
{
	return __atomic_load_n(&status->seq, __ATOMIC_ACQUIRE);
}

static void map_zero_page(void)
{
	mmap(&wfpatch_status_page, WF_PAGE_SIZE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* Lock held for writing. */
static int map_page(struct wfpatch *handle)
{
	void *page = mmap(&wfpatch_status_page, WF_PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED,
			  handle->fd, 0);
	int err = -errno;

	if (page == MAP_FAILED) {
		/* What was there before may be gone. */
		map_zero_page();
		return err;
	}
	shared.fd = handle->fd;
	return 0;
}

/* Lock held for writing. */
static void unmap_page(void)
{
	if (shared.fd < 0)
		return;
	shared.last_seq = load_seq(&wfpatch_status_page.status);
	shared.fd = -1;
	shared.handles = NULL;
	map_zero_page();
}

static void lock_for_fork(void)
{
	pthread_rwlock_wrlock(&shared.lock);
}

static void unlock_in_parent(void)
{
	pthread_rwlock_unlock(&shared.lock);
}

/* The child has no handle: its copy of the page would follow its parent's transitions. */
static void forget_in_child(void)
{
	pthread_rwlock_t unlocked = PTHREAD_RWLOCK_INITIALIZER;

	unmap_page();
	shared.lock = unlocked;
}

static int fork_handlers;

static void set_fork_handlers(void)
{
	fork_handlers = -pthread_atfork(lock_for_fork, unlock_in_parent, forget_in_child);
}

/*
 * A process whose last handle is closed and that opens another may start at seq 1 again. A thread
 * that passed no point in between must not take a new transition for an old one.
 */
static int raise_seq(struct wfpatch *handle)
{
	struct wfpatch_event event;
	int err = 0;

	if (!shared.last_seq || (int)(load_seq(handle->status) - shared.last_seq) > 0)
		return 0;
	while (!err && (int)(load_seq(handle->status) - shared.last_seq) <= 0) {
		err = wfpatch_transition(handle, handle->status->target, 0, NULL, 0);
		if (err == -ENOENT)
			err = wfpatch_transition(handle, WFPATCH_BASE_VIEW, 0, NULL, 0);
	}
	while (!err && !wfpatch_next_event(handle, &event, 0))
		;
	return err;
}

/* Lock held for writing. */
static int become_first(struct wfpatch *handle)
{
	int err = raise_seq(handle);

	if (!err)
		err = map_page(handle);
	if (err)
		return err;
	shared.handles = handle;
	return 0;
}

int wf_status_join(struct wfpatch *handle)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct wfpatch_view_current current = { .size = sizeof(current) };
	struct wfpatch *last;
	int err = 0;

	/* The object moves into a program that is not position independent, in one piece. */
	if ((uintptr_t)&wfpatch_status_page % WF_PAGE_SIZE)
		return -EPROTO;
	pthread_once(&once, set_fork_handlers);
	if (fork_handlers)
		return fork_handlers;

	pthread_rwlock_wrlock(&shared.lock);
	/* A parent's, in a child that no fork handler ran in; or closed behind the library's back. */
	if (shared.fd >= 0 && wf_ioctl(shared.fd, WFPATCH_IOC_VIEW_CURRENT, &current))
		unmap_page();
	if (!shared.handles) {
		err = become_first(handle);
	} else {
		for (last = shared.handles; last->next; last = last->next)
			;
		last->next = handle;
	}
	pthread_rwlock_unlock(&shared.lock);
	return err;
}

void wf_status_leave(struct wfpatch *handle)
{
	struct wfpatch **link, *next;

	pthread_rwlock_wrlock(&shared.lock);
	for (link = &shared.handles; *link && *link != handle; link = &(*link)->next)
		;
	if (*link) {
		*link = handle->next;
		next = shared.handles;
		if (shared.fd == handle->fd && (!next || map_page(next)))
			unmap_page();
	}
	pthread_rwlock_unlock(&shared.lock);
}

/*
 * Bring the calling thread to the target. @seen becomes the seq that it has followed; it is left
 * alone when the thread shall try again at its next point.
 */
int wf_follow(int fd, const volatile struct wfpatch_status *status, unsigned int *seen)
{
	struct wfpatch_view_migrate arg;
	unsigned int seq;
	int err;

	for (;;) {
		/* A target newer than seq does no harm: the thread passes here again. */
		seq = load_seq(status);
		arg = (struct wfpatch_view_migrate){
			.size = sizeof(arg),
			.view = __atomic_load_n(&status->target, __ATOMIC_RELAXED),
		};
		err = wf_ioctl(fd, WFPATCH_IOC_VIEW_MIGRATE, &arg);
		if (err == -ENOMEM || err == -EINTR || err == -EAGAIN)
			return err;
		/* Deleted: either there is a newer target, or nowhere to go until there is one. */
		if (err != -ENOENT || load_seq(status) == seq)
			break;
	}
	*seen = seq;
	return err == -ENOENT ? 0 : err;
}

/* The page is another process's, or its handle is gone. */
static void forget(int fd)
{
	/* If readers were copied into a forked child, they never leave: then the page stays. */
	if (pthread_rwlock_trywrlock(&shared.lock))
		return;
	if (shared.fd == fd)
		unmap_page();
	pthread_rwlock_unlock(&shared.lock);
}

void __wfpatch_quiesce_slow(unsigned int *seen)
{
	int saved = errno, fd, err;

	pthread_rwlock_rdlock(&shared.lock);
	fd = shared.fd;
	if (fd < 0) {
		*seen = load_seq(&wfpatch_status_page.status);
		err = 0;
	} else {
		err = wf_follow(fd, &wfpatch_status_page.status, seen);
	}
	pthread_rwlock_unlock(&shared.lock);
	if (err && err != -ENOMEM && err != -EINTR && err != -EAGAIN)
		forget(fd);
	errno = saved;
}
