// SPDX-License-Identifier: GPL-2.0
/* Every kind of end, of threads and processes in views: nothing is left, nothing hangs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
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

/* What a view shows here: 2; the base 1. */
static struct scene {
	uint32_t view;
	code_fn code;
	long *data;
} scene;

static void set_scene(void)
{
	scene.code = make_code(1);
	scene.data = map_pages(1, PROT_READ | PROT_WRITE);
	scene.view = new_view(0);
	patch_code(scene.view, scene.code, 2);
	put_long(scene.view, scene.data, 20);
}

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
