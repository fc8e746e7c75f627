// SPDX-License-Identifier: GPL-2.0
/* The kernel's own accesses to a thread's memory, for a thread in a view. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "view.h"

static long futex(void *word, int op, int value, long extra, void *word2, int value3)
{
	long ret = syscall(SYS_futex, word, op, value, extra, word2, value3);

	return ret < 0 ? -errno : ret;
}

#define OP_ADD	(FUTEX_OP_ADD << 28 | FUTEX_OP_CMP_EQ << 24 | 5 << 12)

/*
 * A futex operation must not fault; the kernel makes the word accessible and tries again. Were it
 * made so in the base alone, the call would never return.
 */
static void check_futex(uint32_t view, int *word, int start)
{
	enter(view);
	CHECK_EQ(futex(word, FUTEX_WAKE_OP, 1, 1, word, OP_ADD), 0);
	CHECK_EQ(*(volatile int *)word, start + 5);
	enter(0);
}

TEST(futex_operation_on_a_page_that_the_view_has_not_seen)
{
	char *area = map_aligned(HUGE);
	uint32_t view = new_view(0);

	/* A private table for the 2 MiB, so that every page of it must be derived. */
	put_long(view, area, 1);
	check_futex(view, (int *)(area + 5 * PAGE), 0);
	/* A page that the base has read-only: the page of zeroes. */
	CHECK_EQ(*(volatile int *)(area + 6 * PAGE), 0);
	check_futex(view, (int *)(area + 6 * PAGE), 0);
	CHECK_EQ(*(volatile int *)(area + 6 * PAGE), 5);
}

TEST(futex_operation_on_an_overlay_page_that_views_share)
{
	long *page = map_filled(1);
	uint32_t parent = new_view(0), child;

	put_long(parent, page, 100);
	child = new_view(parent);
	check_futex(child, (int *)page, 100);
	CHECK_EQ(get_long(child, page), 105);
	CHECK_EQ(get_long(parent, page), 100);
	CHECK_EQ(page[0], 0);
}

TEST(priority_inheritance_futex_in_a_view)
{
	int *word = (int *)map_pages(1, PROT_READ | PROT_WRITE);
	uint32_t view = new_view(0);

	pin(word, PAGE);
	enter(view);
	CHECK_OK(futex(word, FUTEX_LOCK_PI, 0, 0, NULL, 0));
	CHECK_EQ(*(volatile int *)word & FUTEX_TID_MASK, gettid());
	CHECK_OK(futex(word, FUTEX_UNLOCK_PI, 0, 0, NULL, 0));
	enter(0);
	CHECK_EQ(*(volatile int *)word, 0);
}

TEST(system_calls_read_and_write_the_memory_of_the_view)
{
	long *page = map_filled(2), seen = 0;
	uint32_t view = new_view(0);
	int pipe_fds[2];

	CHECK_LIBC(pipe(pipe_fds));
	put_long(view, page, 4242);
	enter(view);
	CHECK_EQ(write(pipe_fds[1], page, sizeof(long)), sizeof(long));
	CHECK_EQ(read(pipe_fds[0], &seen, sizeof(seen)), sizeof(long));
	CHECK_EQ(seen, 4242);
	seen = 77;
	CHECK_EQ(write(pipe_fds[1], &seen, sizeof(seen)), sizeof(long));
	CHECK_EQ(read(pipe_fds[0], page + 1, sizeof(long)), sizeof(long));
	CHECK_EQ(LOAD(page[1]), 77);
	enter(0);
	CHECK_EQ(LOAD(page[0]), 0);
	CHECK_EQ(LOAD(page[1]), 1);
}

/* --- perf: reading the stack from an interrupt ------------------------------------------------- */

#define RING_PAGES	64

static volatile unsigned long spun;

/* Frame pointers, so that the kernel can follow the calls. */
#define FRAMED	__attribute__((noinline))

static FRAMED unsigned long spin_inner(uint64_t until)
{
	while (now_ms() < until)
		for (int i = 0; i < 20000; i++)
			spun++;
	return spun;
}

static FRAMED unsigned long spin_outer(uint64_t until)
{
	return spin_inner(until) + spun;
}

static int perf_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000,
		.sample_type = PERF_SAMPLE_CALLCHAIN,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.exclude_callchain_kernel = 1,
		.disabled = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Samples in the ring, and those of them whose chain has more than the interrupted address. */
static void count_chains(struct perf_event_mmap_page *ring, unsigned int *samples,
			 unsigned int *chains)
{
	char *data = (char *)ring + PAGE;
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE), at = ring->data_tail;

	*samples = *chains = 0;
	while (at < head) {
		struct perf_event_header header;
		uint64_t nr;

		memcpy(&header, data + at % (RING_PAGES * PAGE), sizeof(header));
		if (header.type == PERF_RECORD_SAMPLE) {
			memcpy(&nr, data + (at + sizeof(header)) % (RING_PAGES * PAGE), sizeof(nr));
			++*samples;
			/* The mark of user context and the address itself are two. */
			*chains += nr > 3;
		}
		at += header.size;
	}
	ring->data_tail = head;
}

static void profile(int fd, struct perf_event_mmap_page *ring, unsigned int *samples,
		    unsigned int *chains)
{
	CHECK_LIBC(ioctl(fd, PERF_EVENT_IOC_ENABLE, 0));
	spin_outer(now_ms() + 1000);
	CHECK_LIBC(ioctl(fd, PERF_EVENT_IOC_DISABLE, 0));
	count_chains(ring, samples, chains);
}

TEST(interrupts_can_read_the_stack_of_a_thread_in_a_view)
{
	int fd = perf_open();
	struct perf_event_mmap_page *ring;
	unsigned int samples, chains, base_samples, base_chains;
	uint32_t view;

	if (fd < 0)
		skip_test("perf_event_open: %s", last_error());
	ring = CHECK_LIBC(mmap(NULL, (RING_PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			       fd, 0));
	profile(fd, ring, &base_samples, &base_chains);
	if (base_chains < 10)
		skip_test("only %u of %u samples of the base have a chain", base_chains,
			  base_samples);
	view = new_view(0);
	put_long(view, map_filled(1), 1);
	enter(view);
	profile(fd, ring, &samples, &chains);
	enter(0);
	if (chains < samples / 2 || samples < 10)
		FAIL("expected call chains in most samples of a view, seen %u of %u; base %u of %u",
		     chains, samples, base_chains, base_samples);
}
