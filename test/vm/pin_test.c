// SPDX-License-Identifier: GPL-2.0
/* Pinned ranges: memory in which a store changes only the view that it is made in. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

TEST(a_view_gets_its_copies_of_pinned_pages_at_creation)
{
	long *data = map_filled(4);
	uint32_t view;

	pin(page_of(data, 1), 2 * PAGE);
	view = new_view(0);
	CHECK_EQ(view_overlays(view), 2);
	STORE(*page_of(data, 1), 7);
	STORE(*page_of(data, 3), 8);
	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 1000);
	CHECK_EQ(LOAD(*page_of(data, 2)), 2000);
	CHECK_EQ(LOAD(*page_of(data, 3)), 8);
}

TEST(an_existing_view_gets_its_copies_when_a_range_is_pinned)
{
	long *data = map_filled(2);
	uint32_t view = new_view(0);

	pin(data, 2 * PAGE);
	CHECK_EQ(view_overlays(view), 2);
	STORE(data[0], 7);
	enter(view);
	CHECK_EQ(LOAD(data[0]), 0);
}

TEST(a_store_to_pinned_memory_changes_one_view_only)
{
	long *data = map_filled(1);
	uint32_t a, b;

	pin(data, PAGE);
	a = new_view(0);
	b = new_view(0);
	enter(a);
	STORE(data[0], 10);
	enter(b);
	CHECK_EQ(LOAD(data[0]), 0);
	STORE(data[0], 20);
	enter(0);
	CHECK_EQ(LOAD(data[0]), 0);
	STORE(data[0], 5);
	enter(a);
	CHECK_EQ(LOAD(data[0]), 10);
	enter(b);
	CHECK_EQ(LOAD(data[0]), 20);
}

TEST(a_store_by_the_base_leaves_every_view_the_old_content)
{
	long *data = map_filled(3);
	uint32_t views[3];
	int i;

	for (i = 0; i < 3; i++) {
		if (i == 1)
			pin(data, 3 * PAGE);
		views[i] = new_view(i ? views[i - 1] : 0);
	}
	for (i = 0; i < 3; i++)
		STORE(*page_of(data, i), -1);
	for (i = 0; i < 3; i++) {
		enter(views[i]);
		CHECK_EQ(LOAD(*page_of(data, 0)), 0);
		CHECK_EQ(LOAD(*page_of(data, 1)), 1000);
		CHECK_EQ(LOAD(*page_of(data, 2)), 2000);
	}
}

TEST(a_child_inherits_what_its_parent_stored)
{
	long *data = map_filled(1);
	uint32_t parent, child;

	pin(data, PAGE);
	parent = new_view(0);
	enter(parent);
	STORE(data[0], 10);
	child = new_view(parent);
	STORE(data[0], 11);
	enter(child);
	CHECK_EQ(LOAD(data[0]), 10);
	enter(0);
	CHECK_EQ(LOAD(data[0]), 0);
}

TEST(unpinned_memory_is_the_bases_again_in_every_view)
{
	long *data = map_filled(1);
	uint32_t view;

	pin(data, PAGE);
	view = new_view(0);
	enter(view);
	STORE(data[0], 10);
	enter(0);
	STORE(data[0], 5);
	unpin(data, PAGE);
	CHECK_EQ(view_overlays(view), 0);
	enter(view);
	CHECK_EQ(LOAD(data[0]), 5);
	STORE(data[0], 6);
	enter(0);
	CHECK_EQ(LOAD(data[0]), 6);
	/* A later view gets no copy. */
	CHECK_EQ(view_overlays(new_view(0)), 0);
}

TEST(part_of_a_range_can_be_unpinned)
{
	long *data = map_filled(5);
	uint32_t view;
	int i;

	pin(data, 5 * PAGE);
	view = new_view(0);
	unpin(page_of(data, 2), PAGE);
	CHECK_EQ(view_overlays(view), 4);
	unpin(page_of(data, 4), PAGE);
	CHECK_EQ(view_overlays(view), 3);
	CHECK_ERROR(try_unpin(page_of(data, 1), 2 * PAGE), ENOENT);
	CHECK_EQ(view_overlays(view), 3);
	for (i = 0; i < 5; i++)
		STORE(*page_of(data, i), -1);
	enter(view);
	for (i = 0; i < 5; i++)
		CHECK_EQ(LOAD(*page_of(data, i)), i == 2 || i == 4 ? -1 : i * 1000);
	enter(0);
	CHECK_EQ(view_overlays(new_view(0)), 3);
	unpin(data, 2 * PAGE);
	unpin(page_of(data, 3), PAGE);
	CHECK_EQ(view_overlays(view), 0);
}

TEST(unpinning_keeps_pages_that_were_written)
{
	long *data = map_filled(2);
	uint32_t view;

	pin(data, 2 * PAGE);
	view = new_view(0);
	put_long(view, data, 77);
	unpin(data, 2 * PAGE);
	CHECK_EQ(view_overlays(view), 1);
	enter(view);
	CHECK_EQ(LOAD(data[0]), 77);
	CHECK_EQ(LOAD(*page_of(data, 1)), 1000);
}

TEST(pinned_code_costs_nothing_until_it_becomes_writable)
{
	long *data = map_filled(3);
	uint32_t view;

	CHECK_EQ(mprotect(data, 3 * PAGE, PROT_READ), 0);
	pin(data, 3 * PAGE);
	view = new_view(0);
	CHECK_EQ(view_overlays(view), 0);
	CHECK_EQ(mprotect(page_of(data, 1), 2 * PAGE, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(view_overlays(view), 2);
	STORE(*page_of(data, 1), 5);
	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 1000);
	STORE(*page_of(data, 2), 6);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 2)), 2000);
}

TEST(pinned_memory_that_becomes_read_only_cannot_be_stored_to)
{
	long *data = map_filled(1);
	uint32_t view;

	pin(data, PAGE);
	view = new_view(0);
	enter(view);
	STORE(data[0], 10);
	CHECK_EQ(mprotect(data, PAGE, PROT_READ), 0);
	CHECK_EQ(probe_write(data, 11), SIGSEGV);
	CHECK_EQ(LOAD(data[0]), 10);
	CHECK_EQ(mprotect(data, PAGE, PROT_READ | PROT_WRITE), 0);
	STORE(data[0], 12);
	enter(0);
	CHECK_EQ(LOAD(data[0]), 0);
}

TEST(a_range_may_span_mappings)
{
	long *data = map_filled(4);
	uint32_t view;

	CHECK_EQ(mprotect(page_of(data, 1), PAGE, PROT_READ), 0);
	CHECK_EQ(mprotect(page_of(data, 2), PAGE, PROT_READ | PROT_EXEC), 0);
	pin(data, 4 * PAGE);
	view = new_view(0);
	CHECK_EQ(view_overlays(view), 2);
	STORE(*page_of(data, 0), 1);
	STORE(*page_of(data, 3), 1);
	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 0)), 0);
	CHECK_EQ(LOAD(*page_of(data, 3)), 3000);
}

TEST(a_range_that_cannot_be_pinned_leaves_nothing)
{
	long *data = map_filled(6);
	uint32_t view = new_view(0);

	CHECK_EQ(munmap(page_of(data, 2), PAGE), 0);
	CHECK_ERROR(try_pin(data, 4 * PAGE), ENOMEM);
	CHECK(mmap(page_of(data, 2), PAGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	CHECK_ERROR(try_pin(data, 4 * PAGE), EACCES);
	CHECK(mmap(page_of(data, 2), PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, device, 0) !=
	      MAP_FAILED);
	CHECK_ERROR(try_pin(data, 4 * PAGE), EOPNOTSUPP);
	CHECK_EQ(view_overlays(view), 0);
	CHECK_ERROR(try_unpin(data, PAGE), ENOENT);
	pin(page_of(data, 4), PAGE);
	CHECK_ERROR(try_pin(page_of(data, 3), 2 * PAGE), EEXIST);
	CHECK_ERROR(try_pin(page_of(data, 4), 2 * PAGE), EEXIST);
	CHECK_EQ(view_overlays(view), 1);
	CHECK_ERROR(try_unpin(page_of(data, 4), 2 * PAGE), ENOENT);
	pin(page_of(data, 3), PAGE);
	pin(page_of(data, 5), PAGE);
	CHECK_EQ(view_overlays(view), 3);
}

TEST(more_than_max_ranges_gives_ENOSPC)
{
	struct wfpatch_info info;
	uint32_t i, nr, view;
	char *data;

	CHECK_OK(try_info(device, &info));
	nr = info.max_ranges;
	data = (char *)map_pages(2UL * nr + 4, PROT_READ);
	for (i = 0; i < nr - 1; i++)
		pin(data + 2 * i * PAGE, PAGE);
	pin(data + 2 * i * PAGE, 3 * PAGE);
	CHECK_ERROR(try_pin(data + PAGE, PAGE), ENOSPC);
	/* This would make two of one. */
	CHECK_ERROR(try_unpin(data + (2 * i + 1) * PAGE, PAGE), ENOSPC);
	CHECK_ERROR(try_pin(data + (2 * i + 1) * PAGE, PAGE), EEXIST);
	unpin(data, PAGE);
	unpin(data + (2 * i + 1) * PAGE, PAGE);
	view = new_view(0);
	CHECK_EQ(view_overlays(view), 0);
}

TEST(more_than_max_overlays_gives_ENOSPC)
{
	uint32_t view = new_view(0);
	struct wfpatch_info info;
	size_t size;
	long *data;

	CHECK_OK(try_info(device, &info));
	size = (info.max_overlays + 1UL) * PAGE;
	data = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(data != MAP_FAILED);
	CHECK_ERROR(try_pin(data, size), ENOSPC);
	CHECK_EQ(view_overlays(view), 0);
	CHECK_ERROR(try_unpin(data, PAGE), ENOENT);
}

static void pin_too_much(void *arg)
{
	struct rlimit limit = { 5 * PAGE, 5 * PAGE };
	long *data, *code;
	uint32_t view;

	(void)arg;
	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	become_nobody();
	data = map_filled(8);
	view = new_view(0);
	CHECK_ERROR(try_pin(data, 6 * PAGE), ENOMEM);
	CHECK_EQ(view_overlays(view), 0);
	CHECK_ERROR(try_unpin(data, PAGE), ENOENT);
	pin(data, 3 * PAGE);
	CHECK_ERROR(try_create(device, 0, NULL), ENOMEM);
	CHECK_EQ(nr_views(), 1);

	/* Where the views cannot have their copies, the mapping does not become writable. */
	code = map_filled(4);
	CHECK_EQ(mprotect(code, 4 * PAGE, PROT_READ), 0);
	pin(code, 4 * PAGE);
	CHECK_EQ(mprotect(code, 4 * PAGE, PROT_READ | PROT_WRITE), -1);
	CHECK_EQ(errno, ENOMEM);
	CHECK_EQ(probe_write(code, 1), SIGSEGV);
	CHECK_EQ(LOAD(code[0]), 0);
	CHECK(view_overlays(view) <= 5);
}

TEST(pinned_pages_count_against_the_memlock_limit)
{
	child_run(pin_too_much, NULL);
}

TEST(dontneed_on_pinned_memory_gives_every_view_zeroes_of_its_own)
{
	long *data = map_filled(2);
	uint32_t view;

	pin(data, PAGE);
	view = new_view(0);
	enter(view);
	STORE(data[1], 10);
	CHECK_EQ(madvise(data, 2 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(LOAD(data[1]), 0);
	CHECK_EQ(LOAD(page_of(data, 1)[1]), 0);
	STORE(data[1], 11);
	enter(0);
	CHECK_EQ(LOAD(data[1]), 0);
	STORE(data[1], 12);
	enter(view);
	CHECK_EQ(LOAD(data[1]), 11);
}

TEST(dontneed_on_pinned_memory_leaves_no_old_content_where_there_is_nothing_to_copy)
{
	int fd = CHECK_LIBC(memfd_create("file", 0));
	uint32_t view;
	long *data;

	CHECK_LIBC(ftruncate(fd, PAGE));
	data = CHECK_LIBC(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	data[0] = 1;
	pin(data, PAGE);
	view = new_view(0);
	CHECK_EQ(get_long(view, data), 1);
	CHECK_LIBC(ftruncate(fd, 0));
	CHECK_EQ(madvise(data, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(view_overlays(view), 0);
	CHECK_LIBC(ftruncate(fd, PAGE));
	CHECK_EQ(get_long(view, data), 0);
}

struct counting {
	uint32_t view;
	long *page;
	long word;
	unsigned int stop;
};

/* Each thread counts in a word of its own, and in one that all use. */
static long do_count(void *arg)
{
	struct counting *c = arg;
	long n = 0;

	enter(c->view);
	STORE(c->page[0], c->word);
	while (!LOAD(c->stop) || !n) {
		n++;
		STORE(c->page[c->word], n);
		CHECK_EQ(LOAD(c->page[c->word]), n);
		CHECK_EQ(LOAD(c->page[0]), c->word);
	}
	return n;
}

TEST(threads_in_different_views_store_to_one_pinned_page)
{
	enum { NR = 4 };
	struct worker workers[NR];
	struct counting counting[NR];
	long *page = map_pages(1, PROT_READ | PROT_WRITE), done[NR];
	int i, j;

	pin(page, PAGE);
	for (i = 0; i < NR; i++) {
		counting[i] = (struct counting){ i ? new_view(0) : 0, page, i + 1, 0 };
		worker_start(&workers[i]);
	}
	for (i = 0; i < NR; i++)
		worker_begin(&workers[i], do_count, &counting[i]);
	sleep_ms(300);
	for (i = 0; i < NR; i++)
		STORE(counting[i].stop, 1);
	for (i = 0; i < NR; i++)
		done[i] = worker_end(&workers[i]);
	for (i = 0; i < NR; i++)
		for (j = 0; j < NR; j++)
			CHECK_EQ(get_long(counting[i].view, &page[j + 1]), i == j ? done[i] : 0);
}
