// SPDX-License-Identifier: GPL-2.0
/*
 * Folios of several pages that are mapped page by page: anonymous ones and those of files. Parts of
 * them belong to views, are taken away, split and swapped.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define RW		(PROT_READ | PROT_WRITE)
#define PAGEOUT		21	/* MADV_PAGEOUT */
#define COLLAPSE	25	/* MADV_COLLAPSE */
#define THP_DIR		"/sys/kernel/mm/transparent_hugepage/"

/* --- large folios (anonymous ones: 6.8) -------------------------------------------------------- */

enum { BASE, SHARING, OWN, NR_PLACES };

enum { PER_FOLIO = 16, NR_PAGES = 512, NR_ROUNDS = 12 };

struct field {
	char *area;
	uint32_t views[NR_PLACES];
	unsigned int stop;
	unsigned int rounds;
};

struct tender {
	struct field *field;
	pthread_t thread;
	int place;
};

/* In every folio: a page of view SHARING, one of view OWN, one that comes and goes. */
static int owner_of(int page)
{
	switch (page % PER_FOLIO) {
	case 3:
		return SHARING;
	case 8:
		return OWN;
	case 13:
		return NR_PLACES;
	default:
		return BASE;
	}
}

static void *tend(void *arg)
{
	struct tender *t = arg;
	long round, seen;
	int i, owner;

	enter(t->field->views[t->place]);
	for (round = 0; !LOAD(t->field->stop) || round < 2; round++) {
		for (i = 0; i < NR_PAGES; i++) {
			long *page = page_of(t->field->area, i);

			owner = owner_of(i);
			if (owner == NR_PLACES)
				continue;
			seen = LOAD(page[0]);
			if (seen != (owner && owner == t->place ? -i : i))
				FAIL("place %d, page %d: seen %ld", t->place, i, seen);
			if (owner || i % NR_PLACES != t->place)
				continue;
			seen = LOAD(page[1]);
			if (seen != round)
				FAIL("place %d, page %d: expected round %ld, seen %ld", t->place, i,
				     round, seen);
			STORE(page[1], round + 1);
		}
		__atomic_add_fetch(&t->field->rounds, 1, __ATOMIC_RELAXED);
		sleep_ms(1);
	}
	return NULL;
}

static void child_of_field(void *arg)
{
	struct field *field = arg;
	int i;

	for (i = 0; i < NR_PAGES; i++)
		if (owner_of(i) != NR_PLACES)
			CHECK_EQ(*page_of(field->area, i), i);
	/* Copies of parts of folios that others hold. */
	for (i = 5; i < NR_PAGES; i += PER_FOLIO)
		*page_of(field->area, i) = -1;
}

static void disturb(struct field *field, int round)
{
	int i;

	switch (round % 4) {
	case 0:
		child_run(child_of_field, field);
		break;
	case 1:
		CHECK_EQ(madvise(field->area, HUGE, PAGEOUT), 0);
		break;
	case 2:
		/* Parts get another protection, and go: folios are mapped in part, and split. */
		for (i = 13; i < NR_PAGES; i += PER_FOLIO) {
			CHECK_EQ(mprotect(page_of(field->area, i), PAGE, PROT_READ), 0);
			CHECK_EQ(mprotect(page_of(field->area, i), PAGE, RW), 0);
			CHECK_EQ(madvise(page_of(field->area, i), PAGE, MADV_DONTNEED), 0);
		}
		break;
	case 3:
		/* They become one, or not, as the kernel likes. */
		madvise(field->area, HUGE, COLLAPSE);
		break;
	}
}

TEST(pages_of_large_folios_stay_right)
{
	const char *stat = THP_DIR "hugepages-64kB/stats/anon_fault_alloc";
	struct field field = { .area = map_aligned(HUGE) };
	struct tender tenders[NR_PLACES];
	char before[32], after[32];
	int i, place;

	if (access(THP_DIR "hugepages-64kB/enabled", W_OK))
		skip_test("the kernel has no anonymous folios of 64 kB");
	guest_need(THP_DIR "hugepages-64kB/enabled", "always");
	guest_need(THP_DIR "hugepages-2048kB/enabled", "never");
	guest_swap();
	CHECK(file_read(stat, before, sizeof(before)) > 0);
	for (i = 0; i < NR_PAGES; i++)
		*page_of(field.area, i) = i;
	CHECK(file_read(stat, after, sizeof(after)) > 0);
	if (atol(after) - atol(before) < NR_PAGES / PER_FOLIO / 2)
		FAIL("expected %d folios or nearly, seen %ld", NR_PAGES / PER_FOLIO,
		     atol(after) - atol(before));
	for (place = SHARING; place < NR_PLACES; place++) {
		field.views[place] = new_view(0);
		for (i = 0; i < NR_PAGES; i++)
			if (owner_of(i) == place)
				put_long(field.views[place], page_of(field.area, i), -i);
	}
	for (i = 0; i < NR_PLACES; i++) {
		tenders[i] = (struct tender){ .field = &field, .place = i };
		start_thread(&tenders[i].thread, tend, &tenders[i]);
	}
	for (i = 0; i < NR_ROUNDS; i++) {
		unsigned int rounds = LOAD(field.rounds);

		disturb(&field, i);
		WAIT_FOR(LOAD(field.rounds) > rounds + 1);
	}
	STORE(field.stop, 1);
	for (i = 0; i < NR_PLACES; i++)
		join_thread(tenders[i].thread);
	CHECK_EQ(view_overlays(field.views[OWN]), NR_PAGES / PER_FOLIO);
}

/* Is the page at @addr part of a larger folio? -1 if that is not told. */
static int in_large_folio(const void *addr)
{
	int maps = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t entry, flag;
	int result = -1;

	if (pread(maps, &entry, 8, (long)((uintptr_t)addr / PAGE * 8)) == 8 && entry >> 63 &&
	    pread(flags, &flag, 8, (long)((entry & ((1ULL << 55) - 1)) * 8)) == 8)
		result = !!(flag & (3 << 15));
	close(maps);
	close(flags);
	return result;
}

TEST(large_folios_of_a_file_are_split_beside_an_overlay)
{
	enum { NR = 64 };
	uint32_t view = new_view(0);
	char path[64], *file;
	int fd, i, large = 0;
	long value;

	snprintf(path, sizeof(path), "%s/file", guest_filesystem());
	fd = CHECK_LIBC(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	file = calloc(NR, PAGE);
	CHECK(file);
	for (i = 0; i < NR; i++)
		*page_of(file, i) = i;
	CHECK_EQ(write(fd, file, NR * PAGE), NR * PAGE);
	file = mmap(NULL, NR * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(file != MAP_FAILED);
	for (i = 0; i < NR; i++) {
		CHECK_EQ(LOAD(*page_of(file, i)), i);
		large += in_large_folio(page_of(file, i)) == 1;
	}
	if (!large)
		skip_test("the file system keeps the file in single pages");
	put_long(view, page_of(file, 21), -21);
	enter(view);
	for (i = 0; i < NR; i++)
		CHECK_EQ(LOAD(*page_of(file, i)), i == 21 ? -21 : i);
	/* What others write to the file's pages is seen, and its end, in the middle of a folio. */
	value = 4711;
	CHECK_EQ(pwrite(fd, &value, sizeof(value), 20 * (long)PAGE), sizeof(value));
	CHECK_EQ(LOAD(*page_of(file, 20)), 4711);
	CHECK_EQ(ftruncate(fd, 19 * PAGE), 0);
	CHECK_EQ(LOAD(*page_of(file, 18)), 18);
	CHECK_EQ(probe_read(page_of(file, 20), NULL), SIGBUS);
	CHECK_EQ(LOAD(*page_of(file, 21)), -21);
	CHECK_EQ(ftruncate(fd, NR * PAGE), 0);
	CHECK_EQ(LOAD(*page_of(file, 20)), 0);
	close(fd);
}
