// SPDX-License-Identifier: GPL-2.0
/*
 * Reclaim as newer kernels do it: TLB flushes put off, and walks over page tables that look for pages
 * in use. Each test shows that the kernel did it to a process with views.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define PAGEOUT		21	/* MADV_PAGEOUT */
#define PER_HUGE	512
#define LRU_GEN		"/sys/kernel/debug/lru_gen"

/* --- flushes that reclaim puts off ------------------------------------------------------------- */

enum { NR_COUNTED = 200 };

struct counters {
	char *area;
	uint32_t view;
	unsigned int stop;
	unsigned int rounds;
};

/* Each page counts rounds. A store that goes to a page that reclaim has taken is lost. */
static long do_count(void *arg)
{
	struct counters *c = arg;
	long round, seen;
	int i;

	guest_run_on(0, 1);
	enter(c->view);
	for (round = 0; !LOAD(c->stop); round++) {
		for (i = 0; i < NR_COUNTED; i++) {
			seen = LOAD(*page_of(c->area, i));
			if (seen != round)
				FAIL("page %d: expected round %ld, seen %ld", i, round, seen);
			STORE(*page_of(c->area, i), round + 1);
		}
		__atomic_add_fetch(&c->rounds, 1, __ATOMIC_RELAXED);
	}
	enter(0);
	return round;
}

/* In the base, on the same processor: reclaim puts off flushes of processors that have it loaded. */
static long do_spin(void *arg)
{
	struct counters *c = arg;

	guest_run_on(0, 1);
	while (!LOAD(c->stop))
		;
	return 0;
}

TEST(stores_are_kept_while_reclaim_puts_off_its_flushes)
{
	struct counters shared = { .area = map_aligned(HUGE), .view = new_view(0) };
	struct counters own = { .area = map_aligned(HUGE), .view = new_view(0) };
	struct counters *all[2] = { &shared, &own };
	struct worker counting[2], spinning;
	unsigned int rounds;
	long swapped;
	int i, tries;

	guest_need_two_processors();
	guest_swap();
	guest_count_calls("arch_tlbbatch_flush");
	swapped = file_value("/proc/vmstat", "pswpout");
	put_long(own.view, page_of(own.area, PER_HUGE - 1), -1);
	guest_run_on(0, 0);
	for (i = 0; i < 2; i++) {
		madvise(all[i]->area, HUGE, MADV_NOHUGEPAGE);
		worker_start(&counting[i]);
		worker_begin(&counting[i], do_count, all[i]);
	}
	worker_start(&spinning);
	worker_begin(&spinning, do_spin, &shared);
	for (tries = 0; tries < 12 || (guest_calls() < 10 && tries < 400); tries++) {
		rounds = LOAD(all[tries % 2]->rounds);
		CHECK_EQ(madvise(all[tries % 2]->area, HUGE, PAGEOUT), 0);
		WAIT_FOR(LOAD(all[tries % 2]->rounds) != rounds);
	}
	for (i = 0; i < 2; i++)
		STORE(all[i]->stop, 1);
	worker_end(&spinning);
	for (i = 0; i < 2; i++) {
		long done = worker_end(&counting[i]);

		for (tries = 0; tries < NR_COUNTED; tries++)
			CHECK_EQ(*page_of(all[i]->area, tries), done);
	}
	if (swapped >= 0)
		CHECK(file_value("/proc/vmstat", "pswpout") > swapped);
	if (guest_calls() < 10)
		FAIL("expected 10 flushes that were put off, seen %ld", guest_calls());
}

/* --- walks of the multi-generational LRU over page tables (6.1) -------------------------------- */

struct generations {
	unsigned long group;
	unsigned long oldest;
	unsigned long newest;
	unsigned long wanted;
	long anon;		/* pages in the generation @wanted */
};

/* What the kernel tells of the test's control group. */
static void generations_read(struct generations *g)
{
	FILE *file = fopen(LRU_GEN, "re");
	unsigned long group, seq;
	char line[256], path[128];
	bool inside = false;
	long anon;

	CHECK(file);
	g->group = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memcg %lu %127s", &group, path) == 2) {
			inside = !strcmp(path, "/wfpatch-test");
			if (inside)
				g->group = group;
		} else if (inside && sscanf(line, "%lu %*u %ld", &seq, &anon) == 2) {
			if (!g->oldest || seq < g->oldest)
				g->oldest = seq;
			g->newest = seq;
			if (seq == g->wanted)
				g->anon = anon;
		}
	}
	fclose(file);
	CHECK(g->group);
}

static long pages_in(unsigned long generation)
{
	struct generations g = { .wanted = generation };

	generations_read(&g);
	return g.anon;
}

/* Looks for pages in use; those become the generation that is returned, and a newer one begins. */
static unsigned long make_generation(void)
{
	struct generations g = { 0 };
	char line[80];

	generations_read(&g);
	snprintf(line, sizeof(line), "+ %lu 0 %lu 200 1\n", g.group, g.newest);
	if (!file_write(LRU_GEN, line))
		FAIL("%s: %s", line, last_error());
	return g.newest;
}

static void need_generations(void)
{
	char enabled[16];

	guest_swap();
	guest_need("/sys/kernel/mm/lru_gen/enabled", "7");
	CHECK(file_read("/sys/kernel/mm/lru_gen/enabled", enabled, sizeof(enabled)) > 0);
	if (!(strtol(enabled, NULL, 0) & 2))
		skip_test("the kernel does not walk page tables: %s", enabled);
	cgroup_enter();
	if (access(LRU_GEN, W_OK))
		skip_test("no %s: %s", LRU_GEN, last_error());
}

static long do_load_all(void *area)
{
	long sum = 0;
	int i;

	for (i = 0; i < PER_HUGE; i++)
		sum += LOAD(*page_of(area, i));
	return sum;
}

/*
 * Through a table that is the view's own the accessed bits are the view's own, too. From 6.12 (as
 * Debian has it) the walks ask for these.
 */
TEST(pages_that_only_a_view_uses_are_young_to_walks_over_page_tables)
{
	enum { MOST = PER_HUGE * 3 / 4 };
	int major = 0, minor = 0, i;
	unsigned long generation;
	struct utsname names;
	struct worker w;
	uint32_t view;
	char *area;
	long pages;

	uname(&names);
	sscanf(names.release, "%d.%d", &major, &minor);
	if (major < 6 || (major == 6 && minor < 12))
		skip_test("the walks of this kernel, if it has any, do not ask for views");
	need_generations();
	view = new_view(0);
	area = map_aligned(HUGE);
	madvise(area, HUGE, MADV_NOHUGEPAGE);
	for (i = 0; i < PER_HUGE; i++)
		*page_of(area, i) = i;
	put_long(view, page_of(area, 0), -1);
	worker_start(&w);
	worker_enter(&w, view);
	CHECK_EQ(worker_call(&w, do_load_all, area), PER_HUGE * (PER_HUGE - 1) / 2 - 1);

	generation = make_generation();
	pages = pages_in(generation);
	if (pages < MOST)
		FAIL("%d pages were used; expected nearly all young, seen %ld", PER_HUGE, pages);
	generation = make_generation();
	pages = pages_in(generation);
	if (pages > MOST / 4)
		FAIL("no page was used; expected next to none young, seen %ld", pages);
	/* The processor forgets that it has set the bits: it does so when the view changes. */
	worker_enter(&w, 0);
	worker_enter(&w, view);
	CHECK_EQ(worker_call(&w, do_load_all, area), PER_HUGE * (PER_HUGE - 1) / 2 - 1);
	generation = make_generation();
	pages = pages_in(generation);
	if (pages < MOST)
		FAIL("%d pages were used by a view; expected nearly all young, seen %ld", PER_HUGE,
		     pages);
}

static void age_and_reclaim(void)
{
	struct generations g = { 0 };
	char line[80];

	make_generation();
	make_generation();
	generations_read(&g);
	/* All but the newest two, which the kernel keeps. It may find nothing to do. */
	snprintf(line, sizeof(line), "- %lu 0 %lu 200 400\n", g.group, g.newest - 2);
	file_write(LRU_GEN, line);
}

TEST(pages_stay_right_while_generations_are_made_and_reclaimed)
{
	struct counters shared = { .view = new_view(0) }, own = { .view = new_view(0) };
	struct counters *all[2] = { &shared, &own };
	struct worker workers[2];
	unsigned int rounds;
	long swapped;
	int i, tries;

	guest_need_two_processors();
	need_generations();
	swapped = file_value("/proc/vmstat", "pswpout");
	for (i = 0; i < 2; i++) {
		all[i]->area = map_aligned(HUGE);
		madvise(all[i]->area, HUGE, MADV_NOHUGEPAGE);
	}
	put_long(own.view, page_of(own.area, PER_HUGE - 1), -1);
	for (i = 0; i < 2; i++) {
		worker_start(&workers[i]);
		worker_begin(&workers[i], do_count, all[i]);
	}
	for (tries = 0; tries < 12; tries++) {
		rounds = LOAD(all[tries % 2]->rounds);
		age_and_reclaim();
		WAIT_FOR(LOAD(all[tries % 2]->rounds) != rounds);
	}
	for (i = 0; i < 2; i++) {
		STORE(all[i]->stop, 1);
		CHECK(worker_end(&workers[i]) > 0);
	}
	if (swapped >= 0)
		CHECK(file_value("/proc/vmstat", "pswpout") > swapped);
}
