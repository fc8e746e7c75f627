// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that use memory without a pause, in views and in the base, while others change its
 * mappings: when the system call has returned, nobody sees what was before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "view.h"

#define RW	(PROT_READ | PROT_WRITE)
#define ROUNDS	60

/* Who is where, and whether the page lies in a table that the view shares or in one of its own. */
struct scene {
	uint32_t user;
	uint32_t changer;
	bool private_table;
	char *area;
	long *page;
	long published;
	unsigned int stop;
};

static void scene_set(struct scene *s, int number)
{
	uint32_t view = new_view(0);

	memset(s, 0, sizeof(*s));
	s->area = map_aligned(HUGE);
	madvise(s->area, HUGE, MADV_NOHUGEPAGE);
	s->page = page_of(s->area, 9);
	s->private_table = number & 1;
	s->user = number & 2 ? 0 : view;
	s->changer = number & 4 ? view : 0;
	if (s->private_table)
		put_long(view, page_of(s->area, 20), 1);
}

/* Numbers 6 and 7 are 2 and 3 from the other side. */
#define NR_SCENES	6

/* A file of which page i says i. */
static int numbered_file(int nr)
{
	int fd = CHECK_LIBC(memfd_create("numbers", 0));
	long i;

	for (i = 0; i < nr; i++)
		CHECK_EQ(pwrite(fd, &i, sizeof(i), i * (long)PAGE), sizeof(i));
	CHECK_EQ(ftruncate(fd, nr * (long)PAGE), 0);
	return fd;
}

static long do_follow(void *arg)
{
	struct scene *s = arg;
	long reads = 0;

	enter(s->user);
	while (!LOAD(s->stop) || !reads) {
		long least = __atomic_load_n(&s->published, __ATOMIC_ACQUIRE);
		long seen = LOAD(*s->page);

		if (seen < least)
			FAIL("page %ld is mapped since before the read, seen %ld", least, seen);
		reads++;
	}
	enter(0);
	return reads;
}

TEST(a_thread_sees_a_new_mapping_as_soon_as_the_call_returns)
{
	int fd = numbered_file(ROUNDS + 1), number;
	struct worker w;
	struct scene s;
	long round;

	worker_start(&w);
	for (number = 0; number < NR_SCENES; number++) {
		scene_set(&s, number);
		CHECK(mmap(s.page, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == s.page);
		worker_begin(&w, do_follow, &s);
		enter(s.changer);
		for (round = 1; round <= ROUNDS; round++) {
			CHECK(mmap(s.page, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
				   round * (long)PAGE) == s.page);
			__atomic_store_n(&s.published, round, __ATOMIC_RELEASE);
			if (round % 16 == 0)
				sched_yield();
		}
		enter(0);
		STORE(s.stop, 1);
		CHECK(worker_end(&w) > 0);
	}
}

TEST(a_thread_sees_a_moved_mapping_as_soon_as_the_call_returns)
{
	struct worker w;
	struct scene s;
	int number;
	long round;

	worker_start(&w);
	for (number = 0; number < NR_SCENES; number++) {
		scene_set(&s, number);
		*s.page = 0;
		worker_begin(&w, do_follow, &s);
		enter(s.changer);
		for (round = 1; round <= ROUNDS; round++) {
			long *next = map_pages(1, RW);

			*next = round;
			CHECK(mremap(next, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, s.page) ==
			      s.page);
			__atomic_store_n(&s.published, round, __ATOMIC_RELEASE);
		}
		enter(0);
		STORE(s.stop, 1);
		CHECK(worker_end(&w) > 0);
	}
}

/* A store that faults is made again and again, until it may be. */
static void try_again(int signal)
{
	(void)signal;
	sched_yield();
}

static long do_store(void *arg)
{
	struct scene *s = arg;
	long n = 0;

	enter(s->user);
	while (!LOAD(s->stop) || !n) {
		STORE(*s->page, ++n);
		CHECK_EQ(LOAD(*s->page), n);
	}
	enter(0);
	return n;
}

TEST(no_store_comes_through_after_mprotect_has_returned)
{
	struct sigaction action = { .sa_handler = try_again };
	struct worker w;
	struct scene s;
	int number, round;
	long seen;

	CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
	worker_start(&w);
	for (number = 0; number < NR_SCENES; number++) {
		scene_set(&s, number);
		worker_begin(&w, do_store, &s);
		enter(s.changer);
		for (round = 0; round < 20; round++) {
			CHECK_EQ(mprotect(s.page, PAGE, PROT_READ), 0);
			seen = LOAD(*s.page);
			sleep_ms(1);
			CHECK_EQ(LOAD(*s.page), seen);
			CHECK_EQ(mprotect(s.page, PAGE, RW), 0);
			/* Otherwise nothing would try to come through. */
			WAIT_FOR(LOAD(*s.page) != seen);
		}
		enter(0);
		STORE(s.stop, 1);
		CHECK_EQ(worker_end(&w), LOAD(*s.page));
	}
}

static unsigned int faults;

static void map_again(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	__atomic_add_fetch(&faults, 1, __ATOMIC_RELAXED);
	/* Who unmapped it maps it again in a moment. */
	if (!info->si_addr)
		abort();
	sched_yield();
}

/* Reads a page that comes and goes: always what is mapped, never what was. */
static long do_read_unmapped(void *arg)
{
	struct scene *s = arg;
	long reads = 0;

	enter(s->user);
	while (!LOAD(s->stop) || !reads) {
		long least = __atomic_load_n(&s->published, __ATOMIC_ACQUIRE);
		long seen = LOAD(*s->page);

		/* 0: mapped, not yet filled. */
		if (seen && seen < least)
			FAIL("expected %ld or later, seen %ld", least, seen);
		reads++;
	}
	enter(0);
	return reads;
}

TEST(no_thread_reads_a_page_that_was_unmapped)
{
	struct sigaction action = { .sa_sigaction = map_again, .sa_flags = SA_SIGINFO };
	struct worker w;
	struct scene s;
	int number;
	long round;

	CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
	worker_start(&w);
	for (number = 0; number < NR_SCENES; number++) {
		scene_set(&s, number);
		worker_begin(&w, do_read_unmapped, &s);
		enter(s.changer);
		for (round = 1; round <= ROUNDS; round++) {
			CHECK_EQ(munmap(s.page, PAGE), 0);
			/* From now on the last number is wrong. */
			__atomic_store_n(&s.published, round, __ATOMIC_RELEASE);
			if (round % 8 == 0)
				sleep_ms(1);
			CHECK(mmap(s.page, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				   0) == s.page);
			STORE(*s.page, round);
			if (round % 16 == 0)
				sched_yield();
		}
		enter(0);
		STORE(s.stop, 1);
		CHECK(worker_end(&w) > 0);
	}
	CHECK(faults > 0);
}

TEST(dontneed_takes_the_content_away_from_every_view)
{
	struct worker workers[3];
	uint32_t views[3] = { 0, new_view(0), new_view(0) };
	char *area = map_aligned(HUGE);
	int round, i;

	madvise(area, HUGE, MADV_NOHUGEPAGE);
	put_long(views[2], page_of(area, 40), 1);
	for (i = 0; i < 3; i++) {
		worker_start(&workers[i]);
		worker_enter(&workers[i], views[i]);
	}
	for (round = 1; round <= ROUNDS; round++) {
		STORE(*page_of(area, 5), round);
		for (i = 0; i < 3; i++)
			CHECK_EQ(worker_load(&workers[i], page_of(area, 5)), round);
		CHECK_EQ(madvise(page_of(area, 5), PAGE, MADV_DONTNEED), 0);
		for (i = 0; i < 3; i++)
			CHECK_EQ(worker_load(&workers[(i + round) % 3], page_of(area, 5)), 0);
	}
}

/* Atomic additions by all at once: none may go to a page that the others do not have. */
struct adders {
	long *page;
	unsigned int stop;
};

static void *adder(void *arg)
{
	struct adders *adders = arg;
	long n = 0;

	while (!LOAD(adders->stop)) {
		__atomic_add_fetch(adders->page, 1, __ATOMIC_RELAXED);
		n++;
	}
	return (void *)n;
}

TEST(additions_in_all_views_meet_in_one_page)
{
	enum { NR = 6 };
	struct adders adders = { .page = (long *)(void *)map_aligned(HUGE) };
	uint32_t views[3] = { 0, new_view(0), new_view(0) };
	pthread_t threads[NR];
	long sum = 0;
	void *n;
	int i, round;

	madvise(adders.page, HUGE, MADV_NOHUGEPAGE);
	put_long(views[1], page_of(adders.page, 3), 1);
	for (i = 0; i < NR; i++) {
		enter(views[i % 3]);
		start_thread(&threads[i], adder, &adders);
	}
	enter(0);
	for (round = 0; round < 20; round++) {
		pid_t pid;

		/* Fork makes the page copy-on-write under all of them. */
		pid = CHECK_LIBC(fork());
		if (!pid)
			_exit(0);
		CHECK_EQ(child_status(pid), 0);
	}
	STORE(adders.stop, 1);
	for (i = 0; i < NR; i++) {
		CHECK_EQ(pthread_join(threads[i], &n), 0);
		sum += (long)n;
	}
	CHECK_EQ(*adders.page, sum);
}
