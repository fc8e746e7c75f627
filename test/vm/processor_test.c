// SPDX-License-Identifier: GPL-2.0
/*
 * What belongs to the processor: descriptor tables, 32-bit calls, counters; and threads that stay in
 * their views whatever processor they run on and whatever happens to it.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define RW	(PROT_READ | PROT_WRITE)

static long modify_ldt(int func, const void *ptr, unsigned long size)
{
	return syscall(SYS_modify_ldt, func, ptr, size);
}

static const struct user_desc segment = { .entry_number = 3, .limit = 0xfffff, .seg_32bit = 1,
					  .limit_in_pages = 1 };

static void have_ldt_first(void *unused)
{
	(void)unused;
	close(device);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	if (modify_ldt(1, &segment, sizeof(segment)))
		skip_test("no descriptor tables: %s", last_error());
	CHECK_ERROR(try_create(device, 0, NULL), EOPNOTSUPP);
	CHECK_EQ(nr_views(), 0);
}

TEST(a_process_with_a_descriptor_table_gets_no_views)
{
	child_run(have_ldt_first, NULL);
}

static void use_no_ldt(void *unused)
{
	(void)unused;
	CHECK_EQ(modify_ldt(1, &segment, sizeof(segment)), 0);
}

TEST(a_process_with_views_gets_no_descriptor_table)
{
	char buffer[64];
	uint32_t view = new_view(0);

	if (modify_ldt(0, buffer, sizeof(buffer)) < 0)
		skip_test("no descriptor tables: %s", last_error());
	CHECK_EQ(modify_ldt(1, &segment, sizeof(segment)), -1);
	CHECK_EQ(errno, EOPNOTSUPP);
	enter(view);
	CHECK_EQ(modify_ldt(1, &segment, sizeof(segment)), -1);
	CHECK_EQ(errno, EOPNOTSUPP);
	CHECK_EQ(modify_ldt(0, buffer, sizeof(buffer)), 0);
	enter(0);
	/* Other processes are not kept from it, nor is this one later. */
	child_run(use_no_ldt, NULL);
	delete_view(view);
	next_event(device, WFPATCH_EVENT_FREED);
	CHECK_EQ(modify_ldt(1, &segment, sizeof(segment)), 0);
}

TEST(a_thread_in_a_view_makes_32_bit_system_calls)
{
	enum { NR_WRITE_32 = 4, NR_GETPID_32 = 20 };
	char *low = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0), seen[4];
	uint32_t view = new_view(0);
	int ends[2], i;
	long result;

	CHECK(low != MAP_FAILED);
	memcpy(low, "base", 4);
	put(view, low, "view", 4);
	CHECK_EQ(pipe(ends), 0);
	enter(view);
	for (i = 0; i < 20; i++) {
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(NR_GETPID_32)
				 : "memory", "r8", "r9", "r10", "r11");
		if (i == 0 && (int)result == -ENOSYS)
			skip_test("the kernel runs no 32-bit system calls");
		CHECK_EQ((int)result, getpid());
		__asm__ volatile("int $0x80" : "=a"(result)
				 : "a"(NR_WRITE_32), "b"((long)ends[1]), "c"(low), "d"(4L)
				 : "memory", "r8", "r9", "r10", "r11");
		CHECK_EQ((int)result, 4);
		CHECK_EQ(read(ends[0], seen, 4), 4);
		CHECK(!memcmp(seen, "view", 4));
	}
}

TEST(counters_are_read_from_a_view)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE, .size = sizeof(attr),
					.config = PERF_COUNT_HW_INSTRUCTIONS, .exclude_kernel = 1 };
	struct perf_event_mmap_page *page;
	uint32_t view = new_view(0), low, high;
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0)
		skip_test("no hardware counters: %s", last_error());
	enter(view);
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(page != MAP_FAILED);
	if (!page->cap_user_rdpmc || !page->index)
		skip_test("counters cannot be read by programs here");
	/* Faults if the processor does not know that this process may. */
	__asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(page->index - 1));
	enter(0);
	__asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(page->index - 1));
	CHECK_EQ(munmap(page, PAGE), 0);
}

struct busy {
	uint32_t view;
	code_fn code;
	long *count;
	unsigned int stop;
};

static long do_stay(void *arg)
{
	struct busy *busy = arg;
	int expected = busy->view ? (int)busy->view + 100 : 1;
	long n = 0;

	enter(busy->view);
	while (!LOAD(busy->stop)) {
		CHECK_EQ(busy->code(), expected);
		STORE(*busy->count, ++n);
		CHECK_EQ(LOAD(*busy->count), n);
		if (n % 256 == 0)
			sched_yield();
	}
	CHECK_EQ(do_current(NULL), busy->view);
	enter(0);
	return n;
}

enum { NR_BUSY = 5 };

/* Threads that stay in their views (more threads than processors) while something happens. */
static void while_busy(void (*happen)(struct worker *workers))
{
	struct worker workers[NR_BUSY];
	struct busy busy[NR_BUSY];
	code_fn code = make_code(1);
	long *counts = map_pages(NR_BUSY, RW);
	int i;

	for (i = 0; i < NR_BUSY; i++) {
		busy[i] = (struct busy){ i ? new_view(0) : 0, code, page_of(counts, i), 0 };
		if (i)
			patch_code(busy[i].view, code, (int)busy[i].view + 100);
		worker_start(&workers[i]);
	}
	for (i = 0; i < NR_BUSY; i++)
		worker_begin(&workers[i], do_stay, &busy[i]);
	happen(workers);
	for (i = 0; i < NR_BUSY; i++)
		STORE(busy[i].stop, 1);
	for (i = 0; i < NR_BUSY; i++)
		CHECK(worker_end(&workers[i]) > 0);
	CHECK_EQ(counter("hooks_lost"), 0);
}

static void bounce(struct worker *workers)
{
	uint64_t end = now_ms() + 800;
	unsigned int seed = 3;

	while (now_ms() < end) {
		int cpu = rand_r(&seed) & 1;

		guest_run_on(workers[rand_r(&seed) % NR_BUSY].tid, cpu);
	}
}

TEST(threads_stay_in_their_views_on_every_processor)
{
	guest_need_two_processors();
	while_busy(bounce);
}

#define CPU1	"/sys/devices/system/cpu/cpu1/online"

static void plug(struct worker *workers)
{
	int i;

	(void)workers;
	for (i = 0; i < 2; i++) {
		if (!file_write(CPU1, "0"))
			skip_test("the processor cannot be taken away: %s", last_error());
		sleep_ms(50);
		CHECK(file_write(CPU1, "1"));
		sleep_ms(50);
	}
}

TEST(threads_stay_in_their_views_when_processors_come_and_go)
{
	guest_need(CPU1, "1");
	while_busy(plug);
}

#define TRACEPOINT	"/sys/kernel/tracing/events/task/task_rename/enable"

/* Changing the kernel's own code makes a processor run on other tables for a moment. */
static void change_the_kernel(struct worker *workers)
{
	int i;

	(void)workers;
	enter(new_view(0));
	for (i = 0; i < 2; i++) {
		CHECK(file_write(TRACEPOINT, "1"));
		CHECK(current_view() > 0);
		CHECK(file_write(TRACEPOINT, "0"));
	}
	enter(0);
}

TEST(threads_stay_in_their_views_when_the_kernel_changes_its_code)
{
	guest_need(TRACEPOINT, "0");
	while_busy(change_the_kernel);
}

static void raise_barriers(struct worker *workers)
{
	int i;

	(void)workers;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		skip_test("no membarrier: %s", last_error());
	CHECK_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0),
		 0);
	for (i = 0; i < 40; i++) {
		CHECK_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), 0);
		CHECK_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0),
			 0);
	}
}

TEST(barriers_reach_threads_in_views)
{
	while_busy(raise_barriers);
}
