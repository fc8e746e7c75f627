// SPDX-License-Identifier: GPL-2.0
/* Events, the status page and explicit transitions. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "view.h"

static int open_device(int flags)
{
	return CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC | flags));
}

static short poll_now(int fd, int timeout)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	CHECK_LIBC(poll(&poller, 1, timeout));
	return poller.revents;
}

static const volatile struct wfpatch_status *map_status(void)
{
	return CHECK_LIBC(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, device, 0));
}

static long do_transition_here(void *status)
{
	return try_migrate(device, ((struct wfpatch_status *)status)->target, NULL);
}

TEST(migrated_tells_who_went_from_where_to_where)
{
	uint32_t a = new_view(0), b = new_view(0);
	struct wfpatch_event event;
	struct worker w;

	worker_start(&w);
	worker_enter(&w, a);
	event = next_event(device, WFPATCH_EVENT_MIGRATED);
	CHECK_EQ(event.tid, w.tid);
	CHECK_EQ(event.previous, 0);
	CHECK_EQ(event.view, a);
	worker_enter(&w, b);
	event = next_event(device, WFPATCH_EVENT_MIGRATED);
	CHECK_EQ(event.tid, w.tid);
	CHECK_EQ(event.previous, a);
	CHECK_EQ(event.view, b);
}

TEST(drained_comes_when_the_last_thread_leaves)
{
	uint32_t view = new_view(0);
	struct wfpatch_event event;
	struct worker a, b;

	worker_start(&a);
	worker_start(&b);
	worker_enter(&a, view);
	worker_enter(&b, view);
	worker_enter(&a, 0);
	while (any_event(device, &event))
		CHECK(event.type != WFPATCH_EVENT_DRAINED);
	worker_enter(&b, 0);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DRAINED).view, view);
}

TEST(drained_comes_when_the_last_thread_ends)
{
	uint32_t view = new_view(0);
	struct worker w;

	worker_start(&w);
	worker_enter(&w, view);
	worker_stop(&w);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DRAINED).view, view);
}

TEST(freed_comes_after_a_view_is_deleted)
{
	uint32_t view = new_view(0);

	delete_view(view);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_FREED).view, view);
}

TEST(every_handle_gets_every_event)
{
	int other = open_device(O_NONBLOCK);
	uint32_t view = new_view(0);

	delete_view(view);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_FREED).view, view);
	CHECK_EQ(next_event(other, WFPATCH_EVENT_FREED).view, view);
	close(other);
}

TEST(a_read_returns_as_many_whole_records_as_fit)
{
	struct wfpatch_event events[4];
	uint32_t view = new_view(0);
	char small[sizeof(events[0]) - 1];

	CHECK_EQ(read(device, events, sizeof(events)), -1);
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(read(device, small, sizeof(small)), -1);
	CHECK_EQ(errno, EINVAL);
	enter(view);
	enter(0);
	enter(view);
	/* to the view; back, which drains it; to the view */
	CHECK_EQ(read(device, events, 2 * sizeof(events[0]) + 5), 2 * sizeof(events[0]));
	CHECK_EQ(events[0].type, WFPATCH_EVENT_MIGRATED);
	CHECK_EQ(events[1].type, WFPATCH_EVENT_MIGRATED);
	CHECK_EQ(read(device, events, sizeof(events)), 2 * sizeof(events[0]));
	CHECK_EQ(events[0].type, WFPATCH_EVENT_DRAINED);
	CHECK_EQ(events[1].type, WFPATCH_EVENT_MIGRATED);
	CHECK_EQ(read(device, events, sizeof(events)), -1);
	CHECK_EQ(errno, EAGAIN);
}

TEST(a_read_into_bad_memory_loses_no_event_silently)
{
	void *nowhere = map_pages(1, PROT_NONE);
	struct wfpatch_event event;

	enter(new_view(0));
	CHECK_EQ(read(device, nowhere, sizeof(event)), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK(any_event(device, &event));
	CHECK(event.type == WFPATCH_EVENT_MIGRATED || event.type == WFPATCH_EVENT_OVERFLOW);
}

TEST(a_full_queue_says_how_many_it_dropped)
{
	struct wfpatch_event event;
	uint32_t view = new_view(0);
	long i, sent = 0, kept = 0, dropped = 0, overflows = 0;

	for (i = 0; i < 3000; i++) {
		enter(view);
		enter(0);
		sent += 3;
	}
	while (any_event(device, &event)) {
		if (event.type == WFPATCH_EVENT_OVERFLOW) {
			overflows++;
			dropped += (long)event.count;
		} else {
			kept++;
		}
	}
	CHECK_EQ(overflows, 1);
	CHECK(kept >= 16);
	CHECK_EQ(kept + dropped, sent);
	/* And it goes on after that. */
	enter(view);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_MIGRATED).view, view);
}

TEST(poll_says_when_there_are_events)
{
	struct wfpatch_event event;
	uint32_t view = new_view(0);

	CHECK_EQ(poll_now(device, 0), 0);
	enter(view);
	CHECK_EQ(poll_now(device, 0), POLLIN);
	CHECK(any_event(device, &event));
	CHECK_EQ(poll_now(device, 0), 0);
}

static long do_read_event(void *arg)
{
	struct wfpatch_event event = { 0 };
	int fd = (int)(uintptr_t)arg;

	return read(fd, &event, sizeof(event)) == sizeof(event) ? (long)event.type : -errno;
}

static long do_poll(void *arg)
{
	return poll_now((int)(uintptr_t)arg, 30000);
}

TEST(an_event_wakes_who_waits_in_read_and_poll)
{
	int fd = open_device(0);
	struct worker reader, poller;
	uint32_t view = new_view(0);

	worker_start(&reader);
	worker_start(&poller);
	worker_begin(&reader, do_read_event, (void *)(uintptr_t)fd);
	worker_begin(&poller, do_poll, (void *)(uintptr_t)device);
	sleep_ms(50);
	enter(view);
	CHECK_EQ(worker_end(&reader), WFPATCH_EVENT_MIGRATED);
	CHECK_EQ(worker_end(&poller), POLLIN);
	close(fd);
}

static void wait_for_hangup(void *unused)
{
	struct pollfd poller = { .fd = device, .events = 0 };
	uint64_t end = now_ms() + 30000;

	(void)unused;
	while (now_ms() < end) {
		CHECK_LIBC(poll(&poller, 1, 100));
		if (poller.revents & POLLHUP)
			return;
		/* Somebody else's handle: an error as long as its process lives. */
		sleep_ms(10);
	}
	FAIL("expected POLLHUP after the end of the process, seen %#x", poller.revents);
}

static void end_with_a_handle(void *arg)
{
	pid_t *watcher = arg;

	device = open_device(O_NONBLOCK);
	new_view(0);
	*watcher = child_start(wait_for_hangup, NULL);
	sleep_ms(50);
}

TEST(poll_shows_a_hangup_once_the_process_is_gone)
{
	pid_t *watcher = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			      0);
	pid_t pid;

	CHECK(watcher != MAP_FAILED);
	/* The watcher becomes our child when its parent is gone. */
	CHECK_LIBC(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	pid = child_start(end_with_a_handle, watcher);
	child_finish(pid);
	child_finish(*watcher);
}

TEST(the_status_page_follows_the_process)
{
	const volatile struct wfpatch_status *status = map_status();
	uint32_t a, b;

	CHECK_EQ(status->seq, 1);
	CHECK_EQ(status->target, 0);
	CHECK_EQ(status->nr_views, 0);
	a = new_view(0);
	b = new_view(0);
	CHECK_EQ(status->nr_views, 2);
	CHECK_EQ(status->seq, 1);
	CHECK_OK(try_transition(device, b));
	CHECK_EQ(status->seq, 2);
	CHECK_EQ(status->target, b);
	CHECK_EQ(status->pending, 1);
	enter(b);
	CHECK_EQ(status->pending, 0);
	delete_view(a);
	CHECK_EQ(status->nr_views, 1);
	CHECK_OK(try_transition(device, 0));
	CHECK_EQ(status->seq, 3);
	CHECK_EQ(status->target, 0);
}

TEST(the_status_page_cannot_be_written)
{
	void *page;

	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0) == MAP_FAILED);
	CHECK_EQ(errno, EACCES);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, device, 0) == MAP_FAILED);
	CHECK(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, device, 0) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, device, PAGE) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, device, 0) == MAP_FAILED);
	page = (void *)(uintptr_t)map_status();
	CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), -1);
	CHECK_EQ(errno, EACCES);
	CHECK_EQ(probe_write(page, 0), SIGSEGV);
}

TEST(the_status_page_outlives_the_handle)
{
	const volatile struct wfpatch_status *status = map_status();

	new_view(0);
	close(device);
	CHECK(status->seq >= 1);
	device = open_device(O_NONBLOCK);
}

TEST(a_transition_is_done_when_the_last_thread_has_come)
{
	enum { NR = 4 };
	struct wfpatch_status *status = (void *)(uintptr_t)map_status();
	struct worker workers[NR];
	uint32_t view = new_view(0);
	struct wfpatch_event event;
	int i;

	for (i = 0; i < NR; i++)
		worker_start(&workers[i]);
	CHECK_OK(try_transition(device, view));
	CHECK_EQ(LOAD(status->pending), NR + 1);
	enter(LOAD(status->target));
	for (i = 0; i < NR; i++) {
		CHECK(LOAD(status->pending) > 0);
		CHECK_OK(worker_call(&workers[i], do_transition_here, status));
	}
	CHECK_EQ(LOAD(status->pending), 0);
	for (i = 0; i < NR + 1; i++) {
		CHECK(any_event(device, &event));
		CHECK_EQ(event.type, WFPATCH_EVENT_MIGRATED);
	}
	CHECK(any_event(device, &event));
	CHECK_EQ(event.type, WFPATCH_EVENT_DONE);
	CHECK_EQ(event.view, view);
	CHECK_EQ(event.count, NR + 1);
}

TEST(a_transition_with_nobody_outside_is_done_at_once)
{
	uint32_t view = new_view(0);
	struct wfpatch_event event;

	CHECK_OK(try_transition(device, 0));
	event = next_event(device, WFPATCH_EVENT_DONE);
	CHECK_EQ(event.view, 0);
	CHECK_EQ(event.count, 1);
	enter(view);
	CHECK_OK(try_transition(device, view));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
}

TEST(a_transition_is_done_when_the_last_thread_outside_ends)
{
	uint32_t view = new_view(0);
	struct wfpatch_event event;
	struct worker w;

	worker_start(&w);
	CHECK_OK(try_transition(device, view));
	enter(view);
	while (any_event(device, &event))
		CHECK(event.type != WFPATCH_EVENT_DONE);
	worker_stop(&w);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
}

TEST(a_later_transition_takes_the_place_of_an_earlier_one)
{
	uint32_t a = new_view(0), b = new_view(0);
	struct wfpatch_event event;
	struct worker w;

	worker_start(&w);
	CHECK_OK(try_transition(device, a));
	enter(a);
	CHECK_OK(try_transition(device, b));
	worker_enter(&w, a);
	while (any_event(device, &event))
		CHECK(event.type != WFPATCH_EVENT_DONE);
	worker_enter(&w, b);
	enter(b);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, b);
	while (any_event(device, &event))
		CHECK(event.type != WFPATCH_EVENT_DONE);
}

TEST(the_target_of_a_transition_cannot_be_deleted_before_its_end)
{
	const volatile struct wfpatch_status *status = map_status();
	struct wfpatch_view_info info;
	uint32_t a = new_view(0), b = new_view(0);

	CHECK_OK(try_transition(device, a));
	CHECK(view_info(device, a, &info));
	CHECK_EQ(info.flags & WFPATCH_VIEW_TARGET, WFPATCH_VIEW_TARGET);
	CHECK(view_info(device, b, &info));
	CHECK_EQ(info.flags & WFPATCH_VIEW_TARGET, 0);
	CHECK_ERROR(try_delete(device, a), EBUSY);
	delete_view(b);
	enter(a);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, a);
	delete_view(a);
	/* Nor is it where threads are to go any more. */
	CHECK_EQ(status->target, 0);
	enter(0);
	/* In either order. */
	CHECK_EQ(next_event(device, WFPATCH_EVENT_FREED).view +
			 next_event(device, WFPATCH_EVENT_FREED).view, a + b);
}

struct pool {
	struct wfpatch_status *status;
	code_fn code;
	unsigned int stop;
	unsigned int wrong;
};

static pid_t spawn_program(void)
{
	char *argv[] = { "true", NULL };
	pid_t pid = vfork();

	if (!pid) {
		execv("/bin/true", argv);
		_exit(1);
	}
	return CHECK_LIBC(pid);
}

/* Keeps the lock of the address space busy, for which exec has to wait half-way. */
static void *forking_thread(void *arg)
{
	struct pool *pool = arg;
	const size_t size = 64 << 20;
	size_t used = 1 << 20;
	char *memory = CHECK_LIBC(mmap(NULL, size, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	uint32_t seen = 1;
	int status;
	pid_t pid;

	madvise(memory, size, MADV_NOHUGEPAGE);
	memset(memory, 1, used);
	while (!LOAD(pool->stop)) {
		uint64_t started = now_ms();

		pid = CHECK_LIBC(fork());
		if (!pid)
			_exit(0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		if (now_ms() - started < 100 && used < size) {
			memset(memory + used, 1, used);
			used *= 2;
		}
		if (__atomic_load_n(&pool->status->seq, __ATOMIC_ACQUIRE) != seen) {
			seen = LOAD(pool->status->seq);
			try_migrate(device, LOAD(pool->status->target), NULL);
		}
	}
	munmap(memory, size);
	return NULL;
}

/* What a program with explicit points of quiescence does. */
static void *pool_worker(void *arg)
{
	struct pool *pool = arg;
	uint32_t seen = 1, target = 0;

	while (!LOAD(pool->stop)) {
		int value = pool->code();

		if (value != (int)target)
			__atomic_add_fetch(&pool->wrong, 1, __ATOMIC_RELAXED);
		if (__atomic_load_n(&pool->status->seq, __ATOMIC_ACQUIRE) != seen) {
			seen = LOAD(pool->status->seq);
			target = LOAD(pool->status->target);
			/* The view may be gone when a later transition came between. */
			if (try_migrate(device, target, NULL))
				try_current(device, &target);
		}
	}
	return NULL;
}

static void follow_transitions(bool spawn)
{
	enum { NR = 4, ROUNDS = 20 };
	struct pool pool = { .status = (void *)(uintptr_t)map_status(), .code = make_code(0) };
	pthread_t threads[NR], forker;
	uint32_t old = 0, view;
	int i, status;
	pid_t pid = 0;

	for (i = 0; i < NR; i++)
		start_thread(&threads[i], pool_worker, &pool);
	if (spawn)
		start_thread(&forker, forking_thread, &pool);
	for (i = 0; i < ROUNDS; i++) {
		view = new_view(old);
		patch_code(view, pool.code, (int)view);
		CHECK_OK(try_transition(device, view));
		if (spawn) {
			/* The last one to come starts a program before it does. */
			WAIT_FOR(LOAD(pool.status->pending) == 1);
			pid = spawn_program();
		}
		enter(view);
		CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
		CHECK_EQ(view_threads(view), NR + 1 + spawn);
		if (spawn)
			CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(pool.code(), view);
		if (old)
			delete_view(old);
		old = view;
	}
	CHECK_OK(try_transition(device, 0));
	enter(0);
	next_event(device, WFPATCH_EVENT_DONE);
	STORE(pool.stop, 1);
	for (i = 0; i < NR; i++)
		join_thread(threads[i]);
	if (spawn)
		join_thread(forker);
	CHECK_EQ(pool.wrong, 0);
}

TEST(busy_threads_follow_many_transitions_in_a_row)
{
	follow_transitions(false);
}

/* A task that calls exec is on its way elsewhere for a while after it let its creator go on. */
TEST(a_transition_is_done_though_a_program_was_just_started)
{
	follow_transitions(true);
}
