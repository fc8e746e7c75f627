// SPDX-License-Identifier: GPL-2.0
/*
 * What only some processors have, and programs must ask for: shadow stacks and tagged addresses.
 * Without them everything here is skipped. See docs/processors.md.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "view.h"

#define RW	(PROT_READ | PROT_WRITE)

/* From the kernel's asm/prctl.h, which older headers do not have in full. */
#define GET_UNTAG_MASK		0x4001
#define ENABLE_TAGGED_ADDR	0x4002
#define SHSTK_ENABLE		0x5001
#define SHSTK_DISABLE		0x5002
#define SHSTK_SHSTK		1UL

/*
 * arch_prctl() without a call: from the moment that there is a shadow stack, functions that began
 * before cannot return, and functions that begin before its end cannot after it.
 */
static inline __attribute__((always_inline)) long arch_control(long code, unsigned long arg)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result)
			 : "a"((long)SYS_arch_prctl), "D"(code), "S"(arg)
			 : "rcx", "r11", "memory");
	return result;
}

static inline __attribute__((always_inline)) unsigned long shadow_pointer(void)
{
	unsigned long pointer = 0;

	/* rdsspq %rax; does nothing without a shadow stack */
	__asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8" : "+a"(pointer));
	return pointer;
}

/* Calls itself, and changes to another view at the bottom: every return checks the shadow stack. */
static __attribute__((noinline)) int descend(int depth, uint32_t view)
{
	volatile int here = depth;

	if (depth)
		return descend(depth - 1, view) + (here == depth);
	enter(view);
	return 0;
}

static __attribute__((noinline)) int plunge(int depth)
{
	volatile int here = depth;

	return depth ? plunge(depth - 1) + (here == depth) : 0;
}

/* A page of which an overlay gives the view a page table of its own where the shadow stack is, too. */
static long *page_beside(unsigned long pointer)
{
	unsigned long start = pointer & ~(HUGE - 1), addr;

	for (addr = start; addr < start + HUGE; addr += PAGE) {
		void *page = mmap((void *)addr, PAGE, RW,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (page == (void *)addr)
			return page;
	}
	return NULL;
}

struct shadow {
	uint32_t view;
	unsigned long pointer;
	long on;
	int depths[6];
	long *beside;
	int child;
	long written;
	long pinned;
};

/* Everything between the two calls works on one shadow stack, which begins here. */
static __attribute__((noinline)) void under_a_shadow_stack(struct shadow *s)
{
	s->on = arch_control(SHSTK_ENABLE, SHSTK_SHSTK);
	if (s->on)
		return;
	s->pointer = shadow_pointer();
	s->depths[0] = descend(50, s->view);
	s->depths[1] = descend(1000, s->view);
	s->depths[2] = descend(50, 0);
	s->depths[3] = descend(1000, s->view);
	s->beside = page_beside(s->pointer);
	if (s->beside) {
		pid_t pid;

		put_long(s->view, s->beside, 1);
		s->depths[4] = plunge(1000);
		/* Both write to what they had in common, and must not meet. */
		pid = fork();
		if (!pid)
			_exit(plunge(1000) == 1000 ? 0 : 1);
		s->depths[5] = plunge(600) + plunge(400);
		s->child = pid < 0 ? -1 : child_status(pid);
	}
	s->written = try_write(device, s->view, (void *)((s->pointer - 8) & ~(PAGE - 1)), "x", 1);
	s->pinned = try_pin((void *)((s->pointer - 8) & ~(PAGE - 1)), PAGE);
	enter(0);
	arch_control(SHSTK_DISABLE, SHSTK_SHSTK);
}

static void shadow_run(struct shadow *s)
{
	struct rlimit limit;

	memset(s, 0, sizeof(*s));
	/* A shadow stack is as large as the limit of stacks: leave room beside it. */
	CHECK_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
	limit.rlim_cur = 512 * 1024;
	CHECK_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
	s->view = new_view(0);
	put_long(s->view, map_filled(1), 1);
	under_a_shadow_stack(s);
	if (s->on)
		skip_test("no shadow stacks: %s", error_name(-s->on));
	CHECK(s->pointer);
}

TEST(shadow_stacks_work_in_views)
{
	struct shadow s;

	shadow_run(&s);
	CHECK_EQ(s.depths[0], 50);
	CHECK_EQ(s.depths[1], 1000);
	CHECK_EQ(s.depths[2], 50);
	CHECK_EQ(s.depths[3], 1000);
	if (!s.beside)
		skip_test("no room beside the shadow stack");
	CHECK_EQ(s.depths[4], 1000);
	CHECK_EQ(s.depths[5], 1000);
	CHECK_EQ(s.child, 0);
}

/* A page of a view could be written to like any other, which a shadow stack is there to prevent. */
TEST(a_shadow_stack_gets_no_overlay_pages)
{
	struct shadow s;

	shadow_run(&s);
	CHECK_EQ(s.written, -EOPNOTSUPP);
	CHECK_EQ(s.pinned, -EOPNOTSUPP);
	CHECK_EQ(view_overlays(s.view), s.beside ? 2 : 1);
}

static volatile long *tagged(volatile long *pointer)
{
	return (volatile long *)((uintptr_t)pointer | 0x15UL << 57);
}

/* The process of a test has one thread. */
static void need_tags(void)
{
	unsigned long mask = 0;
	long result = arch_control(GET_UNTAG_MASK, (unsigned long)&mask);

	if (result || arch_control(ENABLE_TAGGED_ADDR, 6))
		skip_test("no tagged addresses");
}

static void use_tags_first(void *unused)
{
	long *pages = map_filled(2);
	uint32_t view;

	(void)unused;
	need_tags();
	close(device);
	device = open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	CHECK(device >= 0);
	/* Refused, or they work there as in the base. */
	if (try_create(device, 0, &view) == -EOPNOTSUPP)
		return;
	put_long(view, page_of(pages, 1), 77);
	CHECK_EQ(*tagged(page_of(pages, 1)), 1000);
	enter(view);
	CHECK_EQ(*tagged(page_of(pages, 1)), 77);
	CHECK_EQ(*tagged(page_of(pages, 0) + 1), 1);
	enter(0);
	CHECK_EQ(*tagged(page_of(pages, 1)), 1000);
}

TEST(tagged_addresses_work_in_views_or_there_are_none)
{
	child_run(use_tags_first, NULL);
}

static void ask_whether_there_are_tags(void *unused)
{
	(void)unused;
	need_tags();
}

TEST(tagged_addresses_cannot_begin_in_a_view)
{
	long *pages = map_filled(1);
	uint32_t view;

	child_run(ask_whether_there_are_tags, NULL);
	view = new_view(0);
	enter(view);
	if (arch_control(ENABLE_TAGGED_ADDR, 6))
		return;
	/* If they can, they must work. */
	CHECK_EQ(*tagged(pages + 1), 1);
	enter(0);
	CHECK_EQ(*tagged(pages + 1), 1);
}
