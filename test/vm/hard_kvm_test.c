// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual machine in a process that has views. Its memory is the process's own, and the guest sees
 * the base's content of it, in whatever view the thread of its processor runs. The processor emulates
 * SVM, so that this runs in a VM without KVM outside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

/* Guest physical addresses, below 64 KiB: the guest runs in real mode. */
#define CODE		0x1000	/* begins with: mov $number, %ax */
#define DATA		0x2000
#define PLAIN		0x3000	/* the only one that no view has a page of its own for */
#define STORED		0x4000
#define WAIT_CODE	0x5000
#define LOOP_CODE	0x6000

#define LOW(address)	((address) & 0xff), ((address) >> 8)

/* Tell a number of the code, one of memory, and one that KVM itself copies; count two words up. */
static const unsigned char tell_code[] = {
	0xb8, 0, 0,			/* mov $number, %ax */
	0xe7, 0x10,			/* out %ax, $0x10 */
	0xa1, LOW(DATA),		/* mov DATA, %ax */
	0xe7, 0x11,			/* out %ax, $0x11 */
	0xff, 0x06, LOW(PLAIN),		/* incw PLAIN */
	0xff, 0x06, LOW(STORED),	/* incw STORED */
	0xba, 0x12, 0,			/* mov $0x12, %dx */
	0xbe, LOW(PLAIN + 2),		/* mov $(PLAIN + 2), %si */
	0x6f,				/* outsw */
	0xf4,				/* hlt */
};

/* Wait until memory says 7. */
static const unsigned char wait_code[] = {
	0xa1, LOW(DATA),		/* 1: mov DATA, %ax */
	0xa3, LOW(PLAIN),		/* mov %ax, PLAIN */
	0x3d, 7, 0,			/* cmp $7, %ax */
	0x75, 0xf5,			/* jne 1b */
	0xf4,				/* hlt */
};

/* A loop of some tenths of a second. */
static const unsigned char loop_code[] = {
	0x66, 0xb9, 0, 0, 0x80, 0,	/* mov $(8 << 20), %ecx */
	0x67, 0xe2, 0xfd,		/* 1: loopl 1b */
	0xf4,				/* hlt */
};

struct machine {
	char *memory;
	int processor;
	struct kvm_run *run;
	uint16_t told[3];
};

static int kvm_request(int fd, unsigned long cmd, unsigned long arg)
{
	int result = ioctl(fd, cmd, arg);

	if (result < 0)
		FAIL("request %#lx of KVM: %s", cmd, last_error());
	return result;
}

static void machine_make(struct machine *m)
{
	struct kvm_userspace_memory_region region = { .memory_size = HUGE };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, size;
	struct kvm_sregs sregs;

	if (kvm < 0)
		skip_test("/dev/kvm: %s", last_error());
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		skip_test("KVM makes no virtual machine: %s", last_error());
	/* A huge page, where the kernel has one to give. */
	m->memory = map_aligned(HUGE);
	madvise(m->memory, HUGE, MADV_HUGEPAGE);
	memcpy(m->memory + CODE, tell_code, sizeof(tell_code));
	memcpy(m->memory + WAIT_CODE, wait_code, sizeof(wait_code));
	memcpy(m->memory + LOOP_CODE, loop_code, sizeof(loop_code));
	region.userspace_addr = (uintptr_t)m->memory;
	kvm_request(vm, KVM_SET_USER_MEMORY_REGION, (unsigned long)&region);

	m->processor = kvm_request(vm, KVM_CREATE_VCPU, 0);
	size = kvm_request(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	m->run = CHECK_LIBC(mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED,
				 m->processor, 0));
	kvm_request(m->processor, KVM_GET_SREGS, (unsigned long)&sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	kvm_request(m->processor, KVM_SET_SREGS, (unsigned long)&sregs);
}

/* The guest runs from an address on until it halts. */
static void machine_run(struct machine *m, unsigned int from)
{
	struct kvm_regs regs = { .rip = from, .rflags = 2 };

	memset(m->told, 0, sizeof(m->told));
	kvm_request(m->processor, KVM_SET_REGS, (unsigned long)&regs);
	for (;;) {
		if (ioctl(m->processor, KVM_RUN, 0) < 0 && errno != EINTR)
			FAIL("KVM_RUN: %s", last_error());
		if (m->run->exit_reason == KVM_EXIT_HLT)
			return;
		if (m->run->exit_reason == KVM_EXIT_INTR)
			continue;
		if (m->run->exit_reason != KVM_EXIT_IO || m->run->io.port - 0x10U > 2)
			FAIL("the guest stopped for reason %u", m->run->exit_reason);
		memcpy(&m->told[m->run->io.port - 0x10],
		       (char *)m->run + m->run->io.data_offset, sizeof(m->told[0]));
	}
}

static uint16_t *word(const struct machine *m, unsigned int addr)
{
	return (uint16_t *)(void *)(m->memory + addr);
}

static void set_word(const struct machine *m, unsigned int addr, int value)
{
	STORE(*word(m, addr), (uint16_t)value);
}

static void put_word(const struct machine *m, uint32_t view, unsigned int addr, int value)
{
	uint16_t data = (uint16_t)value;

	put(view, m->memory + addr, &data, sizeof(data));
}

/* Let the guest tell what it sees: the code's number, the memory's. It counts to @count. */
static void check_guest(struct machine *m, int code, int data, int count)
{
	machine_run(m, CODE);
	CHECK_EQ(m->told[0], code);
	CHECK_EQ(m->told[1], data);
	CHECK_EQ(m->told[2], 33);
	CHECK_EQ(LOAD(*word(m, PLAIN)), count);
}

TEST(a_guest_sees_the_base_before_while_and_after_its_process_has_views)
{
	struct machine m;
	uint32_t view, child;

	machine_make(&m);
	set_word(&m, CODE + 1, 11);
	set_word(&m, DATA, 22);
	set_word(&m, PLAIN + 2, 33);
	check_guest(&m, 11, 22, 1);

	view = new_view(0);
	put_word(&m, view, CODE + 1, 111);
	put_word(&m, view, DATA, 222);
	put_word(&m, view, STORED, 444);
	check_guest(&m, 11, 22, 2);
	enter(view);
	check_guest(&m, 11, 22, 3);
	/* In the view; the guest still sees what was there, and its stores are not seen here. */
	set_word(&m, DATA, 223);
	check_guest(&m, 11, 22, 4);
	CHECK_EQ(LOAD(*word(&m, STORED)), 444);
	CHECK_EQ(LOAD(*word(&m, DATA)), 223);
	child = new_view(view);
	enter(child);
	check_guest(&m, 11, 22, 5);
	enter(0);
	CHECK_EQ(LOAD(*word(&m, STORED)), 5);
	set_word(&m, CODE + 1, 12);
	set_word(&m, DATA, 23);
	check_guest(&m, 12, 23, 6);
	enter(child);
	check_guest(&m, 12, 23, 7);
	enter(0);

	delete_view(view);
	delete_view(child);
	check_guest(&m, 12, 23, 8);
	CHECK_EQ(LOAD(*word(&m, STORED)), 8);
}

struct errand {
	struct machine m;
	uint32_t view;
	bool done;
};

static long run_waiting(void *arg)
{
	struct errand *e = arg;

	machine_run(&e->m, WAIT_CODE);
	STORE(e->done, true);
	return LOAD(*word(&e->m, DATA));
}

TEST(a_guest_follows_the_base_while_its_thread_is_in_a_view)
{
	struct errand e = { };
	struct worker w;
	uint32_t other;
	int i;

	machine_make(&e.m);
	set_word(&e.m, DATA, 1);
	e.view = new_view(0);
	put_word(&e.m, e.view, DATA, 7);
	worker_start(&w);
	worker_enter(&w, e.view);
	worker_begin(&w, run_waiting, &e);
	for (i = 0; i < 20; i++) {
		set_word(&e.m, DATA, 100 + i);
		WAIT_FOR(LOAD(*word(&e.m, PLAIN)) == 100 + i);
		/* The page goes, and another takes its place. */
		CHECK_LIBC(madvise(e.m.memory + PLAIN, PAGE, MADV_DONTNEED));
		other = new_view(e.view);
		put_word(&e.m, other, DATA, 7);
		put_word(&e.m, other, PLAIN, 7);
		delete_view(other);
	}
	CHECK(!LOAD(e.done));
	/* Drops the view's page, too: both have what is stored now. */
	CHECK_LIBC(madvise(e.m.memory + DATA, PAGE, MADV_DONTNEED));
	set_word(&e.m, DATA, 7);
	WAIT_FOR(LOAD(e.done));
	CHECK_EQ(worker_end(&w), 7);
	worker_stop(&w);
}

static long run_looping(void *arg)
{
	struct errand *e = arg;
	int i;

	guest_run_on(0, 0);
	for (i = 0; i < 5; i++) {
		machine_run(&e->m, LOOP_CODE);
		CHECK_EQ(LOAD(*word(&e->m, DATA)), 222);
		CHECK_EQ(current_view(), e->view);
	}
	STORE(e->done, true);
	return 0;
}

/* KVM has a preempt notifier of its own on a thread that runs a guest. */
TEST(a_thread_that_runs_a_guest_is_switched_out_and_comes_back_to_its_view)
{
	struct errand e = { };
	unsigned long turns = 0;
	struct worker w;

	machine_make(&e.m);
	set_word(&e.m, DATA, 22);
	e.view = new_view(0);
	put_word(&e.m, e.view, DATA, 222);
	worker_start(&w);
	worker_enter(&w, e.view);
	worker_begin(&w, run_looping, &e);
	guest_run_on(0, 0);
	for (; !LOAD(e.done); turns++) {
		CHECK_EQ(LOAD(*word(&e.m, DATA)), 22);
		if (turns % 1000 == 0)
			sched_yield();
	}
	CHECK_EQ(worker_end(&w), 0);
	CHECK(turns > 0);
	CHECK_EQ(counter("hooks_lost"), 0);
	worker_stop(&w);
}
