// SPDX-License-Identifier: GPL-2.0
/*
 * What newer kernels offer to programs that know of it: guard pages, sealed mappings, secret memory,
 * huge pages on demand in shared memory. Each works in a view as it does in the base.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define RW		(PROT_READ | PROT_WRITE)
#define COLLAPSE	25	/* MADV_COLLAPSE */
#define GUARD_INSTALL	102	/* MADV_GUARD_INSTALL */
#define GUARD_REMOVE	103	/* MADV_GUARD_REMOVE */
#define MEMFD_SECRET	447
#define MSEAL		462
#define THP_DIR		"/sys/kernel/mm/transparent_hugepage/"

/* --- threads in a view that shares its tables, in one that has its own, and in the base -------- */

enum { BASE, SHARING, OWN, NR_PLACES };

struct places {
	char *area;	/* 2 MiB of single pages */
	uint32_t views[NR_PLACES];
	struct worker workers[NR_PLACES];
};

/* Page 100 of the area is another in view OWN, so that this view has a table of its own. */
static void places_set(struct places *p)
{
	int i;

	p->area = map_aligned(HUGE);
	madvise(p->area, HUGE, MADV_NOHUGEPAGE);
	for (i = 0; i < NR_PLACES; i++) {
		p->views[i] = i == BASE ? 0 : new_view(0);
		worker_start(&p->workers[i]);
		worker_enter(&p->workers[i], p->views[i]);
	}
	*page_of(p->area, 100) = 100;
	put_long(p->views[OWN], page_of(p->area, 100), -100);
}

/* The rest of the area is as it should be, and seen by all. */
static void places_check(struct places *p)
{
	int i;

	for (i = 0; i < NR_PLACES; i++)
		CHECK_EQ(worker_load(&p->workers[i], page_of(p->area, 100)),
			 i == OWN ? -100 : 100);
}

static long do_probe_read(void *addr)
{
	return probe_read(addr, NULL);
}

static long do_probe_write(void *addr)
{
	return probe_write(addr, 4711);
}

/* --- guard pages (6.13) ------------------------------------------------------------------------ */

static void need_guards(void)
{
	char *page = (char *)map_pages(1, RW);

	if (madvise(page, PAGE, GUARD_INSTALL))
		skip_test("the kernel has no guard pages: %s", last_error());
	CHECK_EQ(probe_read(page, NULL), SIGSEGV);
	CHECK_EQ(munmap(page, PAGE), 0);
}

static void child_of_guards(void *arg)
{
	struct places *p = arg;

	CHECK_EQ(probe_read(page_of(p->area, 5), NULL), SIGSEGV);
	CHECK_EQ(*page_of(p->area, 4), 4);
	CHECK_EQ(*page_of(p->area, 100), -100);
}

TEST(guard_pages_stop_the_threads_of_every_view)
{
	struct places p;
	int i, n;

	need_guards();
	places_set(&p);
	for (n = 4; n < 10; n++)
		*page_of(p.area, n) = n;
	for (i = 0; i < NR_PLACES; i++)
		for (n = 4; n < 10; n++)
			CHECK_EQ(worker_load(&p.workers[i], page_of(p.area, n)), n);
	CHECK_EQ(madvise(page_of(p.area, 5), 4 * PAGE, GUARD_INSTALL), 0);
	for (i = 0; i < NR_PLACES; i++) {
		for (n = 5; n < 9; n++) {
			CHECK_EQ(worker_call(&p.workers[i], do_probe_read, page_of(p.area, n)),
				 SIGSEGV);
			CHECK_EQ(worker_call(&p.workers[i], do_probe_write, page_of(p.area, n)),
				 SIGSEGV);
		}
		CHECK_EQ(worker_load(&p.workers[i], page_of(p.area, 4)), 4);
		CHECK_EQ(worker_load(&p.workers[i], page_of(p.area, 9)), 9);
	}
	enter(p.views[OWN]);
	child_run(child_of_guards, &p);
	enter(0);
	CHECK_EQ(madvise(page_of(p.area, 5), 4 * PAGE, GUARD_REMOVE), 0);
	for (i = 0; i < NR_PLACES; i++)
		CHECK_EQ(worker_load(&p.workers[i], page_of(p.area, 5)), 0);
	for (i = 0; i < NR_PLACES; i++)
		CHECK_EQ(worker_call(&p.workers[i], do_probe_write, page_of(p.area, 5 + i)), 0);
	for (i = 0; i < NR_PLACES; i++)
		for (n = 5; n < 5 + NR_PLACES; n++)
			CHECK_EQ(worker_load(&p.workers[i], page_of(p.area, n)), 4711);
	places_check(&p);
}

TEST(guard_pages_take_the_views_own_pages_with_them)
{
	code_fn code = make_codes(2, 20);
	struct places p;
	int value;
	long data;

	need_guards();
	places_set(&p);
	*page_of(p.area, 5) = 5;
	put_long(p.views[OWN], page_of(p.area, 5), -5);
	CHECK_EQ(worker_load(&p.workers[OWN], page_of(p.area, 5)), -5);
	CHECK_EQ(madvise(page_of(p.area, 5), PAGE, GUARD_INSTALL), 0);
	CHECK_EQ(worker_call(&p.workers[OWN], do_probe_read, page_of(p.area, 5)), SIGSEGV);
	CHECK_EQ(worker_call(&p.workers[OWN], do_probe_write, page_of(p.area, 5)), SIGSEGV);
	CHECK_EQ(view_overlays(p.views[OWN]), 1);
	CHECK_ERROR(try_read(device, p.views[OWN], page_of(p.area, 5), &data, sizeof(data)),
		    EFAULT);
	CHECK_ERROR(try_write(device, p.views[OWN], page_of(p.area, 5), &data, sizeof(data)),
		    EFAULT);
	CHECK_EQ(madvise(page_of(p.area, 5), PAGE, GUARD_REMOVE), 0);
	CHECK_EQ(worker_load(&p.workers[OWN], page_of(p.area, 5)), 0);
	put_long(p.views[OWN], page_of(p.area, 5), -6);
	CHECK_EQ(worker_load(&p.workers[OWN], page_of(p.area, 5)), -6);
	CHECK_EQ(worker_load(&p.workers[SHARING], page_of(p.area, 5)), 0);
	places_check(&p);

	/* Patched code, too, unlike MADV_DONTNEED: nobody may execute it. */
	patch_code(p.views[OWN], code, 10);
	if (madvise((void *)code, PAGE, GUARD_INSTALL))
		return;
	enter(p.views[OWN]);
	CHECK_EQ(probe_call(code, &value), SIGSEGV);
	CHECK_EQ(probe_call(code_at(code, 1), &value), 0);
	CHECK_EQ(value, 21);
}

TEST(guard_pages_that_are_refused_leave_the_views_pages)
{
	struct places p;

	need_guards();
	places_set(&p);
	CHECK_EQ(mlock(page_of(p.area, 100), PAGE), 0);
	CHECK_EQ(madvise(page_of(p.area, 100), PAGE, GUARD_INSTALL), -1);
	CHECK_EQ(errno, EINVAL);
	places_check(&p);
	CHECK_EQ(madvise(page_of(p.area, 100), PAGE, GUARD_REMOVE), 0);
	places_check(&p);
}

/* On kernels that do not know them. Where they are known, this shows nothing. */
TEST(an_unknown_advice_leaves_the_views_pages)
{
	static const int advices[] = { 24 /* MADV_DONTNEED_LOCKED */, GUARD_INSTALL, GUARD_REMOVE };
	bool refused = false;
	struct places p;
	size_t i;

	places_set(&p);
	for (i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		long *page = map_pages(1, RW);

		if (!madvise(page, PAGE, advices[i]))
			continue;
		refused = true;
		CHECK_EQ(madvise(page_of(p.area, 100), PAGE, advices[i]), -1);
		places_check(&p);
	}
	if (!refused)
		skip_test("the kernel knows all of them");
}

TEST(pinned_memory_is_pinned_again_when_guard_pages_go)
{
	struct places p;
	uint32_t late;
	int i;

	need_guards();
	places_set(&p);
	for (i = 0; i < 8; i++)
		*page_of(p.area, i) = i;
	pin(p.area, 8 * PAGE);
	put_long(p.views[OWN], page_of(p.area, 4), -4);
	CHECK_EQ(worker_call(&p.workers[SHARING], do_probe_write, page_of(p.area, 5)), 0);
	CHECK_EQ(madvise(page_of(p.area, 2), 2 * PAGE, GUARD_INSTALL), 0);
	late = new_view(0);
	CHECK_EQ(view_overlays(late), 6);
	CHECK_EQ(view_overlays(p.views[SHARING]), 6);
	for (i = 0; i < NR_PLACES; i++)
		CHECK_EQ(worker_call(&p.workers[i], do_probe_read, page_of(p.area, 2)), SIGSEGV);
	/* More than there are guard pages: what views have behind them is not touched. */
	CHECK_EQ(madvise(page_of(p.area, 2), 4 * PAGE, GUARD_REMOVE), 0);
	*page_of(p.area, 2) = 2;
	CHECK_EQ(worker_load(&p.workers[OWN], page_of(p.area, 2)), 0);
	CHECK_EQ(worker_call(&p.workers[OWN], do_probe_write, page_of(p.area, 3)), 0);
	CHECK_EQ(worker_load(&p.workers[SHARING], page_of(p.area, 3)), 0);
	CHECK_EQ(*page_of(p.area, 3), 0);
	CHECK_EQ(get_long(late, page_of(p.area, 2)), 0);
	CHECK_EQ(worker_load(&p.workers[OWN], page_of(p.area, 4)), -4);
	CHECK_EQ(worker_load(&p.workers[SHARING], page_of(p.area, 5)), 4711);
	CHECK_EQ(*page_of(p.area, 5), 5);
	places_check(&p);
}

/* --- sealed mappings (6.10) -------------------------------------------------------------------- */

static void seal(const void *addr, size_t len)
{
	if (!syscall(MSEAL, addr, len, 0))
		return;
	if (errno == ENOSYS)
		skip_test("the kernel seals no mappings");
	FAIL("mseal: %s", last_error());
}

#define CHECK_SEALED(call)									\
	do {											\
		errno = 0;									\
		CHECK_EQ((long)(call), -1);							\
		CHECK_EQ(errno, EPERM);								\
	} while (0)

TEST(sealed_code_is_patched_and_refused_calls_change_no_view)
{
	code_fn code = make_codes(3, 20);
	uint32_t view = new_view(0);
	struct worker w;

	patch_code(view, code, 10);
	seal((void *)code, 3 * PAGE);
	/* As a debugger may: a seal is for the mapping, not for its content. */
	patch_code(view, code_at(code, 1), 11);
	worker_start(&w);
	worker_enter(&w, view);
	CHECK_EQ(worker_code(&w, code), 10);
	CHECK_EQ(worker_code(&w, code_at(code, 1)), 11);
	CHECK_SEALED(munmap((void *)code, PAGE));
	CHECK_SEALED(mprotect((void *)code, PAGE, RW));
	CHECK_SEALED(mprotect((void *)code, 3 * PAGE, PROT_NONE));
	CHECK_SEALED(mremap((void *)code, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    map_pages(1, RW)));
	CHECK_SEALED(mmap((void *)code, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	CHECK_SEALED(madvise((void *)code, 3 * PAGE, MADV_DONTNEED));
	CHECK_EQ(worker_code(&w, code), 10);
	CHECK_EQ(worker_code(&w, code_at(code, 1)), 11);
	CHECK_EQ(worker_code(&w, code_at(code, 2)), 22);
	CHECK_EQ(code() + code_at(code, 1)(), 20 + 21);
	CHECK_EQ(view_overlays(view), 2);
	CHECK(!strcmp(permissions((void *)code), "r-xp"));
}

/* The kernel unmaps nothing if one of the mappings is sealed. */
TEST(an_munmap_that_meets_a_seal_leaves_all_views_as_they_are)
{
	struct places p;

	places_set(&p);
	CHECK_EQ(mprotect(page_of(p.area, 101), PAGE, PROT_READ), 0);
	seal(page_of(p.area, 101), PAGE);
	CHECK_SEALED(munmap(page_of(p.area, 99), 3 * PAGE));
	places_check(&p);
	CHECK_EQ(view_overlays(p.views[OWN]), 1);
	CHECK_EQ(munmap(page_of(p.area, 100), PAGE), 0);
	CHECK_EQ(view_overlays(p.views[OWN]), 0);
	CHECK_EQ(worker_call(&p.workers[OWN], do_probe_read, page_of(p.area, 100)), SIGSEGV);
	CHECK_EQ(worker_load(&p.workers[OWN], page_of(p.area, 101)), 0);
}

TEST(a_refused_mprotect_of_pinned_memory_copies_no_page)
{
	uint32_t view = new_view(0);
	long *pages = map_filled(4);
	long locked = file_value("/proc/self/status", "VmPin");

	CHECK_EQ(mprotect(pages, 4 * PAGE, PROT_READ), 0);
	pin(pages, 4 * PAGE);
	seal(pages, 4 * PAGE);
	CHECK_SEALED(mprotect(pages, 4 * PAGE, RW));
	CHECK_EQ(view_overlays(view), 0);
	CHECK_EQ(file_value("/proc/self/status", "VmPin"), locked);
}

TEST(sealed_writable_memory_is_pinned)
{
	uint32_t view = new_view(0);
	long *pages = map_filled(4);

	seal(pages, 4 * PAGE);
	pin(pages, 4 * PAGE);
	enter(view);
	STORE(*page_of(pages, 1), -1);
	enter(0);
	CHECK_EQ(LOAD(*page_of(pages, 1)), 1000);
	CHECK_EQ(get_long(view, page_of(pages, 1)), -1);
	unpin(pages, 4 * PAGE);
	CHECK_EQ(get_long(view, page_of(pages, 1)), 1000);
}

/* The caller may not write to it, by its protection key, and so may not discard it. */
TEST(a_discard_that_is_refused_leaves_the_views_pages)
{
	uint32_t view = new_view(0);
	long *pages = map_filled(2);
	int key = pkey_alloc(0, 0);

	if (key < 0)
		skip_test("no protection keys: %s", last_error());
	put_long(view, pages, -1);
	CHECK_EQ(pkey_mprotect(pages, 2 * PAGE, RW, key), 0);
	seal(pages, 2 * PAGE);
	CHECK_EQ(pkey_set(key, PKEY_DISABLE_WRITE), 0);
	CHECK_SEALED(madvise(pages, 2 * PAGE, MADV_DONTNEED));
	CHECK_EQ(*page_of(pages, 1), 1000);
	CHECK_EQ(view_overlays(view), 1);
	CHECK_EQ(get_long(view, pages), -1);
}

/* --- secret memory (5.14; switched on by default from 6.5) ------------------------------------- */

static long do_fill(void *page)
{
	memset(page, 7, PAGE);
	return 0;
}

TEST(secret_memory_is_the_same_in_all_views_and_has_no_overlays)
{
	int fd = (int)syscall(MEMFD_SECRET, 0), i;
	struct iovec local, remote;
	struct places p;
	long seven, data;
	long *secret;

	if (fd < 0)
		skip_test("no secret memory: %s (before 6.5 it wants secretmem.enable=1)",
			  last_error());
	CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);
	places_set(&p);
	pin(page_of(p.area, 8), 4 * PAGE);
	secret = mmap(page_of(p.area, 8), 4 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	CHECK(secret == page_of(p.area, 8));
	memset(&seven, 7, sizeof(seven));
	for (i = 0; i < NR_PLACES; i++) {
		CHECK_EQ(worker_call(&p.workers[i], do_fill, page_of(secret, i)), 0);
		CHECK_EQ(worker_load(&p.workers[(i + 1) % NR_PLACES], page_of(secret, i)), seven);
		CHECK_EQ(worker_load(&p.workers[(i + 2) % NR_PLACES], page_of(secret, i)), seven);
		CHECK_ERROR(try_read(device, p.views[i], secret, &data, sizeof(data)), EFAULT);
	}
	/* It is secret indeed: the kernel itself does not reach it for others. */
	local = (struct iovec){ &data, sizeof(data) };
	remote = (struct iovec){ secret, sizeof(data) };
	CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), -1);
	CHECK_EQ(errno, EFAULT);

	CHECK_ERROR(try_write(device, p.views[OWN], secret, &data, sizeof(data)), EACCES);
	CHECK_ERROR(try_pin(page_of(p.area, 12), -PAGE), EINVAL);
	unpin(page_of(p.area, 8), 4 * PAGE);
	CHECK_ERROR(try_pin(secret, PAGE), EACCES);
	/* As a buffer it is memory like any other. */
	CHECK_OK(try_read(device, p.views[OWN], page_of(p.area, 100), secret, sizeof(long)));
	CHECK_EQ(*secret, -100);
	*secret = -101;
	CHECK_OK(try_write(device, p.views[OWN], page_of(p.area, 100), secret, sizeof(long)));
	CHECK_EQ(worker_load(&p.workers[OWN], page_of(p.area, 100)), -101);
	CHECK_EQ(view_overlays(new_view(p.views[OWN])), 1);
	CHECK_EQ(munmap(secret, 4 * PAGE), 0);
	for (i = 0; i < NR_PLACES; i++)
		CHECK_EQ(worker_call(&p.workers[i], do_probe_read, secret), SIGSEGV);
	close(fd);
}

/* --- MADV_COLLAPSE of shared memory (6.1) ------------------------------------------------------ */

/*
 * The kernel frees the base's table of pages and puts one entry in its place. A view that has a
 * table of its own there keeps it, with entries for the parts of the huge page.
 */
TEST(shared_memory_is_collapsed_under_a_views_own_table)
{
	int fd = CHECK_LIBC(memfd_create("shared", 0)), i, n;
	struct places p;

	CHECK_EQ(ftruncate(fd, HUGE), 0);
	guest_need(THP_DIR "shmem_enabled", "never");
	places_set(&p);
	/* Leaves the table of view OWN. */
	CHECK(mmap(p.area, HUGE, RW, MAP_SHARED | MAP_FIXED, fd, 0) == p.area);
	for (n = 0; n < 512; n++)
		*page_of(p.area, n) = n;
	for (i = 0; i < NR_PLACES; i++)
		for (n = 0; n < 512; n += 7)
			CHECK_EQ(worker_load(&p.workers[i], page_of(p.area, n)), n);
	guest_set(THP_DIR "shmem_enabled", "advise");
	CHECK_EQ(madvise(p.area, HUGE, MADV_HUGEPAGE), 0);
	/* Somebody may hold a page for a moment. */
	for (n = 0; madvise(p.area, HUGE, COLLAPSE); n++) {
		if (errno == EINVAL)
			skip_test("the kernel does not collapse on demand");
		if (errno != EAGAIN || n == 200)
			FAIL("MADV_COLLAPSE: %s", last_error());
		sleep_ms(10);
	}
	for (i = 0; i < NR_PLACES; i++)
		for (n = 0; n < 512; n++)
			CHECK_EQ(worker_load(&p.workers[i], page_of(p.area, n)), n);
	CHECK_EQ(smaps_kb(p.area, "ShmemPmdMapped"), HUGE >> 10);
	for (i = 0; i < NR_PLACES; i++)
		CHECK_EQ(worker_call(&p.workers[i], do_probe_write, page_of(p.area, 50 + i)), 0);
	for (i = 0; i < NR_PLACES; i++)
		for (n = 50; n < 50 + NR_PLACES; n++)
			CHECK_EQ(worker_load(&p.workers[i], page_of(p.area, n)), 4711);
	CHECK_EQ(ftruncate(fd, 8 * PAGE), 0);
	for (i = 0; i < NR_PLACES; i++) {
		CHECK_EQ(worker_load(&p.workers[i], page_of(p.area, 7)), 7);
		CHECK_EQ(worker_call(&p.workers[i], do_probe_read, page_of(p.area, 9)), SIGBUS);
	}
	close(fd);
}
