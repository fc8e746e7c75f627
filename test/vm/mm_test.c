// SPDX-License-Identifier: GPL-2.0
/* System calls that change mappings, while threads run in views: every view follows at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "view.h"

#define RW	(PROT_READ | PROT_WRITE)

/* Pages of which number 1 is the view's own. */
static long *overlaid(uint32_t view, unsigned long nr)
{
	long *data = map_filled(nr);

	put_long(view, page_of(data, 1), 77);
	return data;
}

TEST(munmap_frees_overlay_pages_of_the_range)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 4);

	put_long(view, page_of(data, 2), 78);
	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 77);
	enter(0);
	CHECK_EQ(munmap(page_of(data, 1), PAGE), 0);
	CHECK_EQ(view_overlays(view), 1);
	enter(view);
	CHECK_EQ(probe_read(page_of(data, 1), NULL), SIGSEGV);
	CHECK_EQ(LOAD(*page_of(data, 2)), 78);
	CHECK_EQ(LOAD(*page_of(data, 3)), 3000);
	/* The same by a thread in the view. */
	CHECK_EQ(munmap(page_of(data, 2), 2 * PAGE), 0);
	CHECK_EQ(view_overlays(view), 0);
	CHECK_EQ(probe_read(page_of(data, 2), NULL), SIGSEGV);
	CHECK_EQ(probe_read(page_of(data, 3), NULL), SIGSEGV);
	CHECK_EQ(LOAD(data[0]), 0);
	enter(0);
	CHECK_EQ(probe_read(page_of(data, 3), NULL), SIGSEGV);
}

TEST(a_new_mapping_in_the_place_of_an_overlay_is_the_bases)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 3);

	CHECK_EQ(munmap(data, 3 * PAGE), 0);
	CHECK(mmap(data, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
	      data);
	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 0);
	STORE(*page_of(data, 1), 5);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 5);
}

TEST(map_fixed_over_an_overlay_takes_its_place)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 3);

	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 77);
	CHECK(mmap(data, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == data);
	CHECK_EQ(LOAD(*page_of(data, 1)), 0);
	CHECK_EQ(view_overlays(view), 0);
	/* And with a mapping that may not have overlays. */
	put_long(view, page_of(data, 1), 78);
	CHECK(mmap(data, 3 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == data);
	CHECK_EQ(view_overlays(view), 0);
	STORE(*page_of(data, 1), 6);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 6);
}

TEST(page_tables_come_and_go_under_a_view)
{
	char *area = map_aligned(8 * HUGE);
	uint32_t view = new_view(0);
	struct worker w;
	int round, i;

	worker_start(&w);
	worker_enter(&w, view);
	for (round = 1; round <= 40; round++) {
		for (i = 0; i < 8; i++)
			*(long *)(void *)(area + i * HUGE) = round * 10 + i;
		put_long(view, area + 3 * HUGE, -round);
		for (i = 0; i < 8; i++)
			CHECK_EQ(worker_load(&w, area + i * HUGE),
				 i == 3 ? -round : round * 10 + i);
		CHECK_EQ(munmap(area, 8 * HUGE), 0);
		CHECK_EQ(view_overlays(view), 0);
		CHECK(mmap(area, 8 * HUGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			   -1, 0) == area);
		CHECK_EQ(worker_load(&w, area + 3 * HUGE), 0);
		CHECK_EQ(worker_load(&w, area + 4 * HUGE), 0);
	}
}

TEST(mremap_moves_what_the_base_has)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 4), *moved;

	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 77);
	moved = mremap(data, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       map_pages(4, PROT_NONE));
	CHECK(moved != MAP_FAILED);
	CHECK_EQ(view_overlays(view), 0);
	CHECK_EQ(LOAD(*page_of(moved, 1)), 1000);
	CHECK_EQ(LOAD(*page_of(moved, 3)), 3000);
	CHECK_EQ(probe_read(page_of(data, 1), NULL), SIGSEGV);
	CHECK_EQ(probe_read(page_of(data, 3), NULL), SIGSEGV);
	STORE(*page_of(moved, 1), 9);
	enter(0);
	CHECK_EQ(LOAD(*page_of(moved, 1)), 9);
	CHECK_EQ(probe_read(page_of(data, 1), NULL), SIGSEGV);
}

TEST(mremap_over_an_overlay_takes_its_place)
{
	uint32_t view = new_view(0);
	long *target = overlaid(view, 4), *data = map_filled(4);

	STORE(*page_of(data, 1), 5);
	enter(view);
	CHECK_EQ(LOAD(*page_of(target, 1)), 77);
	CHECK(mremap(data, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
	CHECK_EQ(LOAD(*page_of(target, 1)), 5);
	CHECK_EQ(view_overlays(view), 0);
}

TEST(mremap_that_shrinks_drops_overlays_behind_the_end)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 4);

	put_long(view, page_of(data, 3), 79);
	CHECK(mremap(data, 4 * PAGE, 2 * PAGE, 0) == data);
	CHECK_EQ(view_overlays(view), 1);
	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 77);
	CHECK_EQ(probe_read(page_of(data, 3), NULL), SIGSEGV);
}

TEST(mremap_that_leaves_the_old_mapping_empties_it_for_all)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 4), *moved;

	enter(view);
	moved = mremap(data, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */, NULL);
	if (moved == MAP_FAILED)
		skip_test("the kernel has no MREMAP_DONTUNMAP: %s", last_error());
	CHECK_EQ(LOAD(*page_of(moved, 1)), 1000);
	CHECK_EQ(LOAD(*page_of(data, 2)), 0);
	CHECK_EQ(LOAD(*page_of(data, 0)), 0);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 0);
	CHECK_EQ(LOAD(*page_of(moved, 1)), 1000);
}

/* Moves of whole page tables: the lower table that views share changes its place. */
static void move_large(bool with_overlay)
{
	char *from = map_aligned(4 * HUGE), *to = map_aligned(4 * HUGE), *swap;
	uint32_t view = new_view(0);
	struct worker w;
	int round;
	size_t at;

	madvise(from, 4 * HUGE, MADV_NOHUGEPAGE);
	put_long(view, map_filled(1), 1);
	worker_start(&w);
	worker_enter(&w, view);
	for (at = 0; at < 4 * HUGE; at += 16 * PAGE)
		*(long *)(void *)(from + at) = (long)at;
	for (round = 0; round < 20; round++) {
		if (with_overlay)
			put_long(view, from + HUGE + PAGE, 5);
		for (at = 0; at < 4 * HUGE; at += 64 * PAGE)
			CHECK_EQ(worker_load(&w, from + at), at);
		CHECK(mremap(from, 4 * HUGE, 4 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
		for (at = 0; at < 4 * HUGE; at += 64 * PAGE)
			CHECK_EQ(worker_load(&w, to + at), at);
		CHECK_EQ(worker_load(&w, to + HUGE + PAGE), 0);
		enter(view);
		CHECK_EQ(probe_read(from + HUGE, NULL), SIGSEGV);
		CHECK_EQ(probe_read(from + 64 * PAGE, NULL), SIGSEGV);
		enter(0);
		CHECK_EQ(view_overlays(view), 1);
		swap = from;
		from = to;
		to = swap;
	}
}

TEST(mremap_moves_page_tables_that_views_share)
{
	move_large(false);
}

TEST(mremap_moves_page_tables_beside_private_ones)
{
	move_large(true);
}

TEST(overlays_take_the_protection_of_their_mapping)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 3);

	enter(view);
	STORE(*page_of(data, 1), 78);
	CHECK_EQ(mprotect(data, 3 * PAGE, PROT_READ), 0);
	CHECK_EQ(probe_write(page_of(data, 1), 1), SIGSEGV);
	CHECK_EQ(probe_write(page_of(data, 2), 1), SIGSEGV);
	CHECK_EQ(LOAD(*page_of(data, 1)), 78);
	CHECK_EQ(mprotect(data, 3 * PAGE, PROT_NONE), 0);
	CHECK_EQ(probe_read(page_of(data, 1), NULL), SIGSEGV);
	CHECK_EQ(probe_read(page_of(data, 2), NULL), SIGSEGV);
	CHECK_EQ(mprotect(page_of(data, 1), PAGE, RW), 0);
	CHECK_EQ(probe_read(page_of(data, 2), NULL), SIGSEGV);
	CHECK_EQ(LOAD(*page_of(data, 1)), 78);
	STORE(*page_of(data, 1), 79);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 1000);
	CHECK_EQ(view_overlays(view), 1);
}

TEST(patched_code_that_becomes_writable_is_stored_to_in_the_view)
{
	code_fn code = make_code(1);
	uint32_t view = new_view(0);
	char *text = (char *)(void *)code;

	patch_code(view, code, 2);
	enter(view);
	CHECK_EQ(mprotect(text, PAGE, RW | PROT_EXEC), 0);
	text[1] = 3;
	CHECK_EQ(code(), 3);
	CHECK_EQ(mprotect(text, PAGE, PROT_READ | PROT_EXEC), 0);
	CHECK_EQ(code(), 3);
	CHECK_EQ(probe_write(text, 0), SIGSEGV);
	enter(0);
	CHECK_EQ(code(), 1);
}

TEST(an_overlay_in_memory_without_access_stays_without)
{
	long *data = map_filled(2), value = 5;
	uint32_t view = new_view(0);

	CHECK_EQ(mprotect(data, 2 * PAGE, PROT_NONE), 0);
	if (!try_write(device, view, data, &value, sizeof(value)))
		CHECK_EQ(view_overlays(view), 1);
	enter(view);
	CHECK_EQ(probe_read(data, NULL), SIGSEGV);
	CHECK_EQ(probe_write(data, 1), SIGSEGV);
	CHECK_EQ(mprotect(data, 2 * PAGE, RW), 0);
	CHECK_EQ(LOAD(data[0]), view_overlays(view) ? 5 : 0);
}

TEST(brk_grows_and_shrinks_under_a_view)
{
	uint32_t view = new_view(0);
	char *start = (char *)(((uintptr_t)sbrk(0) + 2 * PAGE - 1) & ~(PAGE - 1));

	CHECK_EQ(brk(start + 8 * PAGE), 0);
	put_long(view, start + PAGE, 77);
	put_long(view, start + 5 * PAGE, 78);
	enter(view);
	CHECK_EQ(LOAD(*(long *)(void *)(start + 5 * PAGE)), 78);
	STORE(*(long *)(void *)(start + 2 * PAGE), 3);
	CHECK_EQ(brk(start + 4 * PAGE), 0);
	CHECK_EQ(view_overlays(view), 1);
	CHECK_EQ(probe_read(start + 5 * PAGE, NULL), SIGSEGV);
	CHECK_EQ(brk(start + 8 * PAGE), 0);
	CHECK_EQ(LOAD(*(long *)(void *)(start + 5 * PAGE)), 0);
	CHECK_EQ(LOAD(*(long *)(void *)(start + PAGE)), 77);
	enter(0);
	CHECK_EQ(LOAD(*(long *)(void *)(start + 2 * PAGE)), 3);
}

TEST(dontneed_drops_what_views_have_in_writable_memory)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 3);

	enter(view);
	STORE(*page_of(data, 1), 78);
	CHECK_EQ(LOAD(*page_of(data, 2)), 2000);
	CHECK_EQ(madvise(data, 3 * PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 0);
	CHECK_EQ(LOAD(*page_of(data, 2)), 0);
	CHECK_EQ(view_overlays(view), 0);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 0);
}

/* From Linux 6.13 on a process may give any advice to itself in this way, too. */
TEST(dontneed_by_process_madvise_drops_the_same)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 6);
	struct iovec ranges[] = { { page_of(data, 1), PAGE }, { page_of(data, 3), 2 * PAGE } };
	int self = CHECK_LIBC(syscall(SYS_pidfd_open, getpid(), 0));
	long ret;

	put_long(view, page_of(data, 4), 78);
	put_long(view, page_of(data, 5), 79);
	enter(view);
	ret = syscall(SYS_process_madvise, self, ranges, 2, MADV_DONTNEED, 0);
	if (ret == -1 && (errno == EINVAL || errno == EPERM))
		skip_test("the kernel drops no pages for process_madvise()");
	CHECK_EQ(ret, 3 * PAGE);
	CHECK_EQ(LOAD(*page_of(data, 1)), 0);
	CHECK_EQ(LOAD(*page_of(data, 4)), 0);
	CHECK_EQ(LOAD(*page_of(data, 5)), 79);
	CHECK_EQ(view_overlays(view), 1);
}

TEST(dontneed_leaves_patched_code)
{
	char path[] = "/tmp/wfpatch-XXXXXX";
	int fd = CHECK_LIBC(mkstemp(path));
	uint32_t view = new_view(0);
	char *text;
	code_fn code;

	unlink(path);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK_EQ(pwrite(fd, "\xb8\x01\0\0\0\xc3", 6, 0), 6);
	text = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(text != MAP_FAILED);
	code = (code_fn)(void *)text;
	patch_code(view, code, 2);
	enter(view);
	CHECK_EQ(madvise(text, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(code(), 2);
	enter(0);
	CHECK_EQ(code(), 1);
}

TEST(a_store_after_madv_free_is_kept)
{
	enum { NR = 64 };
	char *area = map_aligned(HUGE);
	uint32_t view = new_view(0);
	int round, i;

	madvise(area, HUGE, MADV_NOHUGEPAGE);
	/* The pages beside it are reached through a private table. */
	put_long(view, area + 100 * PAGE, 77);
	for (round = 1; round < 10; round++) {
		enter(0);
		for (i = 0; i < NR; i++)
			STORE(*page_of(area, i), -1);
		enter(view);
		for (i = 0; i < NR; i++)
			STORE(*page_of(area, i), -2);
		CHECK_EQ(madvise(area, NR * PAGE, MADV_FREE), 0);
		/* From here on clean pages may be thrown away, those that are stored to must not. */
		for (i = 0; i < NR; i += 2)
			STORE(*page_of(area, i), round);
		madvise(area, NR * PAGE, 21 /* MADV_PAGEOUT */);
		for (i = 0; i < NR; i += 2)
			CHECK_EQ(LOAD(*page_of(area, i)), round);
		for (i = 1; i < NR; i += 2)
			CHECK(LOAD(*page_of(area, i)) == -2 || LOAD(*page_of(area, i)) == 0);
		CHECK_EQ(LOAD(*page_of(area, 100)), 77);
	}
}

TEST(locked_memory_has_overlays)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 4);

	CHECK_EQ(mlock(data, 4 * PAGE), 0);
	put_long(view, page_of(data, 2), 78);
	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 77);
	CHECK_EQ(LOAD(*page_of(data, 2)), 78);
	STORE(*page_of(data, 3), 5);
	CHECK_EQ(mlockall(MCL_CURRENT | MCL_FUTURE), 0);
	STORE(*page_of(map_filled(2), 1), 6);
	CHECK_EQ(munlockall(), 0);
	CHECK_EQ(munlock(data, 4 * PAGE), 0);
	CHECK_EQ(munmap(page_of(data, 1), 2 * PAGE), 0);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 3)), 5);
	CHECK_EQ(view_overlays(view), 0);
}

TEST(protection_keys_hold_in_views)
{
	uint32_t view = new_view(0);
	long *data = overlaid(view, 3);
	int key = pkey_alloc(0, 0);

	if (key < 0)
		skip_test("no protection keys: %s", last_error());
	enter(view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 77);
	CHECK_EQ(pkey_mprotect(data, 3 * PAGE, RW, key), 0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 77);
	/* A signal's handler begins with the default rights, and leaves them when it jumps out. */
	CHECK_EQ(pkey_set(key, PKEY_DISABLE_WRITE), 0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 77);
	CHECK_EQ(probe_write(page_of(data, 1), 1), SIGSEGV);
	CHECK_EQ(pkey_set(key, PKEY_DISABLE_WRITE), 0);
	CHECK_EQ(probe_write(page_of(data, 2), 1), SIGSEGV);
	CHECK_EQ(pkey_set(key, PKEY_DISABLE_ACCESS), 0);
	CHECK_EQ(probe_read(page_of(data, 0), NULL), SIGSEGV);
	CHECK_EQ(pkey_set(key, PKEY_DISABLE_ACCESS), 0);
	CHECK_EQ(probe_read(page_of(data, 1), NULL), SIGSEGV);
	CHECK_EQ(pkey_set(key, 0), 0);
	STORE(*page_of(data, 1), 78);
	CHECK_EQ(LOAD(*page_of(data, 1)), 78);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 1000);
}

TEST(a_mapping_that_grows_down_grows_in_a_view)
{
	char *area = (char *)map_pages(600, PROT_NONE), *top = area + 599 * PAGE, *at;
	uint32_t view = new_view(0);

	CHECK_EQ(munmap(area, 600 * PAGE), 0);
	CHECK(mmap(top, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0)
	      == top);
	put_long(view, top, 77);
	enter(view);
	for (at = top - PAGE; at > top - 100 * PAGE; at -= PAGE)
		STORE(*(long *)(void *)at, at - area);
	CHECK_EQ(LOAD(*(long *)(void *)top), 77);
	enter(0);
	for (at = top - PAGE; at > top - 100 * PAGE; at -= PAGE)
		CHECK_EQ(LOAD(*(long *)(void *)at), at - area);
}

TEST(large_sparse_mappings_have_overlays_anywhere)
{
	const size_t size = 64UL << 30;
	uint32_t view = new_view(0);
	char *area = mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t at;

	CHECK(area != MAP_FAILED);
	madvise(area, size, MADV_NOHUGEPAGE);
	for (at = 0; at < size; at += size / 16)
		put_long(view, area + at, (long)at + 1);
	enter(view);
	for (at = 0; at < size; at += size / 16) {
		CHECK_EQ(LOAD(*(long *)(void *)(area + at)), at + 1);
		CHECK_EQ(LOAD(*(long *)(void *)(area + at + PAGE)), 0);
		STORE(*(long *)(void *)(area + at + PAGE), 3);
	}
	CHECK_EQ(view_overlays(view), 16);
	enter(0);
	for (at = 0; at < size; at += size / 16)
		CHECK_EQ(LOAD(*(long *)(void *)(area + at + PAGE)), 3);
	CHECK_EQ(munmap(area, size), 0);
	CHECK_EQ(view_overlays(view), 0);
}
