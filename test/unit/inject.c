// SPDX-License-Identifier: GPL-2.0
/* See inject.h. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "inject.h"

struct stopped {
	pid_t pid;
	int mem;
	struct user_regs_struct regs;
};

static void halt(struct stopped *target, pid_t pid)
{
	char name[32];
	int status;

	target->pid = pid;
	snprintf(name, sizeof(name), "/proc/%d/mem", pid);
	target->mem = open(name, O_RDWR | O_CLOEXEC);
	assert_true(target->mem >= 0);
	assert_int_equal(ptrace(PTRACE_ATTACH, pid, 0, 0), 0);
	assert_int_equal(waitpid(pid, &status, __WALL), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(ptrace(PTRACE_GETREGS, pid, 0, &target->regs), 0);
}

static void go(struct stopped *target)
{
	assert_int_equal(ptrace(PTRACE_SETREGS, target->pid, 0, &target->regs), 0);
	assert_int_equal(ptrace(PTRACE_DETACH, target->pid, 0, 0), 0);
	close(target->mem);
}

/* Have the stopped thread make a system call. */
static long call(struct stopped *target, long number, long a, long b, long c, long d, long e,
		 long f)
{
	static const unsigned char code[] = { 0x0f, 0x05 };
	struct user_regs_struct regs = target->regs;
	unsigned char old[sizeof(code)];
	int status;

	assert_int_equal(pread(target->mem, old, sizeof(old), (off_t)regs.rip), sizeof(old));
	assert_int_equal(pwrite(target->mem, code, sizeof(code), (off_t)regs.rip), sizeof(code));
	regs.orig_rax = -1UL;
	regs.rax = number;
	regs.rdi = a;
	regs.rsi = b;
	regs.rdx = c;
	regs.r10 = d;
	regs.r8 = e;
	regs.r9 = f;
	assert_int_equal(ptrace(PTRACE_SETREGS, target->pid, 0, &regs), 0);
	assert_int_equal(ptrace(PTRACE_SINGLESTEP, target->pid, 0, 0), 0);
	assert_int_equal(waitpid(target->pid, &status, __WALL), target->pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	assert_int_equal(ptrace(PTRACE_GETREGS, target->pid, 0, &regs), 0);
	assert_int_equal(pwrite(target->mem, old, sizeof(old), (off_t)target->regs.rip),
			 sizeof(old));
	return (long)regs.rax;
}

/* Below the stack and its red zone nothing of the thread's is lost. */
static long open_image(struct stopped *target, const struct wf_image *image)
{
	long at = (long)((target->regs.rsp - 4096) & ~15UL);
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/fd/%d", getpid(), image->fd);
	assert_int_equal(pwrite(target->mem, name, sizeof(name), at), sizeof(name));
	return call(target, SYS_open, at, O_RDONLY, 0, 0, 0, 0);
}

static void put_new(struct stopped *target, const struct wf_image *image)
{
	const struct wf_image_write *write;
	unsigned int i;

	for (i = 0; i < image->nr_writes; i++) {
		write = &image->writes[i];
		assert_int_equal(pwrite(target->mem, write->new, write->len, (off_t)write->address),
				 write->len);
	}
}

static void put_old(struct stopped *target, const struct wf_image *image)
{
	const struct wf_image_write *write;
	unsigned int i;

	for (i = 0; i < image->nr_writes; i++) {
		write = &image->writes[i];
		assert_int_equal(pwrite(target->mem, write->old, write->len, (off_t)write->address),
				 write->len);
	}
}

void poke(pid_t pid, struct wf_image *image)
{
	struct stopped target;
	unsigned int i;

	halt(&target, pid);
	for (i = 0; i < image->nr_writes; i++)
		assert_int_equal(pread(target.mem, image->writes[i].old, image->writes[i].len,
				       (off_t)image->writes[i].address),
				 image->writes[i].len);
	put_new(&target, image);
	go(&target);
}

void unpoke(pid_t pid, const struct wf_image *image)
{
	struct stopped target;

	halt(&target, pid);
	put_old(&target, image);
	go(&target);
}

void inject(pid_t pid, const struct wf_image *image)
{
	const struct wf_image_segment *segment;
	struct stopped target;
	unsigned int i;
	long fd;

	halt(&target, pid);
	fd = open_image(&target, image);
	assert_true(fd >= 0);
	for (i = 0; i < image->nr_segments; i++) {
		segment = &image->segments[i];
		assert_int_equal(call(&target, SYS_mmap, (long)(image->address + segment->offset),
				      (long)segment->len, segment->prot,
				      MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, (long)segment->offset),
				 image->address + segment->offset);
	}
	assert_int_equal(call(&target, SYS_close, fd, 0, 0, 0, 0, 0), 0);
	put_new(&target, image);
	go(&target);
}

static void unmap_stopped(struct stopped *target, const struct wf_image *image)
{
	long failed;

	failed = call(target, SYS_munmap, (long)image->address, (long)image->len, 0, 0, 0, 0);
	assert_int_equal(failed, 0);
}

void take_out(pid_t pid, const struct wf_image *image)
{
	struct stopped target;

	halt(&target, pid);
	put_old(&target, image);
	unmap_stopped(&target, image);
	go(&target);
}

void unmap(pid_t pid, const struct wf_image *image)
{
	struct stopped target;

	halt(&target, pid);
	unmap_stopped(&target, image);
	go(&target);
}
