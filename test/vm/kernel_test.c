// SPDX-License-Identifier: GPL-2.0
/*
 * The parts of the kernel that touch a program's memory in ways of their own: signals, debuggers,
 * uprobes, io_uring.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
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

/* --- uprobes ------------------------------------------------------------------------------------- */

#define TRACING		"/sys/kernel/tracing/"
#define UPROBE		TRACING "events/uprobes/wfpatch_test/"

static __attribute__((noinline, aligned(4096))) long probed_function(long x)
{
	__asm__ volatile("" : "+r"(x) : : "memory");
	return x + 1;
}

static long (*volatile call_probed)(long) = probed_function;

/* Where the function is in this program's file. */
static long offset_of_function(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end, offset, at = (uintptr_t)probed_function;
	long found = -1;
	char line[512];

	CHECK(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && at >= start &&
		    at < end)
			found = (long)(at - start + offset);
	fclose(maps);
	return found;
}

static long uprobe_hits(void)
{
	static char text[65536];
	const char *at = text;
	long hits = 0;

	CHECK(file_read(TRACING "trace", text, sizeof(text)) >= 0);
	while ((at = strstr(at, "wfpatch_test:"))) {
		hits++;
		at++;
	}
	return hits;
}

TEST(a_uprobe_is_set_in_the_base)
{
	uint32_t without = new_view(0), with = new_view(0), later;
	char path[256] = "", line[400];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	CHECK(length > 0);
	/* This view has its own copy of the code from before. */
	put(with, (char *)(void *)probed_function, (void *)probed_function, 1);
	snprintf(line, sizeof(line), "p:uprobes/wfpatch_test %s:%#lx", path, offset_of_function());
	if (!file_write(TRACING "uprobe_events", line))
		skip_test("no uprobes: %s", last_error());
	guest_undo(TRACING "uprobe_events", "-:uprobes/wfpatch_test");
	guest_undo(UPROBE "enable", "0");
	guest_set(TRACING "trace", "");
	CHECK(file_write(UPROBE "enable", "1"));
	CHECK_EQ(call_probed(1), 2);
	CHECK_EQ(uprobe_hits(), 1);
	enter(without);
	CHECK_EQ(call_probed(2), 3);
	CHECK_EQ(uprobe_hits(), 2);
	enter(with);
	CHECK_EQ(call_probed(3), 4);
	CHECK_EQ(uprobe_hits(), 2);
	/* A copy made now has the trap in it, and it works. */
	later = new_view(0);
	put(later, (char *)(void *)probed_function + 2000, "", 1);
	enter(later);
	CHECK_EQ(call_probed(4), 5);
	CHECK_EQ(uprobe_hits(), 3);
	CHECK(file_write(UPROBE "enable", "0"));
	enter(without);
	CHECK_EQ(call_probed(5), 6);
	enter(0);
	CHECK_EQ(call_probed(6), 7);
	CHECK_EQ(uprobe_hits(), 3);
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
