// SPDX-License-Identifier: GPL-2.0
/*
 * What newer kernels do inside, without being asked: faults under the lock of one mapping, page
 * tables freed early, numbers for threads that run at the same time, address spaces borrowed by
 * threads of the kernel. Each test shows that the kernel did it to a process with views.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define RW		(PROT_READ | PROT_WRITE)
#define PER_HUGE	512

static bool kernel_has(const char *function)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	char line[256], name[128];
	bool found = false;

	CHECK(symbols);
	while (!found && fgets(line, sizeof(line), symbols))
		found = sscanf(line, "%*s %*s %127s", name) == 1 && !strcmp(name, function);
	fclose(symbols);
	return found;
}

/* --- faults under a mapping's own lock (6.4) --------------------------------------------------- */

struct toucher {
	uint32_t view;
	char *fresh;
	long limit;
	long touched;
	unsigned int stop;
};

static long do_touch(void *arg)
{
	struct toucher *t = arg;
	long i;

	enter(t->view);
	for (i = 0; i < t->limit && !LOAD(t->stop); i++) {
		STORE(*page_of(t->fresh, i), i);
		STORE(t->touched, i + 1);
	}
	enter(0);
	return i;
}

/*
 * mprotect() copies the pinned pages that become writable into the view, with the mmap lock held for
 * writing all the time. Only faults that do without that lock go on meanwhile.
 */
TEST(faults_in_a_view_do_not_wait_for_the_mmap_lock)
{
	enum { NR_PINNED = 6000, NR_FRESH = 20000 };
	struct toucher t = { .limit = NR_FRESH };
	long before, during, i, end;
	struct worker w;
	char *pinned;

	guest_need_two_processors();
	if (!kernel_has("lock_vma_under_rcu"))
		skip_test("the kernel has no locks of single mappings");
	t.view = new_view(0);
	pinned = map_aligned(NR_PINNED * PAGE);
	t.fresh = map_aligned(NR_FRESH * PAGE);
	madvise(t.fresh, NR_FRESH * PAGE, MADV_NOHUGEPAGE);
	/* The first page of a mapping needs more than its lock. */
	*t.fresh = 1;
	madvise(pinned, NR_PINNED * PAGE, MADV_NOHUGEPAGE);
	memset(pinned, 1, NR_PINNED * PAGE);
	CHECK_EQ(mprotect(pinned, NR_PINNED * PAGE, PROT_READ), 0);
	pin(pinned, NR_PINNED * PAGE);
	CHECK_EQ(view_overlays(t.view), 0);
	worker_start(&w);
	worker_begin(&w, do_touch, &t);
	WAIT_FOR(LOAD(t.touched) > 1);
	before = LOAD(t.touched);
	CHECK_EQ(mprotect(pinned, NR_PINNED * PAGE, RW), 0);
	during = LOAD(t.touched) - before;
	STORE(t.stop, 1);
	end = worker_end(&w);
	CHECK_EQ(view_overlays(t.view), NR_PINNED);
	if (during < 100)
		FAIL("%d pages were copied; expected 100 faults meanwhile, seen %ld", NR_PINNED,
		     during);
	for (i = 0; i < end; i++)
		CHECK_EQ(*page_of(t.fresh, i), i);
}

/* --- page tables freed by MADV_DONTNEED (6.14) ------------------------------------------------- */

enum { NR_TABLES = 6, STEP = 16 };

struct reader {
	char *area;
	uint32_t view;
	long round;
	unsigned int stop;
};

static long do_read_all(void *arg)
{
	struct reader *r = arg;
	unsigned int seed = r->view;
	long reads = 0;

	enter(r->view);
	while (!LOAD(r->stop) || !reads) {
		int page = rand_r(&seed) % (NR_TABLES * PER_HUGE / STEP) * STEP;
		long least = __atomic_load_n(&r->round, __ATOMIC_ACQUIRE);
		long seen = LOAD(*page_of(r->area, page));

		/* 0: gone, or not yet written again. */
		if (seen > 0 && seen < least)
			FAIL("page %d: expected round %ld or later, seen %ld", page, least, seen);
		/* Who flushes waits for the processor of who reads. */
		if (++reads % 64 == 0)
			sleep_ms(1);
	}
	enter(0);
	return reads;
}

static long table_kb(void)
{
	return file_value("/proc/self/status", "VmPTE");
}

static void fill_tables(char *area, long value)
{
	int i;

	for (i = 0; i < NR_TABLES * PER_HUGE; i += STEP)
		STORE(*page_of(area, i), value);
}

TEST(page_tables_that_madvise_frees_are_left_by_views)
{
	char *area = map_aligned(NR_TABLES * HUGE);
	struct reader readers[2];
	struct worker workers[2];
	long full, round;
	int i;

	madvise(area, NR_TABLES * HUGE, MADV_NOHUGEPAGE);
	fill_tables(area, 1);
	full = table_kb();
	CHECK_EQ(madvise(area, NR_TABLES * HUGE, MADV_DONTNEED), 0);
	if (table_kb() > full - (NR_TABLES - 1) * 4)
		skip_test("the kernel keeps empty page tables");
	fill_tables(area, 1);
	for (i = 0; i < 2; i++) {
		readers[i] = (struct reader){ .area = area, .view = new_view(0), .round = 1 };
		/* One has tables of its own on the way to the third and the fourth. */
		if (i == 1) {
			put_long(readers[i].view, page_of(area, 2 * PER_HUGE + 1), -1);
			put_long(readers[i].view, page_of(area, 3 * PER_HUGE + 1), -1);
		}
		worker_start(&workers[i]);
		worker_begin(&workers[i], do_read_all, &readers[i]);
	}
	for (round = 2; round < 20; round++) {
		long poison, *other;

		full = table_kb();
		CHECK_EQ(madvise(area, NR_TABLES * HUGE, MADV_DONTNEED), 0);
		/* The tables may be anything now: entries that make no sense, or lead to others. */
		for (i = 0; i < 2; i++)
			__atomic_store_n(&readers[i].round, round, __ATOMIC_RELEASE);
		/* The readers bring some back. */
		if (round == 2 && table_kb() > full)
			FAIL("expected less than %ld kB of page tables", full);
		other = map_pages(64, RW);
		for (poison = 0; poison < 64; poison++)
			memset(page_of(other, poison), 0x67, PAGE);
		fill_tables(area, round);
		for (i = 0; i < NR_TABLES * PER_HUGE; i += STEP)
			CHECK_EQ(LOAD(*page_of(area, i)), round);
		CHECK_EQ(munmap(other, 64 * PAGE), 0);
	}
	for (i = 0; i < 2; i++) {
		STORE(readers[i].stop, 1);
		CHECK(worker_end(&workers[i]) > 0);
	}
	/* With nobody about: as many tables go as without views. */
	for (i = 0; i < 2; i++) {
		worker_enter(&workers[i], readers[i].view);
		CHECK_EQ(worker_load(&workers[i], page_of(area, STEP)), round - 1);
	}
	full = table_kb();
	CHECK_EQ(madvise(area, NR_TABLES * HUGE, MADV_DONTNEED), 0);
	if (table_kb() > full - (NR_TABLES - 1) * 4)
		FAIL("expected at most %ld kB of page tables, seen %ld", full - (NR_TABLES - 1) * 4,
		     table_kb());
	for (i = 0; i < 2; i++)
		CHECK_EQ(worker_load(&workers[i], page_of(area, STEP)), 0);
}

/* --- numbers of threads that run at the same time (6.3) ---------------------------------------- */

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE	27
#endif
#define MM_CID_OFFSET		24
#define MAX_CIDS		64

/* Its own line each. */
static struct slot {
	long count;
	long room[7];
} slots[MAX_CIDS];

static unsigned int *own_rseq(void)
{
	return (unsigned int *)(void *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/*
 * Adds 1 to the slot of the number that the thread has, as a restartable sequence: it ends before
 * the thread is interrupted, or begins anew. No locked instruction; if two threads had one number at
 * the same time, additions would be lost. Returns the number.
 */
static unsigned int add_to_own_slot(void)
{
	char *area = (char *)own_rseq();
	unsigned long cid, value, wait;

	__asm__ volatile(".pushsection __rseq_test, \"aw\"\n"
		".balign 32\n"
		"1:\n"
		".long 0, 0\n"
		".quad 2f, 3f - 2f, 4f\n"
		".popsection\n"
		"5:\n"
		"lea 1b(%%rip), %[value]\n"
		"mov %[value], 8(%[area])\n"
		"2:\n"
		"mov 24(%[area]), %k[cid]\n"
		"mov %[cid], %[value]\n"
		"shl $6, %[value]\n"
		"add %[slots], %[value]\n"
		"mov (%[value]), %[wait]\n"
		"inc %[wait]\n"
		/* Time for others to come between. */
		"pause\n"
		"pause\n"
		"mov %[wait], (%[value])\n"
		"3:\n"
		".pushsection __rseq_test_abort, \"ax\"\n"
		".byte 0x0f, 0xb9, 0x3d\n"
		".long 0x53053053\n"
		"4:\n"
		"jmp 5b\n"
		".popsection\n"
		: [cid] "=&r" (cid), [value] "=&r" (value), [wait] "=&r" (wait)
		: [area] "r" (area), [slots] "r" (slots)
		: "memory", "cc");
	return (unsigned int)cid;
}

struct numbered {
	struct worker worker;
	uint32_t views[3];
	int number;
	unsigned int most;
};

enum { NR_ADDITIONS = 200000 };

static long do_add(void *arg)
{
	struct numbered *n = arg;
	long i;

	for (i = 0; i < NR_ADDITIONS; i++) {
		unsigned int cid = add_to_own_slot();

		if (cid > n->most)
			n->most = cid;
		if (i % 512 == 0)
			enter(n->views[(i / 512 + n->number) % 3]);
		if (i % 2048 == 0)
			sched_yield();
	}
	enter(0);
	return 0;
}

TEST(threads_in_views_that_run_at_once_have_different_numbers)
{
	enum { NR = 6 };
	static struct numbered threads[NR];
	uint32_t views[3] = { 0, new_view(0), new_view(0) };
	unsigned int most = 0, here = 0;
	int i, cpu, cpus = (int)sysconf(_SC_NPROCESSORS_CONF);
	long sum = 0;

	if (getauxval(AT_RSEQ_FEATURE_SIZE) < MM_CID_OFFSET + 4)
		skip_test("the kernel gives threads no numbers");
	/* The smallest area that the kernel takes has room for the number. */
	if (!__rseq_size)
		skip_test("the C library registers no area for them");
	for (i = 0; i < NR; i++) {
		memcpy(threads[i].views, views, sizeof(views));
		threads[i].number = i;
		worker_start(&threads[i].worker);
	}
	for (i = 0; i < NR; i++)
		worker_begin(&threads[i].worker, do_add, &threads[i]);
	for (i = 0; i < NR; i++) {
		worker_end(&threads[i].worker);
		if (threads[i].most > most)
			most = threads[i].most;
	}
	for (i = 0; i < MAX_CIDS; i++)
		sum += slots[i].count;
	CHECK_EQ(sum, (long)NR * NR_ADDITIONS);
	/* As many as can run at once, and no more. */
	if ((int)most >= cpus)
		FAIL("%d processors; expected numbers below that, seen %u", cpus, most);
	if (cpus > 1)
		CHECK(most > 0);

	/* The processor's number, which is kept in the same way. */
	for (i = 0; i < 30; i++) {
		cpu = i % (int)sysconf(_SC_NPROCESSORS_ONLN);
		guest_run_on(0, cpu);
		enter(views[i % 3]);
		CHECK_EQ(syscall(SYS_getcpu, &here, NULL, NULL), 0);
		CHECK_EQ(here, cpu);
		CHECK_EQ(LOAD(own_rseq()[1]), cpu);
		CHECK_EQ(sched_getcpu(), cpu);
	}
}

/* --- address spaces that the kernel's own threads borrow --------------------------------------- */

/* Uses a view on processor 1 and leaves it there, loaded for the idle task or a thread of the kernel. */
static void leave_a_view_behind(uint32_t view)
{
	long *pages = map_filled(4);

	guest_run_on(0, 1);
	enter(view);
	CHECK_EQ(LOAD(*page_of(pages, 2)), 2000);
	guest_run_on(0, 0);
}

static void end_in_a_view(void *overlay)
{
	uint32_t view;

	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK));
	view = new_view(0);
	if (overlay)
		put_long(view, overlay, 1);
	leave_a_view_behind(view);
}

/* Pages that were freed are used again, full of what no page table should hold. */
static void use_memory(void)
{
	enum { NR = 512 };
	char *pages = (char *)map_pages(NR, RW);

	memset(pages, 0x6b, NR * PAGE);
	CHECK_EQ(munmap(pages, NR * PAGE), 0);
}

TEST(processors_let_go_of_views_that_the_kernel_has_borrowed)
{
	long *page = map_filled(1);
	int round;

	guest_need_two_processors();
	/* The module has a processor call it that still has the view loaded when that goes. */
	guest_count_calls("leave_mm");
	guest_run_on(0, 0);
	for (round = 0; round < 12; round++) {
		uint32_t view = new_view(0);

		/* A process ends on one processor, while the other has its view loaded for nobody. */
		child_run(end_in_a_view, round & 1 ? page : NULL);
		use_memory();
		/* A view goes. */
		leave_a_view_behind(view);
		enter(0);
		delete_view(view);
		CHECK_EQ(next_event(device, WFPATCH_EVENT_FREED).view, view);
		use_memory();
		/* Something for processor 1 to do in the kernel, without a process of its own. */
		sync();
		sleep_ms(2);
	}
	if (guest_calls() < 6)
		FAIL("expected 6 processors that had a view borrowed, seen %ld", guest_calls());
}
