// SPDX-License-Identifier: GPL-2.0
/*
 * Many address spaces on one processor, and one on many. A processor with PCID keeps translations of
 * address spaces that it does not run at the moment, of six at a time (TLB_NR_DYN_ASIDS); they must
 * not be used again when what they say has changed meanwhile. One with INVLPGB gives an address space
 * that runs on four processors a number for all of them. Others forget everything at each switch: the
 * tests run there, too, and see what was not derived anew, but nothing that only such a processor
 * would keep.
 *
 * ASID_SECONDS in the environment is how long each of the tests that run against the clock takes.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define RW		(PROT_READ | PROT_WRITE)
#define MAX_VIEWS	20
#define MAX_THREADS	16
#define BASE_NUMBER	999	/* what pages of the base say in place of a view's number */

/*
 * Three pages that say which turn it is, and one whose code returns it. The first lies in a page
 * table that all views share with the base; the second in one that each view has for itself, for the
 * overlay pages are there: the third, and the code.
 */
struct scene {
	char *area;
	long *shared;
	long *beside;
	long *own;
	code_fn code;
	long *counts;		/* a line for each thread, in the views' own table */
	uint32_t views[MAX_VIEWS];
	int nr_views;
	long published;
	unsigned int stop;
};

static unsigned int processors(int *list, unsigned int room)
{
	unsigned int n = 0;
	cpu_set_t set;
	int cpu;

	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	for (cpu = 0; cpu < CPU_SETSIZE && n < room; cpu++)
		if (CPU_ISSET(cpu, &set))
			list[n++] = cpu;
	return n;
}

static unsigned int seconds(void)
{
	const char *text = getenv("ASID_SECONDS");
	int n = text ? atoi(text) : 1;

	return n > 0 && n <= 60 ? (unsigned int)n : 1;
}

/* What the overlay pages of a view, or those of the base, say in a turn. */
static long saying(long turn, uint32_t view)
{
	return turn * 1000 + (view ? (long)view : BASE_NUMBER);
}

/* Put a page that says something in the place of another, which nobody finds empty meanwhile. */
static void replace(long *page, long value)
{
	long *next = map_pages(1, RW);

	*next = value;
	CHECK(mremap(next, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page) == page);
}

static void change(struct scene *s, long turn)
{
	int i;

	replace(s->shared, turn);
	replace(s->beside, turn);
	STORE(*s->own, saying(turn, 0));
	for (i = 0; i < s->nr_views; i++) {
		put_long(s->views[i], s->own, saying(turn, s->views[i]));
		patch_code(s->views[i], s->code, (int)saying(turn, s->views[i]));
	}
	__atomic_store_n(&s->published, turn, __ATOMIC_RELEASE);
}

static void scene_set(struct scene *s, int nr_views)
{
	char *code;
	int i;

	memset(s, 0, sizeof(*s));
	s->area = map_aligned(2 * HUGE);
	madvise(s->area, 2 * HUGE, MADV_NOHUGEPAGE);
	s->shared = page_of(s->area, 9);
	s->beside = page_of(s->area + HUGE, 9);
	s->own = page_of(s->area + HUGE, 20);
	s->counts = page_of(s->area + HUGE, 30);
	code = s->area + HUGE + 40 * PAGE;
	CHECK(mremap((void *)make_code((int)saying(0, 0)), PAGE, PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, code) == code);
	s->code = (code_fn)(void *)code;
	s->nr_views = nr_views;
	for (i = 0; i < nr_views; i++)
		s->views[i] = new_view(0);
	change(s, 0);
}

/* What is read by the program must be what the kernel reads for it: it may use other entries. */
static void check_kernel_sees(int *ends, const long *page, long least)
{
	long seen;

	CHECK_EQ(write(ends[1], page, sizeof(*page)), sizeof(*page));
	CHECK_EQ(read(ends[0], &seen, sizeof(seen)), sizeof(seen));
	if (seen < least)
		FAIL("the kernel: expected %ld or later, seen %ld", least, seen);
}

static void check_own(long seen, long least, uint32_t view, const char *what)
{
	if (seen % 1000 != (view ? (long)view : BASE_NUMBER))
		FAIL("%s in view %u: seen what view %ld says (%d: the base)", what, view,
		     seen % 1000, BASE_NUMBER);
	if (seen / 1000 < least)
		FAIL("%s in view %u: expected turn %ld or later, seen %ld", what, view, least,
		     seen / 1000);
}

/* A look at everything, by a thread in @view. */
static void look(struct scene *s, uint32_t view, int *ends)
{
	long least = __atomic_load_n(&s->published, __ATOMIC_ACQUIRE);
	long seen = LOAD(*s->shared);

	if (seen < least)
		FAIL("a page of a shared table in view %u: expected turn %ld or later, seen %ld",
		     view, least, seen);
	seen = LOAD(*s->beside);
	if (seen < least)
		FAIL("a page of the view's table in view %u: expected turn %ld or later, seen %ld",
		     view, least, seen);
	check_own(LOAD(*s->own), least, view, "an overlay page");
	if (view)
		check_own(s->code(), least, view, "code");
	if (ends) {
		check_kernel_sees(ends, s->shared, least);
		check_kernel_sees(ends, s->beside, least);
		check_kernel_sees(ends, s->own, least * 1000);
	}
}

/* --- by turns on one processor ----------------------------------------------------------------- */

struct turn {
	struct scene *scene;
	uint32_t view;
	int ends[2];
};

static long do_look(void *arg)
{
	struct turn *t = arg;

	look(t->scene, t->view, t->ends);
	return 0;
}

/*
 * One thread in each view, all on one processor, and each has looked before every change: what the
 * processor keeps for a view that waits is old when its turn comes.
 */
static void take_turns(int nr_views, int rounds)
{
	struct worker workers[MAX_VIEWS + 1];
	struct turn turns[MAX_VIEWS + 1];
	int cpus[2] = { 0, 0 }, i, round;
	struct scene s;

	if (processors(cpus, 2) < 2)
		cpus[1] = cpus[0];
	scene_set(&s, nr_views);
	for (i = 0; i <= nr_views; i++) {
		turns[i] = (struct turn){ &s, i < nr_views ? s.views[i] : 0, { -1, -1 } };
		CHECK_EQ(pipe(turns[i].ends), 0);
		worker_start(&workers[i]);
		guest_run_on(workers[i].tid, cpus[1]);
		worker_enter(&workers[i], turns[i].view);
	}
	for (round = 1; round <= rounds; round++) {
		/* From beside them, and from elsewhere. */
		guest_run_on(0, cpus[round & 1]);
		change(&s, round);
		for (i = 0; i <= nr_views; i++)
			worker_call(&workers[i], do_look, &turns[i]);
	}
	CHECK_EQ(counter("hooks_lost"), 0);
	for (i = 0; i <= nr_views; i++)
		worker_stop(&workers[i]);
}

TEST(three_views_by_turns_on_one_processor_see_every_change)
{
	take_turns(3, 60);
}

/* With the base and the program's other processes: as many as the processor tells apart. */
TEST(five_views_by_turns_on_one_processor_see_every_change)
{
	take_turns(5, 40);
}

TEST(twenty_views_by_turns_on_one_processor_see_every_change)
{
	take_turns(MAX_VIEWS, 15);
}

/* --- new views in the place of old ones -------------------------------------------------------- */

TEST(a_new_view_never_shows_what_a_deleted_one_had)
{
	enum { KEPT = 7, ROUNDS = 150 };
	uint32_t views[KEPT] = { 0 };
	long *pages = map_filled(2);
	int cpus[2] = { 0, 0 }, i;
	unsigned int nr = processors(cpus, 2);

	for (i = 0; i < ROUNDS; i++) {
		uint32_t *view = &views[i % KEPT];

		if (*view)
			delete_view(*view);
		*view = new_view(0);
		put_long(*view, page_of(pages, 1), 5000 + i);
		guest_run_on(0, cpus[(unsigned int)i / 3 % nr]);
		enter(*view);
		CHECK_EQ(LOAD(*page_of(pages, 1)), 5000 + i);
		CHECK_EQ(LOAD(page_of(pages, 1)[1]), 1001);
		CHECK_EQ(LOAD(page_of(pages, 0)[1]), 1);
		enter(views[(i + 3) % KEPT] ? views[(i + 3) % KEPT] : 0);
		CHECK(LOAD(*page_of(pages, 1)) != 5000 + i);
		enter(0);
		CHECK_EQ(LOAD(*page_of(pages, 1)), 1000);
	}
}

/* --- on all processors at once ----------------------------------------------------------------- */

struct wanderer {
	struct scene *scene;
	const int *cpus;
	unsigned int nr_cpus;
	unsigned int seed;
	unsigned int every;	/* changes its view, or processor, after so many looks; 0: never */
	bool travels;
	uint32_t view;
	long *count;
};

static long do_wander(void *arg)
{
	struct wanderer *w = arg;
	struct scene *s = w->scene;
	int ends[2];
	long n = 0;

	CHECK_EQ(pipe(ends), 0);
	enter(w->view);
	do {
		look(s, w->view, n % 8 ? NULL : ends);
		/* No store is lost, whichever view and processor it is made in. */
		STORE(*w->count, ++n);
		CHECK_EQ(LOAD(*w->count), n);
		if (!w->every || n % w->every)
			continue;
		if (w->travels) {
			guest_run_on(0, w->cpus[(unsigned int)rand_r(&w->seed) % w->nr_cpus]);
		} else {
			int next = rand_r(&w->seed) % (s->nr_views + 1);

			w->view = next ? s->views[next - 1] : 0;
			enter(w->view);
			CHECK_EQ(LOAD(*w->count), n);
		}
	} while (!LOAD(s->stop));
	enter(0);
	close(ends[0]);
	close(ends[1]);
	return n;
}

/* Changes go on until the time is over, while @nr threads look. */
static void while_they_wander(struct scene *s, struct wanderer *wanderers, int nr)
{
	uint64_t end = now_ms() + seconds() * 1000;
	struct worker workers[MAX_THREADS];
	long turn = 0;
	int i;

	for (i = 0; i < nr; i++) {
		wanderers[i].scene = s;
		wanderers[i].count = s->counts + i * 8;
		wanderers[i].seed = (unsigned int)i + 1;
		worker_start(&workers[i]);
		if (!wanderers[i].travels && wanderers[i].nr_cpus)
			guest_run_on(workers[i].tid, wanderers[i].cpus[0]);
		worker_begin(&workers[i], do_wander, &wanderers[i]);
	}
	while (now_ms() < end || turn < 10)
		change(s, ++turn);
	STORE(s->stop, 1);
	for (i = 0; i < nr; i++)
		CHECK(worker_end(&workers[i]) > 0);
	CHECK_EQ(counter("hooks_lost"), 0);
	for (i = 0; i < nr; i++)
		worker_stop(&workers[i]);
}

TEST(threads_of_nine_views_wander_between_processors_and_see_every_change)
{
	struct wanderer w[10] = { };
	unsigned int nr_cpus, i;
	struct scene s;
	int cpus[4];

	nr_cpus = processors(cpus, 4);
	scene_set(&s, 9);
	for (i = 0; i < 10; i++)
		w[i] = (struct wanderer){ .cpus = cpus, .nr_cpus = nr_cpus, .every = 16,
					  .travels = true, .view = i < 9 ? s.views[i] : 0 };
	while_they_wander(&s, w, 10);
}

TEST(threads_that_change_their_views_see_every_change)
{
	struct wanderer w[4] = { };
	unsigned int nr_cpus, i;
	struct scene s;
	int cpus[4];

	nr_cpus = processors(cpus, 4);
	scene_set(&s, 7);
	for (i = 0; i < 4; i++)
		w[i] = (struct wanderer){ .cpus = cpus + i % nr_cpus, .nr_cpus = 1, .every = 8 };
	while_they_wander(&s, w, 4);
}

/* One thread on each processor; with INVLPGB, four make the kernel number the view for all. */
static void everywhere(bool in_view)
{
	struct wanderer w[MAX_THREADS] = { };
	unsigned int nr_cpus, i;
	int cpus[MAX_THREADS];
	struct scene s;

	nr_cpus = processors(cpus, MAX_THREADS);
	if (nr_cpus < 2)
		skip_test("there is one processor");
	scene_set(&s, 2);
	/* The last thread is elsewhere. */
	for (i = 0; i < nr_cpus; i++)
		w[i] = (struct wanderer){ .cpus = cpus + i, .nr_cpus = 1,
					  .view = in_view == (i + 1 < nr_cpus) ? s.views[0] : 0 };
	while_they_wander(&s, w, (int)nr_cpus);
}

TEST(one_view_on_all_processors_sees_every_change)
{
	everywhere(true);
}

TEST(a_view_sees_every_change_while_the_base_is_on_all_other_processors)
{
	everywhere(false);
}
