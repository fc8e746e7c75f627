// SPDX-License-Identifier: GPL-2.0
/*
 * Another process is patched while every allocation on the way, and every copy from and to user
 * memory, fails once: those of the caller, of the kernel's workers that act for it, and of the
 * process's own threads at their gates and traps. A request is done or not done; what is done later
 * is only delayed. Needs a kernel that injects such failures, as the debug kernel does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "auto.h"
#include "inject.h"
#include "target.h"

/* --- the process ------------------------------------------------------------------------------ */

/* Between the process and the test: its threads make no system call that may fail for it. */
static struct shared {
	pid_t busy_tid, inside_tid;
	int pause, paused;	/* the busy thread */
	long last;		/* what it got from its last call */
	int enter, inside;	/* the other one */
	int leave;
	long nested, result;	/* what it got inside, and from the function itself */
	long mixed;		/* neither old nor new, or one inside the other */
} *shared;

static struct target other;

/* Always on its way into the functions that are replaced, and out. */
static void *be_busy(void *unused)
{
	unsigned long rounds;

	STORE(shared->busy_tid, gettid());
	for (rounds = 1;; rounds++) {
		long seen = old_pair();

		if (seen != 1 && seen != 2)
			STORE(shared->mixed, seen);
		STORE(shared->last, seen);
		while (LOAD(shared->pause)) {
			STORE(shared->paused, 1);
			sched_yield();
		}
		STORE(shared->paused, 0);
		if (!(rounds % 64))
			sched_yield();
	}
	return unused;
}

/* Called by one of them: calls another, again and again. */
static long call_on(void *unused)
{
	(void)unused;
	STORE(shared->nested, old_pair());
	STORE(shared->inside, 1);
	while (!LOAD(shared->leave)) {
		if (old_pair() != LOAD(shared->nested))
			STORE(shared->mixed, 3);
		usleep(2000);
	}
	return 0;
}

static void *stay_inside(void *unused)
{
	STORE(shared->inside_tid, gettid());
	for (;;) {
		while (!LOAD(shared->enter))
			usleep(2000);
		STORE(shared->enter, 0);
		STORE(shared->result, old_code(call_on, NULL));
		if (LOAD(shared->result) != LOAD(shared->nested))
			STORE(shared->mixed, 4);
		STORE(shared->inside, 0);
	}
	return unused;
}

static void start_threads(void *unused)
{
	pthread_t thread;

	(void)unused;
	start_small_thread(&thread, be_busy, NULL);
	start_small_thread(&thread, stay_inside, NULL);
	while (!LOAD(shared->busy_tid) || !LOAD(shared->inside_tid))
		sched_yield();
}

static void go_inside(void)
{
	STORE(shared->leave, 0);
	STORE(shared->enter, 1);
	WAIT_FOR(LOAD(shared->inside));
}

static void come_out(void)
{
	STORE(shared->leave, 1);
	WAIT_FOR(!LOAD(shared->inside));
}

/* From here on the requests are about the other process. */
static void prepare(void)
{
	inject_prepare();
	/* Hooks stay armed: the kernel warns where it has no memory for its own part of that. */
	new_view(0);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	target_start(&other, start_threads, NULL);
	device = attach(&other);
}

static void finish(void)
{
	CHECK_EQ(LOAD(shared->mixed), 0);
	CHECK_EQ(target_ask(&other, TARGET_LOAD, &shared->mixed), 0);
	target_kill(&other);
}

/* --- what can be seen of it ------------------------------------------------------------------- */

static void base_bytes(void *addr, void *bytes, size_t size, bool put)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", other.pid);
	fd = CHECK_LIBC(open(path, O_RDWR | O_CLOEXEC));
	n = put ? pwrite(fd, bytes, size, (off_t)(uintptr_t)addr) :
		  pread(fd, bytes, size, (off_t)(uintptr_t)addr);
	CHECK_EQ(n, size);
	close(fd);
}

static unsigned char base_byte(void *addr)
{
	unsigned char byte;

	base_bytes(addr, &byte, 1, false);
	return byte;
}

/* Views, who is where, code of the base, mappings. */
static size_t picture(char *to, size_t room)
{
	struct wfpatch_view_info views[8];
	struct wfpatch_thread_info threads[8];
	unsigned char bytes[8];
	char path[32];
	size_t n = 0;
	long nr, i;

	nr = try_list_views(device, views, 8, NULL);
	CHECK_OK(nr);
	for (i = 0; i < nr; i++)
		n += (size_t)snprintf(to + n, room - n, "view %u flags %#x %u threads %llu pages\n",
				      views[i].view, views[i].flags, views[i].nr_threads,
				      views[i].nr_overlays);
	nr = try_list_threads(device, threads, 8, NULL);
	CHECK_OK(nr);
	for (i = 0; i < nr; i++)
		n += (size_t)snprintf(to + n, room - n, "thread %d view %u\n", threads[i].tid,
				      threads[i].view);
	base_bytes((void *)old_code, bytes, sizeof(bytes), false);
	for (i = 0; i < 8; i++)
		n += (size_t)snprintf(to + n, room - n, "%02x ", bytes[i]);
	snprintf(path, sizeof(path), "/proc/%d/maps", other.pid);
	nr = file_read(path, to + n, room - n);
	CHECK(nr > 0);
	return n + (size_t)nr;
}

/* --- whose failures --------------------------------------------------------------------------- */

static void fails_of_caller(long (*call)(void), void (*undo)(void))
{
	const struct trial trial = { .call = call, .undo = undo, .picture = picture };
	struct injector caller = injector_of_caller(), copies = injector_of_copies();

	CHECK(inject_all(&caller, &trial).failed > 0);
	CHECK(inject_all(&copies, &trial).failed > 0);
}

/* The worker fails and the caller is told. */
static void fails_of_workers(long (*call)(void), void (*undo)(void))
{
	const struct trial trial = { .call = call, .undo = undo, .picture = picture };
	struct injector workers = injector_of_workers();

	CHECK(inject_all(&workers, &trial).failed > 0);
}

/* Nobody is told: it goes on. The threads' failures are soon more of the same. */
static void delays(long (*call)(void), void (*undo)(void))
{
	struct trial trial = { .call = call, .undo = undo };
	struct injector injector = injector_of_workers();
	struct trial_result result;

	result = inject_all(&injector, &trial);
	CHECK(result.injected > 0);
	CHECK_EQ(result.failed, 0);
	injector = (struct injector){ .what = INJECT_TASK };
	injector_add(&injector, other.pid, shared->busy_tid);
	injector_add(&injector, other.pid, shared->inside_tid);
	trial.enough = 16;
	result = inject_all(&injector, &trial);
	CHECK(result.injected > 0);
	CHECK_EQ(result.failed, 0);
}

/* --- handles, views --------------------------------------------------------------------------- */

static int again;

static long attach_again(void)
{
	long result;

	again = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);
	if (again < 0)
		return -errno;
	result = try_attach_with(again, other.pidfd);
	if (result)
		close(again);
	return result;
}

static void use_and_close(void)
{
	CHECK_OK(try_list_views(again, NULL, 0, NULL));
	CHECK_EQ(close(again), 0);
}

TEST(a_handle_is_attached_or_not)
{
	prepare();
	fails_of_caller(attach_again, use_and_close);
	finish();
}

static uint32_t made;

static long create_one(void)
{
	return try_create(device, 0, &made);
}

static void delete_one(void)
{
	struct wfpatch_view_info info;

	delete_view(made);
	WAIT_FOR(!view_info(device, made, &info));
}

static long jump_value = 0xcccccccccccccccc;

static long redirect_one(void)
{
	return try_write(device, made, (void *)old_code, &jump_value, sizeof(jump_value));
}

static void see_it_redirected(void)
{
	CHECK_EQ(get_long(made, (void *)old_code), jump_value);
	CHECK(base_byte((void *)old_code) != 0xcc);
	delete_one();
	CHECK_OK(create_one());
}

TEST(a_view_of_another_process_is_made_and_written_to_or_not)
{
	prepare();
	fails_of_caller(create_one, delete_one);
	CHECK_OK(create_one());
	fails_of_caller(redirect_one, see_it_redirected);
	finish();
}

/* --- images ----------------------------------------------------------------------------------- */

#define ROOM	4096	/* pages */

static void *place;
static int image;

static long map_one(void)
{
	void *addr = place;

	return try_map(device, image, PROT_READ | PROT_EXEC, &addr, PAGE, 0);
}

static long unmap_one(void)
{
	return try_unmap(device, place, PAGE);
}

static void unmap_surely(void)
{
	CHECK_EQ(target_ask(&other, TARGET_LOAD, place), 0);
	CHECK_OK(unmap_one());
}

static void map_surely(void)
{
	CHECK_OK(map_one());
}

static void prepare_image(void)
{
	/* At the lower end of much that is free: others take the upper. */
	place = map_pages(ROOM, PROT_NONE);
	CHECK_LIBC(munmap(place, ROOM * PAGE));
	image = CHECK_LIBC(memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	CHECK_LIBC(ftruncate(image, PAGE));
	CHECK_LIBC(fcntl(image, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
	prepare();
}

TEST(an_image_is_mapped_and_unmapped_or_not)
{
	prepare_image();
	fails_of_caller(map_one, unmap_surely);
	fails_of_workers(map_one, unmap_surely);
	CHECK_OK(map_one());
	fails_of_caller(unmap_one, map_surely);
	fails_of_workers(unmap_one, map_surely);
	finish();
}

static struct wfpatch_map *untold;

static long map_untold(void)
{
	return request(device, WFPATCH_IOC_MAP, untold);
}

/* What cannot be told is taken back; a failure of that must not leave the image there. */
TEST(a_mapping_that_cannot_be_told_is_taken_back_whatever_fails)
{
	const struct trial trial = {
		.call = map_untold, .picture = picture, .plain = -EFAULT,
	};
	struct injector injector;

	prepare_image();
	untold = (void *)map_pages(1, PROT_READ | PROT_WRITE);
	*untold = (struct wfpatch_map){
		.size = sizeof(*untold), .fd = image, .prot = PROT_READ,
		.addr = (uintptr_t)place, .len = PAGE,
	};
	CHECK_LIBC(mprotect(untold, PAGE, PROT_READ));
	injector = injector_of_caller();
	CHECK(inject_all(&injector, &trial).failed > 0);
	injector = injector_of_workers();
	CHECK(inject_all(&injector, &trial).failed > 0);
	finish();
}

/* --- transitions ------------------------------------------------------------------------------ */

static uint32_t replaced, from;

static uint32_t to(void)
{
	return from ? 0 : replaced;
}

static long begin_one(void)
{
	return try_auto_here(device, to());
}

/* All come over; the thread inside last, and not before it is out. */
static void see_it_done(void)
{
	wait_view(other.pid, to());
	wait_view(shared->busy_tid, to());
	WAIT_FOR(LOAD(shared->last) == (to() ? 2 : 1));
	CHECK_EQ(view_of(shared->inside_tid), from);
	CHECK_EQ(LOAD(shared->inside), 1);
	come_out();
	CHECK_EQ(LOAD(shared->result), from ? 2 : 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, to());
	CHECK_EQ(LOAD(shared->mixed), 0);
}

/* The next goes the other way. */
static void turn_round(void)
{
	from = to();
	go_inside();
}

static void see_it_done_and_turn(void)
{
	see_it_done();
	turn_round();
}

static long do_one(void)
{
	long result = begin_one();

	if (!result)
		see_it_done();
	return result;
}

TEST(a_transition_is_begun_or_not_and_done_in_any_case)
{
	prepare();
	replaced = auto_view();
	go_inside();
	fails_of_caller(begin_one, see_it_done_and_turn);
	delays(do_one, turn_round);
	finish();
}

static struct wfpatch_blocked_info blocked[8];

static long list_blocked(void)
{
	long nr;

	memset(blocked, 0, sizeof(blocked));
	nr = try_list_blocked(device, blocked, 8, NULL);
	return nr < 0 ? nr : 0;
}

static void see_who_is_blocked(void)
{
	CHECK_EQ(blocked[0].tid, shared->inside_tid);
	CHECK_EQ(blocked[1].tid, 0);
}

/* Back to the base, where the thread inside still is. */
static long cancel_one(void)
{
	return try_auto_here(device, 0);
}

static void see_it_cancelled(void)
{
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, 0);
	CHECK_EQ(view_of(other.pid), 0);
	CHECK_EQ(view_of(shared->busy_tid), 0);
	CHECK_EQ(view_of(shared->inside_tid), 0);
	WAIT_FOR(LOAD(shared->last) == 1);
	CHECK_EQ(LOAD(shared->inside), 1);
	CHECK_EQ(LOAD(shared->mixed), 0);
}

static void begin_surely(void)
{
	CHECK_OK(try_auto_here(device, replaced));
	wait_view(other.pid, replaced);
	wait_view(shared->busy_tid, replaced);
	CHECK_EQ(view_of(shared->inside_tid), 0);
}

static void see_it_cancelled_and_begin(void)
{
	see_it_cancelled();
	begin_surely();
}

static long do_cancel(void)
{
	long result = cancel_one();

	if (!result)
		see_it_cancelled();
	return result;
}

TEST(a_transition_is_listed_and_cancelled_or_not)
{
	prepare();
	replaced = auto_view();
	go_inside();
	begin_surely();
	fails_of_caller(list_blocked, see_who_is_blocked);
	fails_of_caller(cancel_one, see_it_cancelled_and_begin);
	delays(do_cancel, begin_surely);
	come_out();
	CHECK_EQ(LOAD(shared->result), 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, replaced);
	finish();
}

/* --- commits ---------------------------------------------------------------------------------- */


/* Everybody is in a view that is to be committed. */
static void go_there(void)
{
	made = auto_view();
	CHECK_OK(try_auto_here(device, made));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, made);
	WAIT_FOR(LOAD(shared->last) == 2);
}

static long commit_one(void)
{
	return try_commit(device, made);
}

static void see_it_committed(void)
{
	CHECK_EQ(next_event(device, WFPATCH_EVENT_COMMITTED).view, made);
	CHECK_EQ(nr_views(), 0);
	CHECK_EQ(view_of(other.pid), 0);
	CHECK_EQ(view_of(shared->busy_tid), 0);
	CHECK_EQ(view_of(shared->inside_tid), 0);
	CHECK_EQ(base_byte((void *)old_code), 0xe9);
	CHECK_EQ(base_byte((void *)old_pair), 0xe9);
	CHECK_EQ(LOAD(shared->last), 2);
	CHECK_EQ(LOAD(shared->mixed), 0);
}

/* As a debugger would, while nobody is there. */
static void put_back(void)
{
	static void *const functions[] = { old_code, old_pair, old_deep, old_vforks };
	unsigned int i;

	STORE(shared->pause, 1);
	WAIT_FOR(LOAD(shared->paused));
	for (i = 0; i < 4; i++)
		base_bytes(functions[i], functions[i], 16, true);
	STORE(shared->pause, 0);
	WAIT_FOR(LOAD(shared->last) == 1);
	go_there();
}

static void see_it_committed_and_put_back(void)
{
	see_it_committed();
	put_back();
}

static long do_commit(void)
{
	long result = commit_one();

	if (!result)
		see_it_committed();
	return result;
}

TEST(a_view_of_another_process_is_committed_or_not)
{
	prepare();
	go_there();
	fails_of_caller(commit_one, see_it_committed_and_put_back);
	delays(do_commit, put_back);
	finish();
}

/* --- the end of the last handle --------------------------------------------------------------- */

/* Who is outside returns to the base at once, the other one when it is out; then the view goes. */
static long close_one(void)
{
	struct wfpatch_event event;

	CHECK_EQ(close(device), 0);
	WAIT_FOR(LOAD(shared->last) == 1);
	come_out();
	CHECK_EQ(LOAD(shared->result), 2);
	device = attach(&other);
	WAIT_FOR(nr_views() == 0);
	WAIT_FOR(view_threads(0) == 3);
	CHECK_EQ(LOAD(shared->mixed), 0);
	/* Of their way back. */
	while (any_event(device, &event))
		;
	return 0;
}

static void go_there_and_inside(void)
{
	go_there();
	go_inside();
}

TEST(threads_are_led_back_when_the_last_handle_is_closed)
{
	prepare();
	go_there_and_inside();
	delays(close_one, go_there_and_inside);
	finish();
}
