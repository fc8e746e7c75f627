// SPDX-License-Identifier: GPL-2.0
/*
 * What the module sees of a thread that it looks at from outside: threads that run on meanwhile, return
 * addresses that are not on the stack, stacks that cannot be read, calls that only look like others.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "auto.h"
#include "guest.h"

/* --- a thread that runs on while it is looked at ------------------------------------------------ */

/*
 * A thread that is always inside: what shows it is now at the one end of a large stack, now at the other. It
 * sleeps with the same registers each time. Who reads the stack from the one end to the other, and does not
 * see that the thread has run in between, may find nothing.
 */
#define LARGE	(7UL << 20)

static const struct timespec short_nap = { .tv_nsec = 3000000 };

static struct {
	uint64_t hidden;	/* what shows it, inverted */
	volatile uint64_t *low;
	volatile uint64_t *high;
	int stop;
	pid_t tid;
} mover;

static __attribute__((noinline)) void put_word(volatile uint64_t *at, uint64_t hidden)
{
	*at = ~hidden;
}

/* Registers that the call does not use, and the flags, are the same each time, too. */
static __attribute__((noinline)) void nap_alike(void)
{
	long number = SYS_nanosleep;

	__asm__ volatile("xor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\txor %%r10d, %%r10d\n\t"
			 "xor %%edx, %%edx\n\tsyscall"
			 : "+a"(number)
			 : "D"(&short_nap), "S"(0)
			 : "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory");
}

static __attribute__((noinline)) void move_word(void)
{
	while (!LOAD(mover.stop)) {
		put_word(mover.high, mover.hidden);
		*mover.low = 1;
		nap_alike();
		put_word(mover.low, mover.hidden);
		*mover.high = 1;
		nap_alike();
	}
}

static void *be_mover(void *unused)
{
	struct sched_param first = { .sched_priority = 1 };
	volatile uint64_t area[LARGE / sizeof(uint64_t)];
	size_t i;

	/* What was never written to takes no time. */
	for (i = 0; i < LARGE / sizeof(*area); i++)
		area[i] = 1;
	mover.low = &area[0];
	mover.high = &area[LARGE / sizeof(*area) - 1];
	guest_run_on(0, 1);
	CHECK_LIBC(sched_setscheduler(0, SCHED_FIFO, &first));
	STORE(mover.tid, gettid());
	move_word();
	*mover.low = *mover.high = 1;
	return unused;
}

/* The module's worker shares a processor with the thread, which comes first; so it is slower. */
TEST(what_was_seen_of_a_thread_that_has_run_since_is_forgotten)
{
	const struct wfpatch_blocked_info *info;
	uint32_t view, looks = 0;
	pthread_t thread;
	int tries;

	guest_need_two_processors();
	guest_need("/sys/devices/virtual/workqueue/cpumask", "2");
	guest_run_on(0, 0);
	view = auto_view();
	mover.stop = mover.tid = 0;
	mover.hidden = ~((uintptr_t)old_code + 8);
	start_thread(&thread, be_mover, NULL);
	while (!LOAD(mover.tid))
		usleep(1000);
	CHECK_OK(try_auto(device, view));
	for (tries = 0; tries < 9000 && looks < 16; tries++) {
		usleep(10000);
		CHECK_EQ(view_of(mover.tid), 0);
		info = find_blocked(mover.tid);
		if (info)
			looks = info->looks;
	}
	CHECK(looks >= 16);
	STORE(mover.stop, 1);
	join_thread(thread);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	go(0);
}

/* --- return addresses that are not on the stack -------------------------------------------------- */

static __attribute__((noinline)) long wait_probed(void *flag)
{
	long ret = wait_flag(flag);

	__asm__ volatile("" ::: "memory");
	return ret;
}

static long be_probed(void *flag)
{
	return old_code(wait_probed, flag);
}

/* Where a function of this program is in its file. */
static unsigned long file_offset(uintptr_t addr)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end, offset;
	char line[512];

	CHECK(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && addr >= start &&
		    addr < end) {
			fclose(maps);
			return addr - start + offset;
		}
	FAIL("%#lx is not mapped", (unsigned long)addr);
}

/* A probe of a function's return keeps the return address with the kernel. */
TEST(a_return_address_that_a_probe_keeps_counts)
{
	static const char events[] = "/sys/kernel/tracing/uprobe_events";
	const struct wfpatch_blocked_info *info;
	char line[640], path[512] = "";
	struct worker w;
	uint32_t view;
	int flag = 0, fd;

	CHECK(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	snprintf(line, sizeof(line), "r:wflook/probed %s:%#lx\n", path,
		 file_offset((uintptr_t)wait_probed));
	fd = open(events, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		skip_test("the kernel has no probes of user space");
	CHECK_LIBC(write(fd, line, strlen(line)));
	close(fd);
	guest_undo(events, "-:wflook/probed");
	guest_need("/sys/kernel/tracing/events/wflook/probed/enable", "1");
	view = auto_view();
	worker_start(&w);
	worker_begin(&w, be_probed, &flag);
	usleep(100000);
	CHECK_OK(try_auto(device, view));
	info = wait_blocked(w.tid, WFPATCH_BLOCKED_STACK);
	CHECK(in_old_code(info->word));
	/* The word is not there. */
	CHECK(*(uint64_t *)(uintptr_t)info->where != info->word);
	usleep(500000);
	CHECK_EQ(view_of(w.tid), 0);
	STORE(flag, 1);
	CHECK_EQ(worker_end(&w), 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	go(0);
}

/* --- stacks that cannot be read ------------------------------------------------------------------ */

#define STACK_SIZE	(64 * PAGE)

static pid_t napper;

static void *nap_until(void *flag)
{
	STORE(napper, gettid());
	wait_flag(flag);
	return NULL;
}

/*
 * A page of the stack that is not there, and that the program itself would fill in: nobody knows what with.
 * It is the last of the mapping, behind what the thread has been told is its stack.
 */
TEST(a_stack_that_the_program_pages_is_not_taken_for_empty)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register registered = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *stack = mmap(NULL, STACK_SIZE + PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), flag = 0;
	pthread_attr_t attributes;
	uint32_t view;
	pthread_t thread;

	if (fd < 0)
		skip_test("the kernel has no userfaultfd");
	CHECK(stack != MAP_FAILED);
	CHECK_LIBC(ioctl(fd, UFFDIO_API, &api));
	registered.range.start = (uintptr_t)stack;
	registered.range.len = STACK_SIZE + PAGE;
	view = auto_view();
	pthread_attr_init(&attributes);
	CHECK_EQ(pthread_attr_setstack(&attributes, stack, STACK_SIZE), 0);
	CHECK_EQ(pthread_create(&thread, &attributes, nap_until, &flag), 0);
	pthread_attr_destroy(&attributes);
	usleep(100000);
	CHECK_LIBC(ioctl(fd, UFFDIO_REGISTER, &registered));
	CHECK(LOAD(napper));
	CHECK_OK(try_auto(device, view));
	CHECK_EQ(wait_blocked(napper, WFPATCH_BLOCKED_UNREADABLE)->where,
		 (uintptr_t)stack + STACK_SIZE);
	CHECK_LIBC(ioctl(fd, UFFDIO_UNREGISTER, &registered.range));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	CHECK_EQ(view_of(napper), view);
	STORE(flag, 1);
	join_thread(thread);
	go(0);
	close(fd);
	munmap(stack, STACK_SIZE + PAGE);
}

/* --- calls that only look like others ------------------------------------------------------------- */

static long open_pipe(void *path)
{
	int fd = (int)syscall(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);

	close(fd);
	return fd < 0 ? fd : old_code(NULL, NULL);
}

/* open() has the number that fork() has for 32-bit programs. */
TEST(a_thread_that_sleeps_in_open_is_moved_there)
{
	static char path[] = "/tmp/look.pipe";
	uint32_t view = auto_view();
	struct worker w;
	int fd;

	unlink(path);
	CHECK_LIBC(mkfifo(path, 0600));
	worker_start(&w);
	worker_begin(&w, open_pipe, path);
	usleep(100000);
	go(view);
	CHECK_EQ(view_of(w.tid), view);
	fd = CHECK_LIBC(open(path, O_WRONLY | O_CLOEXEC));
	CHECK_EQ(worker_end(&w), 2);
	close(fd);
	unlink(path);
	go(0);
}
