// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation of every request fails once, one after the other: the request fails and nothing
 * is changed. Needs a kernel that injects such failures, as the debug kernel does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auto.h"
#include "inject.h"

static long *data;
static code_fn code;
static uint32_t view, made;

static void prepare(void)
{
	inject_prepare();
	data = map_filled(8);
	code = make_code(1);
	view = new_view(0);
	patch_code(view, code, 2);
	put_long(view, page_of(data, 1), 77);
}

static size_t picture(char *to, size_t room)
{
	struct wfpatch_view_info views[8];
	long nr = try_list_views(device, views, 8, NULL), i;
	size_t n = 0;

	CHECK_OK(nr);
	for (i = 0; i < nr; i++)
		n += (size_t)snprintf(to + n, room - n, "view %u of %u flags %#x %u threads %llu pages\n",
				      views[i].view, views[i].parent, views[i].flags,
				      views[i].nr_threads, views[i].nr_overlays);
	return n;
}

/* How often did a request of the calling thread fail before it came through? */
static unsigned int with_failures(long (*call)(void), void (*undo)(void))
{
	const struct trial trial = { .call = call, .undo = undo, .picture = picture };
	struct injector caller = injector_of_caller();

	return inject_all(&caller, &trial).failed;
}

/* The same for each of its copies from and to user memory alone. */
static unsigned int with_copies(long (*call)(void), void (*undo)(void))
{
	const struct trial trial = { .call = call, .undo = undo, .picture = picture };
	struct injector copies = injector_of_copies();

	return inject_all(&copies, &trial).failed;
}

static long create_one(void)
{
	return try_create(device, view, &made);
}

static void delete_one(void)
{
	struct wfpatch_view_info info;

	delete_view(made);
	WAIT_FOR(!view_info(device, made, &info));
}

TEST(a_view_is_made_or_not)
{
	prepare();
	CHECK(with_failures(create_one, delete_one) > 0);
	CHECK(with_copies(create_one, delete_one) > 0);
	CHECK_EQ(nr_views(), 1);
}

static long write_two(void)
{
	long values[2] = { 1, 2 };
	struct wfpatch_seg segs[2] = {
		{ (uintptr_t)page_of(data, 2), (uintptr_t)&values[0], 8 },
		{ (uintptr_t)page_of(data, 3), (uintptr_t)&values[1], 8 },
	};

	return try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 2);
}

static void forget_two(void)
{
	CHECK_EQ(view_overlays(view), 4);
	CHECK_EQ(madvise(page_of(data, 2), 2 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(view_overlays(view), 2);
}

TEST(segments_are_written_or_not)
{
	prepare();
	CHECK(with_failures(write_two, forget_two) > 0);
	CHECK(with_copies(write_two, forget_two) > 0);
	CHECK_EQ(get_long(view, page_of(data, 1)), 77);
}

static long pin_two(void)
{
	return try_pin(page_of(data, 4), 2 * PAGE);
}

static void unpin_two(void)
{
	/* A page that could not be had must not be left out. */
	CHECK_EQ(view_overlays(view), 4);
	unpin(page_of(data, 4), 2 * PAGE);
}

TEST(a_range_is_pinned_or_not)
{
	prepare();
	/* The base's pages take memory, too. */
	CHECK_EQ(madvise(page_of(data, 4), 2 * PAGE, MADV_DONTNEED), 0);
	CHECK(with_failures(pin_two, unpin_two) > 0);
	CHECK(with_copies(pin_two, unpin_two) > 0);
	CHECK_ERROR(try_unpin(page_of(data, 4), PAGE), ENOENT);
}

static long go_there(void)
{
	long result = try_migrate(device, view, NULL);

	CHECK_EQ(code(), result ? 1 : 2);
	return result;
}

static void come_back(void)
{
	enter(0);
}

TEST(a_thread_migrates_or_stays)
{
	prepare();
	CHECK(with_failures(go_there, come_back) > 0);
	CHECK(with_copies(go_there, come_back) > 0);
	CHECK_EQ(current_view(), 0);
}

static void *answer(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)(code() == 2 && do_current(NULL) == (long)view);
}

static long start_one(void)
{
	pthread_t thread;
	void *right;
	int error;

	error = pthread_create(&thread, NULL, answer, NULL);
	if (error)
		return -error;
	CHECK_EQ(pthread_join(thread, &right), 0);
	if (!right)
		FAIL("a thread started in another view than its creator's");
	return 0;
}

/* Its end can be waited for before it has left; it ends in the base. */
static void see_it_gone(void)
{
	WAIT_FOR(view_threads(view) == 1 && !view_threads(0));
}

TEST(a_thread_starts_in_its_creators_view_or_not_at_all)
{
	prepare();
	enter(view);
	CHECK(with_failures(start_one, see_it_gone) > 0);
	CHECK_EQ(view_threads(view), 1);
}

static void nothing(void)
{
}

static long fork_one(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(code() == 2 && LOAD(*page_of(data, 1)) == 77 ? 0 : 1);
	status = child_status(pid);
	/* The child inherits no failures. */
	if (status)
		FAIL("a child saw something else than its parent: status %#x", status);
	return 0;
}

TEST(a_child_sees_what_its_parent_saw_or_is_not_born)
{
	prepare();
	enter(view);
	CHECK(with_failures(fork_one, nothing) > 0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 77);
}

static long store_one(void)
{
	/* A store that finds no memory is tried again, or kills; it never goes elsewhere. */
	STORE(*page_of(data, 1), 78);
	return 0;
}

static void share_again(void)
{
	CHECK_EQ(LOAD(*page_of(data, 1)), 78);
	delete_one();
	made = new_view(view);
}

TEST(a_store_that_needs_a_copy_is_not_lost)
{
	prepare();
	enter(view);
	made = new_view(view);
	with_failures(store_one, share_again);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 1000);
}

static uint32_t replaced;

static long transit(void)
{
	return try_auto_here(device, replaced);
}

static void transit_back(void)
{
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, replaced);
	CHECK_EQ(old_code(NULL, NULL), 2);
	CHECK_OK(try_auto(device, 0));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, 0);
	CHECK_EQ(old_code(NULL, NULL), 1);
	/* The thread that asked has been joined, but may be counted still. */
	WAIT_FOR(view_threads(0) == 1);
}

TEST(a_transition_is_begun_or_not)
{
	prepare();
	replaced = auto_view();
	WAIT_FOR(view_threads(0) == 1);
	CHECK(with_failures(transit, transit_back) > 0);
	CHECK(with_copies(transit, transit_back) > 0);
	CHECK_EQ(old_code(NULL, NULL), 1);
}

static long commit_one(void)
{
	return try_commit(device, made);
}

/* The next one to be committed. */
static void begin_again(void)
{
	made = new_view(0);
	patch_code(made, code, 3);
	put_long(made, page_of(data, 2), 55);
	enter(made);
}

static void see_it_committed(void)
{
	CHECK_EQ(next_event(device, WFPATCH_EVENT_COMMITTED).view, made);
	CHECK_EQ(current_view(), 0);
	CHECK_EQ(code(), 3);
	CHECK_EQ(LOAD(*page_of(data, 2)), 55);
	begin_again();
}

TEST(a_view_is_committed_or_not)
{
	prepare();
	begin_again();
	CHECK(with_failures(commit_one, see_it_committed) > 0);
	CHECK(with_copies(commit_one, see_it_committed) > 0);
	enter(0);
}
