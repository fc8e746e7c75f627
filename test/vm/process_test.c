// SPDX-License-Identifier: GPL-2.0
/* The life of processes and threads in views: fork, vfork, clone, exec, and every kind of end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
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
	CHECK_EQ(view_threads(scene.view), 0);
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

/* --- ends -------------------------------------------------------------------------------------- */

struct crowd {
	unsigned int started;
	unsigned int stop;
};

static void *run_in_view(void *arg)
{
	struct crowd *crowd = arg;

	__atomic_add_fetch(&crowd->started, 1, __ATOMIC_RELAXED);
	while (!LOAD(crowd->stop))
		if (scene.code() != 2)
			FAIL("expected 2, seen something else");
	return NULL;
}

static void start_crowd(struct crowd *crowd, int nr)
{
	pthread_t thread;
	int i;

	enter(scene.view);
	for (i = 0; i < nr; i++)
		start_thread(&thread, run_in_view, crowd);
	WAIT_FOR(LOAD(crowd->started) == (unsigned int)nr);
}

TEST(a_process_exits_while_threads_run_in_a_view)
{
	struct crowd crowd = { 0 };

	set_scene();
	start_crowd(&crowd, 5);
	CHECK_EQ(view_threads(scene.view), 6);
	/* exit_group ends all of them where they are. */
}

static void *outlive_main(void *crowd)
{
	sleep_ms(50);
	if (scene.code() != 2)
		FAIL("expected 2, seen something else");
	STORE(((struct crowd *)crowd)->stop, 1);
	exit(0);
}

static void end_main_thread(void *unused)
{
	static struct crowd crowd;
	pthread_t thread;

	(void)unused;
	close(device);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	set_scene();
	start_crowd(&crowd, 2);
	start_thread(&thread, outlive_main, &crowd);
	pthread_exit(NULL);
}

TEST(threads_stay_in_their_view_when_the_first_thread_ends)
{
	child_run(end_main_thread, NULL);
}

/* Something of everything, until killed. */
static void *live_dangerously(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	uint32_t views[3] = { 0 };
	long value = 1;
	pid_t pid;

	for (;;) {
		int i = rand_r(&seed) % 3;
		long *page = map_pages(4, PROT_READ | PROT_WRITE);

		switch (rand_r(&seed) % 6) {
		case 0:
			try_delete(device, views[i]);
			try_create(device, views[rand_r(&seed) % 3], &views[i]);
			break;
		case 1:
		case 2:
			try_migrate(device, views[i], NULL);
			break;
		case 3:
			try_write(device, views[i], page_of(page, 1), &value, sizeof(value));
			break;
		case 4:
			pid = fork();
			if (!pid)
				_exit(0);
			waitpid(pid, NULL, 0);
			break;
		}
		STORE(*page_of(page, 1), 2);
		munmap(page, 4 * PAGE);
	}
	return NULL;
}

static void wait_to_be_killed(void *seed)
{
	pthread_t thread;
	uintptr_t i;

	close(device);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	for (i = 0; i < 3; i++)
		start_thread(&thread, live_dangerously, (char *)seed + i * 1000);
	live_dangerously((char *)seed + 3000);
}

TEST(processes_are_killed_at_any_moment)
{
	unsigned int seed = 7;
	long round;
	pid_t pid;
	int status;

	for (round = 1; round <= 15; round++) {
		pid = child_start(wait_to_be_killed, (void *)round);
		sleep_ms(rand_r(&seed) % 120);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		status = child_status(pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			FAIL("expected an end by SIGKILL, seen status %#x", status);
	}
}

static void crash_in_a_view(void *unused)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	static struct crowd crowd;

	(void)unused;
	CHECK_EQ(setrlimit(RLIMIT_CORE, &limit), 0);
	close(device);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	set_scene();
	start_crowd(&crowd, 3);
	STORE(*map_pages(1, PROT_NONE), 0);
}

TEST(a_core_is_dumped_of_a_process_in_a_view)
{
	char path[64], magic[4];
	int status, fd;
	pid_t pid;

	guest_need("/proc/sys/kernel/core_pattern", "/tmp/wfpatch-core.%p");
	pid = child_start(crash_in_a_view, NULL);
	status = child_status(pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSEGV);
	CHECK(WCOREDUMP(status));
	snprintf(path, sizeof(path), "/tmp/wfpatch-core.%d", pid);
	fd = CHECK_LIBC(open(path, O_RDONLY));
	CHECK_EQ(read(fd, magic, 4), 4);
	CHECK(!memcmp(magic, "\177ELF", 4));
	CHECK(lseek(fd, 0, SEEK_END) > 100000);
	unlink(path);
}

static void eat_memory(void *unused)
{
	static struct crowd crowd;
	struct worker sleepers[3];
	uint32_t view;
	char *area;
	size_t at;
	int i;

	(void)unused;
	cgroup_enter();
	if (!cgroup_set("memory.max", "24M"))
		skip_test("the group cannot be limited");
	cgroup_set("memory.swap.max", "0");
	close(device);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	set_scene();
	area = map_aligned(256 * HUGE);
	madvise(area, 256 * HUGE, MADV_NOHUGEPAGE);
	view = new_view(scene.view);
	for (at = 0; at < 8 * HUGE; at += HUGE / 4)
		put_long(view, area + at, 1);
	start_crowd(&crowd, 1);
	for (i = 0; i < 3; i++) {
		worker_start(&sleepers[i]);
		worker_enter(&sleepers[i], i == 1 ? view : scene.view);
	}
	enter(view);
	for (at = 0; at < 256 * HUGE; at += PAGE)
		area[at] = 1;
	FAIL("expected to be killed for lack of memory");
}

TEST(a_process_in_views_is_killed_for_lack_of_memory)
{
	int status = child_status(child_start(eat_memory, NULL));

	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGKILL);
}

static long do_lock(void *mutex)
{
	return pthread_mutex_lock(mutex);
}

TEST(the_end_of_a_thread_is_told_in_its_view)
{
	pthread_mutexattr_t robust;
	pthread_mutex_t *mutex;
	struct worker w;
	uint32_t view;

	/* The mutex lies in memory that every view has for itself. */
	mutex = (void *)map_pages(1, PROT_READ | PROT_WRITE);
	pthread_mutexattr_init(&robust);
	pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(mutex, &robust);
	pin(mutex, PAGE);
	view = new_view(0);
	worker_start(&w);
	worker_enter(&w, view);
	CHECK_EQ(worker_call(&w, do_lock, mutex), 0);
	CHECK_EQ(pthread_mutex_trylock(mutex), 0);
	CHECK_EQ(pthread_mutex_unlock(mutex), 0);
	enter(view);
	CHECK_EQ(pthread_mutex_trylock(mutex), EBUSY);
	worker_stop(&w);
	CHECK_EQ(pthread_mutex_lock(mutex), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(mutex), 0);
	CHECK_EQ(pthread_mutex_unlock(mutex), 0);
	enter(0);
	CHECK_EQ(pthread_mutex_trylock(mutex), 0);
}

static int end_at_once(void *unused)
{
	(void)unused;
	return 0;
}

TEST(the_id_of_an_ended_thread_is_cleared_in_its_view)
{
	char *stack = (char *)map_pages(16, PROT_READ | PROT_WRITE);
	int *id = (int *)(void *)map_pages(1, PROT_READ | PROT_WRITE);
	uint32_t view;
	int tid;

	*id = 12345;
	pin(id, PAGE);
	view = new_view(0);
	enter(view);
	tid = CHECK_LIBC(clone(end_at_once, stack + 16 * PAGE,
			       CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			       CLONE_SYSVSEM | CLONE_CHILD_CLEARTID, NULL, NULL, NULL, id));
	CHECK(tid > 0);
	while (LOAD(*id))
		syscall(SYS_futex, id, FUTEX_WAIT, 12345, NULL, NULL, 0);
	enter(0);
	CHECK_EQ(LOAD(*id), 12345);
}
