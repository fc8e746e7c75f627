// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel does with memory of its own accord: copy-on-write, swap, merging, moving, huge
 * pages. Threads in views and in the base check all the time that every page is as they left it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define RW		(PROT_READ | PROT_WRITE)
#define COLLAPSE	25	/* MADV_COLLAPSE */
#define PAGEOUT		21	/* MADV_PAGEOUT */
#define PER_HUGE	512
#define THP_DIR		"/sys/kernel/mm/transparent_hugepage/"
#define KSM_DIR		"/sys/kernel/mm/ksm/"

static long vmstat(const char *name)
{
	return file_value("/proc/vmstat", name);
}

/* Did it happen at all? A kernel without event counters does not say. */
static void check_grown(const char *name, long before)
{
	long now = vmstat(name);

	if (before >= 0 && now <= before)
		FAIL("%s: expected more than %ld, seen %ld", name, before, now);
}

static long number_in(const char *path)
{
	char text[32];

	return file_read(path, text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : -1;
}

static char *map_huge(size_t size)
{
	char *area = map_aligned(size);

	guest_need(THP_DIR "enabled", "always");
	guest_set(THP_DIR "defrag", "always");
	CHECK_EQ(madvise(area, size, MADV_HUGEPAGE), 0);
	memset(area, 1, size);
	if (smaps_kb(area, "AnonHugePages") < (long)(size >> 10))
		skip_test("the kernel gives no huge pages");
	return area;
}

/* --- single pages ------------------------------------------------------------------------------ */

TEST(an_overlay_in_a_huge_page_leaves_the_rest_as_it_is)
{
	char *area = map_huge(2 * HUGE);
	uint32_t view = new_view(0);
	size_t at;

	for (at = 0; at < 2 * HUGE; at += PAGE)
		*(long *)(void *)(area + at) = (long)at;
	put_long(view, area + 9 * PAGE, -9);
	/* The base keeps its huge page. */
	CHECK_EQ(smaps_kb(area, "AnonHugePages"), 2 * HUGE >> 10);
	enter(view);
	for (at = 0; at < 2 * HUGE; at += PAGE)
		CHECK_EQ(LOAD(*(long *)(void *)(area + at)), at == 9 * PAGE ? -9 : (long)at);
	for (at = 0; at < 2 * HUGE; at += PAGE)
		STORE(*(long *)(void *)(area + at), -(long)at);
	enter(0);
	for (at = 0; at < 2 * HUGE; at += PAGE)
		CHECK_EQ(LOAD(*(long *)(void *)(area + at)), at == 9 * PAGE ? (long)at : -(long)at);
	CHECK_EQ(smaps_kb(area, "AnonHugePages"), 2 * HUGE >> 10);
}

TEST(a_huge_page_is_split_and_collapsed_under_an_overlay)
{
	char *area = map_huge(HUGE);
	uint32_t view = new_view(0);
	struct worker w;
	int round, i;

	for (i = 0; i < PER_HUGE; i++)
		*page_of(area, i) = i;
	put_long(view, page_of(area, 7), -7);
	worker_start(&w);
	worker_enter(&w, view);
	for (round = 0; round < 10; round++) {
		CHECK_EQ(mprotect(page_of(area, 100), PAGE, PROT_READ), 0);
		for (i = 0; i < PER_HUGE; i += 11)
			CHECK_EQ(worker_load(&w, page_of(area, i)), i);
		CHECK_EQ(worker_load(&w, page_of(area, 7)), -7);
		CHECK_EQ(mprotect(page_of(area, 100), PAGE, RW), 0);
		if (madvise(area, HUGE, COLLAPSE))
			skip_test("the kernel does not collapse on demand: %s", last_error());
		CHECK_EQ(smaps_kb(area, "AnonHugePages"), HUGE >> 10);
		for (i = 0; i < PER_HUGE; i += 11)
			CHECK_EQ(worker_load(&w, page_of(area, i)), i);
		CHECK_EQ(worker_load(&w, page_of(area, 7)), -7);
	}
	CHECK_EQ(*page_of(area, 7), 7);
	CHECK_EQ(view_overlays(view), 1);
}

TEST(hugetlb_memory_has_overlays)
{
	uint32_t view = new_view(0);
	char *area;
	size_t at;

	guest_need("/proc/sys/vm/nr_hugepages", "4");
	area = map_aligned(2 * HUGE);
	/* Two mappings: 6.1 with lockdep warns by itself when one of huge pages is split. */
	for (at = 0; at < 2 * HUGE; at += HUGE)
		if (mmap(area + at, HUGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED,
			 -1, 0) == MAP_FAILED)
			skip_test("no huge pages to be had: %s", last_error());
	for (at = 0; at < 2 * HUGE; at += PAGE)
		*(long *)(void *)(area + at) = (long)at;
	put_long(view, area + 9 * PAGE, -9);
	enter(view);
	for (at = 0; at < 2 * HUGE; at += 3 * PAGE)
		CHECK_EQ(LOAD(*(long *)(void *)(area + at)), at == 9 * PAGE ? -9 : (long)at);
	STORE(*(long *)(void *)(area + 9 * PAGE), -10);
	STORE(*(long *)(void *)(area + 10 * PAGE), -11);
	STORE(*(long *)(void *)(area + HUGE), -12);
	enter(0);
	CHECK_EQ(*(long *)(void *)(area + 9 * PAGE), 9 * PAGE);
	CHECK_EQ(*(long *)(void *)(area + 10 * PAGE), -11);
	CHECK_EQ(*(long *)(void *)(area + HUGE), -12);
	enter(view);
	CHECK_EQ(munmap(area, HUGE), 0);
	CHECK_EQ(view_overlays(view), 0);
	CHECK_EQ(probe_read(area + 9 * PAGE, NULL), SIGSEGV);
	CHECK_EQ(LOAD(*(long *)(void *)(area + HUGE)), -12);
	CHECK_EQ(munmap(area + HUGE, HUGE), 0);
}

/* --- a field of pages that threads tend ------------------------------------------------------ */

enum { NR_HUGE = 3, NR_PAGES = NR_HUGE * PER_HUGE, NR_THREADS = 4 };

struct field {
	char *area;
	uint32_t views[3];
	unsigned int stop;
	unsigned int pause;
	unsigned int rounds;
};

struct tender {
	struct field *field;
	pthread_t thread;
	int number;
};

/* Pages of a huge page's part: one that view 1 has, one that view 2 has, one nobody looks at. */
static int kind_of(int page)
{
	switch (page % PER_HUGE) {
	case 7:
		return 1;
	case 9:
		return 2;
	case 100:
		return 3;
	default:
		return 0;
	}
}

/* Every eighth page or so is like its neighbours, most of the time. */
static bool is_equal(int page)
{
	return page % 64 < 8 && !kind_of(page);
}

static long content_of(int page)
{
	return is_equal(page) ? 4711 : page;
}

static void tend_page(struct tender *t, int i, long round)
{
	long *page = page_of(t->field->area, i);
	int kind = kind_of(i), mine = t->number % 3;
	long seen = LOAD(page[0]), expected = kind && kind == mine ? -i : content_of(i);

	if (kind == 3)
		return;
	if (seen != expected)
		FAIL("round %ld: view %d, page %d: expected %ld, seen %ld", round, mine, i,
		     expected, seen);
	if (kind || i % NR_THREADS != t->number)
		return;
	if (is_equal(i)) {
		STORE(page[1], round);
		CHECK_EQ(LOAD(page[1]), round);
		STORE(page[1], 0);
		return;
	}
	seen = LOAD(page[1]);
	if (seen != round)
		FAIL("view %d, page %d: expected its %ldth round, seen %ld", mine, i, round, seen);
	STORE(page[1], round + 1);
}

static void *tend(void *arg)
{
	struct tender *t = arg;
	long round;
	int i;

	enter(t->field->views[t->number % 3]);
	for (round = 0; !LOAD(t->field->stop) || round < 2; round++) {
		for (i = 0; i < NR_PAGES; i++)
			tend_page(t, i, round);
		__atomic_add_fetch(&t->field->rounds, 1, __ATOMIC_RELAXED);
		/* The kernel's own threads need a processor, too. */
		do {
			sleep_ms(2);
		} while (LOAD(t->field->pause));
	}
	return NULL;
}

/* Runs @disturb 8 times while four threads in three views tend the field. */
static void with_field(void (*disturb)(struct field *field, int round))
{
	struct tender tenders[NR_THREADS];
	struct field field = { .area = map_aligned(NR_HUGE * HUGE) };
	int i;

	for (i = 0; i < NR_PAGES; i++)
		*page_of(field.area, i) = content_of(i);
	for (i = 1; i < 3; i++) {
		field.views[i] = new_view(0);
		for (int page = 0; page < NR_PAGES; page++)
			if (kind_of(page) == i)
				put_long(field.views[i], page_of(field.area, page), -page);
	}
	for (i = 0; i < NR_THREADS; i++) {
		tenders[i] = (struct tender){ .field = &field, .number = i };
		start_thread(&tenders[i].thread, tend, &tenders[i]);
	}
	for (i = 0; i < 8; i++) {
		unsigned int rounds = LOAD(field.rounds);

		disturb(&field, i);
		/* Let at least one of them go once around. */
		WAIT_FOR(LOAD(field.rounds) != rounds);
	}
	STORE(field.stop, 1);
	for (i = 0; i < NR_THREADS; i++)
		join_thread(tenders[i].thread);
	CHECK_EQ(view_overlays(field.views[1]), NR_HUGE);
	CHECK_EQ(munmap(field.area, NR_HUGE * HUGE), 0);
}

static void disturb_not(struct field *field, int round)
{
	(void)field;
	(void)round;
}

TEST(pages_stay_right_when_nothing_happens)
{
	with_field(disturb_not);
}

static void disturb_by_fork(struct field *field, int round)
{
	pid_t pid = CHECK_LIBC(fork());

	if (!pid) {
		/* The base's content, whatever the others do. */
		if (*page_of(field->area, 7) != 7 || *page_of(field->area, PER_HUGE + 9) != 521)
			FAIL("round %d: a child of the base sees a view's page", round);
		_exit(0);
	}
	child_finish(pid);
}

TEST(pages_stay_right_while_forks_make_them_copy_on_write)
{
	with_field(disturb_by_fork);
}

static void disturb_by_pageout(struct field *field, int round)
{
	(void)round;
	/* Pages that are in use stay: first they are not, then they are. */
	STORE(field->pause, 1);
	sleep_ms(50);
	CHECK_EQ(madvise(field->area, NR_HUGE * HUGE, PAGEOUT), 0);
	STORE(field->pause, 0);
	CHECK_EQ(madvise(field->area, NR_HUGE * HUGE, PAGEOUT), 0);
}

TEST(pages_stay_right_while_they_are_swapped_out_and_in)
{
	long before = vmstat("pswpout"), in = vmstat("pswpin");

	guest_swap();
	with_field(disturb_by_pageout);
	check_grown("pswpout", before);
	check_grown("pswpin", in);
}

static void disturb_by_merging(struct field *field, int round)
{
	long scans;

	if (!round && madvise(field->area, NR_HUGE * HUGE, MADV_MERGEABLE))
		skip_test("the kernel does not merge pages: %s", last_error());
	if (round >= 3)
		return;
	scans = number_in(KSM_DIR "full_scans");
	WAIT_FOR(number_in(KSM_DIR "full_scans") > scans);
}

TEST(pages_stay_right_while_equal_ones_are_merged)
{
	long before = vmstat("cow_ksm");

	guest_need(KSM_DIR "pages_to_scan", "20000");
	guest_need(KSM_DIR "sleep_millisecs", "0");
	guest_set(KSM_DIR "run", "2");
	guest_need(KSM_DIR "run", "1");
	with_field(disturb_by_merging);
	check_grown("cow_ksm", before);
}

static void disturb_by_compaction(struct field *field, int round)
{
	const unsigned long nr = 8192;
	unsigned long i;
	char *holes;

	(void)field;
	/* It goes through the whole memory. */
	if (round % 4)
		return;
	holes = (char *)map_pages(nr, RW);
	madvise(holes, nr * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < nr; i++)
		holes[i * PAGE] = 1;
	for (i = 0; i < nr; i += 2)
		madvise(holes + i * PAGE, PAGE, MADV_DONTNEED);
	file_write("/proc/sys/vm/compact_memory", "1");
	CHECK_EQ(munmap(holes, nr * PAGE), 0);
}

TEST(pages_stay_right_while_memory_is_compacted)
{
	long before = vmstat("pgmigrate_success");

	if (access("/proc/sys/vm/compact_memory", W_OK))
		skip_test("the kernel does not compact memory");
	with_field(disturb_by_compaction);
	if (before >= 0 && vmstat("pgmigrate_success") == before)
		skip_test("the kernel found no page to move");
}

static void disturb_huge_pages(struct field *field, int round)
{
	int i;

	for (i = 0; i < NR_HUGE; i++) {
		char *part = field->area + i * HUGE;

		if (round % 2) {
			CHECK_EQ(mprotect(page_of(part, 100), PAGE, PROT_READ), 0);
			CHECK_EQ(mprotect(page_of(part, 100), PAGE, RW), 0);
		} else if (madvise(part, HUGE, COLLAPSE) && errno == EINVAL) {
			skip_test("the kernel does not collapse on demand");
		}
	}
}

TEST(pages_stay_right_while_huge_ones_are_made_and_split)
{
	long before = vmstat("thp_collapse_alloc");

	guest_need(THP_DIR "enabled", "always");
	with_field(disturb_huge_pages);
	check_grown("thp_collapse_alloc", before);
}

static void disturb_all(struct field *field, int round)
{
	disturb_huge_pages(field, round);
	disturb_by_pageout(field, round);
	if (round % 4 == 0)
		disturb_by_fork(field, round);
	if (round % 8 == 0)
		disturb_by_compaction(field, round);
	CHECK_EQ(mprotect(field->area, NR_HUGE * HUGE, RW | (round & 1 ? PROT_EXEC : 0)), 0);
}

TEST(pages_stay_right_while_everything_happens)
{
	guest_need(THP_DIR "enabled", "always");
	guest_swap();
	with_field(disturb_all);
}

static void disturb_by_moving(struct field *field, int round)
{
	static void *pages[NR_PAGES];
	static int nodes[NR_PAGES], status[NR_PAGES];
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		pages[i] = page_of(field->area, i);
		nodes[i] = round & 1;
	}
	if (syscall(SYS_move_pages, 0, (unsigned long)NR_PAGES, pages, nodes, status, 2) < 0)
		skip_test("pages cannot be moved: %s", last_error());
}

TEST(pages_stay_right_while_they_are_moved_between_nodes)
{
	long before = vmstat("pgmigrate_success");

	if (access("/sys/devices/system/node/node1", F_OK))
		skip_test("the machine has one node");
	guest_set("/proc/sys/kernel/numa_balancing", "1");
	with_field(disturb_by_moving);
	check_grown("pgmigrate_success", before);
}

/* --- files ------------------------------------------------------------------------------------- */

/*
 * After a page is written back, a store must be noticed again, or it is lost when the page is
 * dropped. The file lies in a table that the view has for itself.
 */
TEST(stores_of_a_view_to_a_shared_file_reach_the_disk)
{
	enum { NR = 32, ROUNDS = 6 };
	uint32_t view = new_view(0);
	char path[64], *area, *file;
	long round, seen;
	int fd, i;

	snprintf(path, sizeof(path), "%s/file", guest_filesystem());
	fd = CHECK_LIBC(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	CHECK_EQ(ftruncate(fd, NR * PAGE), 0);
	area = map_aligned(HUGE);
	put_long(view, page_of(area, 200), 1);
	enter(view);
	for (round = 1; round <= ROUNDS; round++) {
		file = mmap(page_of(area, 8), NR * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
		CHECK(file == (char *)page_of(area, 8));
		for (i = 0; i < NR; i++)
			STORE(*page_of(file, i), round * 100 + i);
		CHECK_EQ(msync(file, NR * PAGE, MS_SYNC), 0);
		/* Clean now. These stores come through entries that the view had before. */
		for (i = 0; i < NR; i++)
			STORE(*page_of(file, i), -(round * 100 + i));
		if (round % 2)
			CHECK_EQ(msync(file, NR * PAGE, MS_SYNC), 0);
		CHECK(mmap(file, NR * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		      file);
		CHECK_EQ(fsync(fd), 0);
		file_write("/proc/sys/vm/drop_caches", "3");
		for (i = 0; i < NR; i++) {
			CHECK_EQ(pread(fd, &seen, sizeof(seen), i * (long)PAGE), sizeof(seen));
			CHECK_EQ(seen, -(round * 100 + i));
		}
	}
	close(fd);
}

TEST(pages_of_a_private_file_are_dropped_and_read_again_beside_an_overlay)
{
	enum { NR = 64 };
	uint32_t view = new_view(0);
	char path[64], *file;
	int fd, i, round;
	long value;

	snprintf(path, sizeof(path), "%s/file", guest_filesystem());
	fd = CHECK_LIBC(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	for (i = 0; i < NR; i++) {
		value = i;
		CHECK_EQ(pwrite(fd, &value, sizeof(value), i * (long)PAGE), sizeof(value));
	}
	CHECK_EQ(ftruncate(fd, NR * PAGE), 0);
	file = mmap(NULL, NR * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(file != MAP_FAILED);
	put_long(view, page_of(file, 3), -3);
	enter(view);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < NR; i++)
			CHECK_EQ(LOAD(*page_of(file, i)), i == 3 ? -3 : i + (i == 5 ? round : 0));
		CHECK_EQ(madvise(file, NR * PAGE, PAGEOUT), 0);
		CHECK_EQ(fsync(fd), 0);
		file_write("/proc/sys/vm/drop_caches", "1");
		value = 5 + round + 1;
		CHECK_EQ(pwrite(fd, &value, sizeof(value), 5 * (long)PAGE), sizeof(value));
	}
	CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);
	CHECK_EQ(probe_read(page_of(file, 5), NULL), SIGBUS);
	CHECK_EQ(LOAD(*page_of(file, 3)), -3);
	close(fd);
}
