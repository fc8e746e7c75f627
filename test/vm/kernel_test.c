// SPDX-License-Identifier: GPL-2.0
/*
 * The parts of the kernel that touch a program's memory or its processors in ways of their own:
 * signals, debuggers, io_uring, descriptor tables, 32-bit calls, counters, hotplug, barriers.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define RW	(PROT_READ | PROT_WRITE)

/* --- signals ----------------------------------------------------------------------------------- */

static code_fn handler_code;
static volatile long handled, handled_value;

static void note_code(int signal)
{
	(void)signal;
	handled_value = handler_code();
	handled++;
}

TEST(a_signal_handler_runs_in_the_threads_view)
{
	struct sigaction action = { .sa_handler = note_code };
	uint32_t view = new_view(0);

	handler_code = make_code(1);
	patch_code(view, handler_code, 2);
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	enter(view);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(handled_value, 2);
	CHECK_EQ(current_view(), view);
	enter(0);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(handled_value, 1);
}

TEST(a_signal_frame_is_put_on_the_views_page)
{
	const size_t size = 16 * PAGE;
	stack_t stack = { .ss_sp = map_pages(16, RW), .ss_size = size };
	struct sigaction action = { .sa_handler = note_code, .sa_flags = SA_ONSTACK };
	uint32_t view;
	size_t at;

	pin(stack.ss_sp, size);
	view = new_view(0);
	handler_code = make_code(1);
	patch_code(view, handler_code, 2);
	CHECK_EQ(sigaltstack(&stack, NULL), 0);
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	enter(view);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(handled_value, 2);
	enter(0);
	/* Nothing of it in the base. */
	for (at = 0; at < size; at += sizeof(long))
		CHECK_EQ(*(long *)(void *)((char *)stack.ss_sp + at), 0);
}

/* The thread's view is known to the handler by what it reads; both must agree. */
static volatile long handler_expects, handler_wrong;

static void compare_code(int signal)
{
	long expected = handler_expects, seen = handler_code();

	(void)signal;
	handled++;
	/* While the thread is on its way, it may be here or there. */
	if (expected && handler_expects == expected && seen != expected)
		handler_wrong++;
}

TEST(signals_hit_threads_that_migrate)
{
	struct sigaction action = { .sa_handler = compare_code };
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
	uint32_t view = new_view(0);
	uint64_t end = now_ms() + 700;

	handler_code = make_code(1);
	patch_code(view, handler_code, 2);
	CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
	while (now_ms() < end) {
		handler_expects = 0;
		enter(view);
		handler_expects = 2;
		CHECK_EQ(handler_code(), 2);
		handler_expects = 0;
		enter(0);
		handler_expects = 1;
		CHECK_EQ(handler_code(), 1);
	}
	every = (struct itimerval){ 0 };
	CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
	CHECK(handled > 0);
	CHECK_EQ(handler_wrong, 0);
}

/* --- other processes that look in --------------------------------------------------------------- */

struct watched {
	long *data;
	uint32_t view;
	int ready[2];
	int go[2];
};

/* In the view data[0] is 77 and data[1] 1; in the base 0 and 1. */
static void be_watched(void *arg)
{
	struct watched *w = arg;
	char byte;

	close(device);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	w->view = new_view(0);
	put_long(w->view, w->data, 77);
	enter(w->view);
	CHECK_EQ(LOAD(w->data[0]), 77);
	CHECK_EQ(write(w->ready[1], "r", 1), 1);
	/* A debugger's stop may interrupt the read. */
	while (read(w->go[0], &byte, 1) != 1)
		;
	/* What the other wrote went to the base. */
	CHECK_EQ(LOAD(w->data[0]), 77);
	CHECK_EQ(LOAD(w->data[1]), 1);
	CHECK_EQ(LOAD(*page_of(w->data, 1)), 66);
	enter(0);
	CHECK_EQ(LOAD(w->data[0]), 55);
}

static pid_t start_watched(struct watched *w)
{
	char byte;
	pid_t pid;

	w->data = map_filled(2);
	CHECK_EQ(pipe(w->ready), 0);
	CHECK_EQ(pipe(w->go), 0);
	pid = child_start(be_watched, w);
	CHECK_EQ(read(w->ready[0], &byte, 1), 1);
	return pid;
}

static void finish_watched(struct watched *w, pid_t pid)
{
	CHECK_EQ(write(w->go[1], "g", 1), 1);
	child_finish(pid);
}

TEST(a_debugger_reads_and_writes_the_base)
{
	struct watched w;
	pid_t pid = start_watched(&w);
	int status;

	CHECK_LIBC(ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &w.data[0], NULL), 0);
	CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &w.data[1], NULL), 1);
	CHECK_LIBC(ptrace(PTRACE_POKEDATA, pid, &w.data[0], (void *)55L));
	CHECK_LIBC(ptrace(PTRACE_POKEDATA, pid, page_of(w.data, 1), (void *)66L));
	CHECK_EQ(ptrace(PTRACE_PEEKDATA, pid, &w.data[0], NULL), 55);
	CHECK_LIBC(ptrace(PTRACE_DETACH, pid, NULL, NULL));
	finish_watched(&w, pid);
}

TEST(proc_mem_reads_and_writes_the_base)
{
	struct watched w;
	pid_t pid = start_watched(&w);
	long value = 55, other = 66, seen = -1;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = CHECK_LIBC(open(path, O_RDWR));
	CHECK_EQ(pread(fd, &seen, sizeof(seen), (off_t)w.data), sizeof(seen));
	CHECK_EQ(seen, 0);
	CHECK_EQ(pwrite(fd, &value, sizeof(value), (off_t)w.data), sizeof(value));
	CHECK_EQ(pwrite(fd, &other, sizeof(other), (off_t)page_of(w.data, 1)), sizeof(other));
	close(fd);
	finish_watched(&w, pid);
}

TEST(process_vm_readv_and_writev_act_on_the_base)
{
	struct watched w;
	pid_t pid = start_watched(&w);
	long value = 55, other = 66, seen = -1;
	struct iovec mine = { &seen, sizeof(seen) }, theirs = { w.data, sizeof(seen) };

	CHECK_EQ(process_vm_readv(pid, &mine, 1, &theirs, 1, 0), sizeof(seen));
	CHECK_EQ(seen, 0);
	mine.iov_base = &value;
	CHECK_EQ(process_vm_writev(pid, &mine, 1, &theirs, 1, 0), sizeof(value));
	mine.iov_base = &other;
	theirs.iov_base = page_of(w.data, 1);
	CHECK_EQ(process_vm_writev(pid, &mine, 1, &theirs, 1, 0), sizeof(other));
	finish_watched(&w, pid);
}

/* --- io_uring ---------------------------------------------------------------------------------- */

struct ring {
	int fd;
	char *rings;
	struct io_uring_sqe *entries;
	struct io_uring_params params;
};

static void ring_open(struct ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->fd = (int)syscall(SYS_io_uring_setup, 4, &ring->params);
	if (ring->fd < 0)
		skip_test("no io_uring: %s", last_error());
	CHECK(ring->params.features & IORING_FEAT_SINGLE_MMAP);
	ring->rings = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	ring->entries = mmap(NULL, PAGE, RW, MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (ring->rings == MAP_FAILED)
		ring->rings = mmap(NULL, PAGE, RW, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	CHECK(ring->rings != MAP_FAILED && ring->entries != MAP_FAILED);
}

#define RING(ring, half, name) (*(uint32_t *)(void *)((ring)->rings + (ring)->params.half.name))

/* Submits one request, waits for it, returns its result. */
static int ring_do(struct ring *ring, const struct io_uring_sqe *request)
{
	uint32_t tail = RING(ring, sq_off, tail), mask = RING(ring, sq_off, ring_mask);
	uint32_t head = RING(ring, cq_off, head);
	struct io_uring_cqe *done;

	ring->entries[tail & mask] = *request;
	(&RING(ring, sq_off, array))[tail & mask] = tail & mask;
	__atomic_store_n(&RING(ring, sq_off, tail), tail + 1, __ATOMIC_RELEASE);
	CHECK_EQ(syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), 1);
	CHECK(__atomic_load_n(&RING(ring, cq_off, tail), __ATOMIC_ACQUIRE) != head);
	done = (struct io_uring_cqe *)(void *)(ring->rings + ring->params.cq_off.cqes) +
	       (head & RING(ring, cq_off, ring_mask));
	__atomic_store_n(&RING(ring, cq_off, head), head + 1, __ATOMIC_RELEASE);
	return done->res;
}

TEST(a_worker_of_io_uring_acts_on_the_base)
{
	struct io_uring_sqe request = { .opcode = IORING_OP_READ, .flags = IOSQE_ASYNC,
					.len = 8, .off = (uint64_t)-1 };
	long *data = map_filled(1), value = 4711;
	uint32_t view = new_view(0);
	struct ring ring;
	int ends[2], i;

	put_long(view, data, 77);
	enter(view);
	ring_open(&ring);
	CHECK_EQ(pipe(ends), 0);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(write(ends[1], &value, sizeof(value)), sizeof(value));
		request.fd = ends[0];
		request.addr = (uintptr_t)data;
		CHECK_EQ(ring_do(&ring, &request), 8);
	}
	CHECK_EQ(LOAD(data[0]), 77);
	CHECK_EQ(LOAD(data[1]), 1);
	enter(0);
	CHECK_EQ(LOAD(data[0]), 4711);
	/* Workers count for no view. */
	CHECK_EQ(view_threads(view), 0);
	CHECK_EQ(view_threads(0), 1);
}

/* --- what belongs to the processor --------------------------------------------------------------- */

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
	cpu_set_t one;

	while (now_ms() < end) {
		CPU_ZERO(&one);
		CPU_SET(rand_r(&seed) & 1, &one);
		CHECK_EQ(sched_setaffinity(workers[rand_r(&seed) % NR_BUSY].tid, sizeof(one), &one),
			 0);
	}
}

TEST(threads_stay_in_their_views_on_every_processor)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip_test("there is one processor");
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
