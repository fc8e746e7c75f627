// SPDX-License-Identifier: GPL-2.0
/* How processes and threads begin, seen from a view: fork, vfork, clone, exec. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "view.h"

/* What a view shows here, and the base. */
struct scene {
	uint32_t view;
	code_fn code;		/* 2 in the view, 1 in the base */
	long *data;		/* a writable page: 20 and 10 */
	long *pinned;		/* 200 and 100 */
};

static struct scene scene;

static void set_scene(void)
{
	scene.code = make_code(1);
	scene.data = map_pages(1, PROT_READ | PROT_WRITE);
	scene.data[0] = 10;
	scene.pinned = map_pages(1, PROT_READ | PROT_WRITE);
	scene.pinned[0] = 100;
	pin(scene.pinned, PAGE);
	scene.view = new_view(0);
	patch_code(scene.view, scene.code, 2);
	put_long(scene.view, scene.data, 20);
	enter(scene.view);
	STORE(scene.pinned[0], 200);
	enter(0);
}

static void check_scene(uint32_t view)
{
	long times = view ? 2 : 1;

	CHECK_EQ(scene.code(), times);
	CHECK_EQ(LOAD(scene.data[0]), times * 10);
	CHECK_EQ(LOAD(scene.pinned[0]), times * 100);
}

/* --- fork -------------------------------------------------------------------------------------- */

static void check_child(void *view)
{
	check_scene((uint32_t)(uintptr_t)view);
	CHECK(!strcmp(permissions((void *)scene.code), "r-xp"));
	/* Its own now. */
	STORE(scene.data[0], 30);
	STORE(scene.pinned[0], 300);
	CHECK_EQ(LOAD(scene.data[0]), 30);
	CHECK_EQ(LOAD(scene.pinned[0]), 300);
}

TEST(a_forked_child_sees_what_its_parent_saw)
{
	set_scene();
	child_run(check_child, (void *)0);
	enter(scene.view);
	child_run(check_child, (void *)(uintptr_t)scene.view);
	check_scene(scene.view);
	enter(0);
	check_scene(0);
}

static void check_grandchild(void *view)
{
	child_run(check_child, view);
	check_scene((uint32_t)(uintptr_t)view);
}

TEST(a_grandchild_sees_it_too)
{
	set_scene();
	enter(scene.view);
	child_run(check_grandchild, (void *)(uintptr_t)scene.view);
}

static long do_fork(void *view)
{
	child_run(check_child, view);
	return 0;
}

TEST(threads_in_different_views_fork_at_the_same_time)
{
	struct worker workers[4];
	int i, round;

	set_scene();
	for (i = 0; i < 4; i++) {
		worker_start(&workers[i]);
		worker_enter(&workers[i], i & 1 ? scene.view : 0);
	}
	for (round = 0; round < 4; round++) {
		for (i = 0; i < 4; i++)
			worker_begin(&workers[i], do_fork,
				     (void *)(uintptr_t)(i & 1 ? scene.view : 0));
		for (i = 0; i < 4; i++)
			CHECK_EQ(worker_end(&workers[i]), 0);
	}
}

static void check_deep(void *code)
{
	int i;

	for (i = 0; i < 30; i++)
		CHECK_EQ(code_at((code_fn)code, i)(), 1000 + i);
}

TEST(a_child_of_a_deep_view_sees_all_generations)
{
	code_fn code = make_codes(30, 0);
	uint32_t view = 0;
	int i;

	for (i = 0; i < 30; i++) {
		view = new_view(view);
		patch_code(view, code_at(code, i), 1000 + i);
	}
	enter(view);
	child_run(check_deep, (void *)code);
}

static void check_advice(void *data)
{
	CHECK_EQ(LOAD(*page_of(data, 0)), 50);
	CHECK_EQ(LOAD(*page_of(data, 1)), 0);
	CHECK_EQ(probe_read(page_of(data, 2), NULL), SIGSEGV);
}

TEST(a_child_gets_no_overlay_where_fork_leaves_memory_out)
{
	long *data = map_filled(3);
	uint32_t view = new_view(0);
	int i;

	CHECK_EQ(madvise(page_of(data, 1), PAGE, 18 /* MADV_WIPEONFORK */), 0);
	CHECK_EQ(madvise(page_of(data, 2), PAGE, MADV_DONTFORK), 0);
	for (i = 0; i < 3; i++)
		put_long(view, page_of(data, i), 50 + i);
	enter(view);
	child_run(check_advice, data);
	CHECK_EQ(LOAD(*page_of(data, 1)), 51);
	CHECK_EQ(LOAD(*page_of(data, 2)), 52);
}

static void read_and_end(void *data)
{
	CHECK_EQ(do_load(data), 50);
}

TEST(a_fork_in_a_view_leaves_the_base_as_it_was)
{
	long *data = map_filled(2);
	uint32_t view = new_view(0);

	put_long(view, data, 50);
	enter(view);
	child_run(read_and_end, data);
	STORE(page_of(data, 1)[0], 7);
	enter(0);
	CHECK_EQ(data[0], 0);
	CHECK_EQ(page_of(data, 1)[0], 7);
	STORE(data[0], 8);
	enter(view);
	CHECK_EQ(LOAD(data[0]), 50);
}

/* --- tasks that share the address space --------------------------------------------------------- */

TEST(a_vforked_child_runs_in_its_parents_view)
{
	static volatile int seen;
	uint32_t view;
	pid_t pid;

	set_scene();
	enter(scene.view);
	pid = vfork();
	if (!pid) {
		seen = scene.code();
		scene.data[0] = 21;
		_exit(try_current(device, &view) || view != scene.view ? 1 : 0);
	}
	CHECK(pid > 0);
	CHECK_EQ(child_status(pid), 0);
	CHECK_EQ(seen, 2);
	CHECK_EQ(scene.code(), 2);
	CHECK_EQ(LOAD(scene.data[0]), 21);
	enter(0);
	CHECK_EQ(LOAD(scene.data[0]), 10);
	CHECK_EQ(view_threads(scene.view), 0);
}

int exec_main(int argc, char **argv)
{
	int fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);
	uint32_t view;

	/* A new program is in the base and has no views. */
	if (argc < 2 || fd < 0 || try_current(fd, &view) || view)
		return 1;
	if (try_create(fd, 0, &view) || view != 1)
		return 2;
	return atoi(argv[1]);
}

TEST(programs_are_spawned_from_a_view)
{
	char *argv[] = { "exec", "42", NULL };
	extern char **environ;
	int i, status;
	pid_t pid;

	set_scene();
	enter(scene.view);
	for (i = 0; i < 5; i++) {
		CHECK_EQ(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
		status = child_status(pid);
		CHECK(WIFEXITED(status));
		CHECK_EQ(WEXITSTATUS(status), 42);
		check_scene(scene.view);
	}
}

static int sharing_task(void *arg)
{
	uint32_t view;
	long *result = arg;

	/* No check here: the thread's data are those of the parent. */
	result[0] = scene.code();
	result[1] = try_current(device, &view) ? -1 : (long)view;
	result[2] = try_migrate(device, 0, NULL);
	result[3] = scene.code();
	return 0;
}

TEST(a_process_that_shares_the_memory_starts_in_its_creators_view)
{
	struct wfpatch_view_info info;
	char *stack = (char *)map_pages(16, PROT_READ | PROT_WRITE);
	long result[4] = { -1, -1, -1, -1 };
	pid_t pid;

	set_scene();
	enter(scene.view);
	pid = CHECK_LIBC(clone(sharing_task, stack + 16 * PAGE, CLONE_VM | SIGCHLD, result));
	CHECK_EQ(child_status(pid), 0);
	CHECK_EQ(result[0], 2);
	CHECK_EQ(result[1], scene.view);
	CHECK_EQ(result[2], 0);
	CHECK_EQ(result[3], 1);
	CHECK(view_info(device, scene.view, &info));
	CHECK_EQ(info.nr_threads, 1);
}

static void *start_another(void *depth)
{
	pthread_t thread;

	if (scene.code() != 2)
		return (void *)1L;
	if (!depth)
		return NULL;
	start_thread(&thread, start_another, (char *)depth - 1);
	CHECK_EQ(pthread_join(thread, &depth), 0);
	return depth;
}

TEST(threads_of_threads_inherit_the_view)
{
	set_scene();
	enter(scene.view);
	CHECK(!start_another((void *)10));
	enter(0);
	/* And those of the base do not. */
	CHECK(start_another(NULL));
	/* Who was joined has not left its view yet, at times. */
	WAIT_FOR(view_threads(scene.view) == 0);
}

/* --- exec -------------------------------------------------------------------------------------- */

static long do_exec(void *unused)
{
	(void)unused;
	exec_self("0", NULL);
	return -errno;
}

static void exec_from_a_thread(void *leader)
{
	struct worker a, b;

	close(device);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	set_scene();
	enter(scene.view);
	worker_start(&a);
	worker_start(&b);
	if (leader)
		do_exec(NULL);
	else
		worker_call(&a, do_exec, NULL);
	FAIL("exec: %s", last_error());
}

TEST(exec_from_a_view_begins_anew)
{
	child_run(exec_from_a_thread, "leader");
}

TEST(exec_by_another_thread_than_the_first_begins_anew)
{
	child_run(exec_from_a_thread, NULL);
}

TEST(a_failed_exec_leaves_the_thread_in_its_view)
{
	char *argv[] = { "none", NULL };

	set_scene();
	enter(scene.view);
	CHECK_EQ(execv("/nonexistent", argv), -1);
	CHECK_EQ(execv("/proc/self/maps", argv), -1);
	CHECK_EQ(current_view(), scene.view);
	check_scene(scene.view);
}
