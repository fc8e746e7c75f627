// SPDX-License-Identifier: GPL-2.0
/*
 * A library to preload into any program: puts its threads into a view with a few pages of its own,
 * so that the program runs its whole life there. Threads inherit the view; a forked or executed
 * process makes one anew. The program notices nothing: no output, no descriptor kept, no error.
 *
 * The view goes when the last handle is closed, but lives on while threads are in it: so the handle
 * is closed at once. With WFPATCH_PRELOAD_STATS naming a file, each process that ends by itself adds
 * a line to it: its id, its name and whether its last thread was in a view. One that cannot make a
 * view adds a line at once, and is called "no-view" from then on, which needs no descriptor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "device.h"

#define PAGE 4096

/* A page of data and one of code that only views change, each alone on its page. */
static volatile unsigned char data_page[PAGE] __attribute__((aligned(PAGE))) = { 1 };

int viewpreload_answer(void);

__asm__(".pushsection .text\n"
	"	.balign 4096, 0xcc\n"
	"	.globl viewpreload_answer\n"
	"	.hidden viewpreload_answer\n"
	"	.type viewpreload_answer, @function\n"
	"viewpreload_answer:\n"
	"	movl $1, %eax\n"
	"	ret\n"
	"	.size viewpreload_answer, .-viewpreload_answer\n"
	"	.balign 4096, 0xcc\n"
	".popsection\n");

/* What the page says and the code returns in the view. */
#define IN_VIEW 2

/* The first handle of a process is not given while a signal is on its way: EINTR. */
static long open_device(void)
{
	long fd;

	do
		fd = raw_call(SYS_openat, (unsigned long)AT_FDCWD, (unsigned long)DEVICE_PATH,
			      O_RDWR | O_CLOEXEC, 0);
	while (fd == -EINTR);
	return fd;
}

/*
 * A forked child has its parent's content in its base: the kernel has to say so too. It cannot be
 * asked when there is no descriptor left.
 */
static const char *where(void)
{
	uint32_t view = WFPATCH_BASE_VIEW;
	long fd;

	if (data_page[0] != IN_VIEW || viewpreload_answer() != IN_VIEW)
		return "base";
	fd = open_device();
	if (fd < 0)
		return "unknown";
	device_current((int)fd, &view);
	raw_call(SYS_close, (unsigned long)fd, 0, 0, 0);
	return view == WFPATCH_BASE_VIEW ? "base" : "in-view";
}

/* System calls of its own: the program may have closed or replaced every stream. */
static void say(const char *place)
{
	const char *path = getenv("WFPATCH_PRELOAD_STATS");
	char line[128];
	int length;
	long fd;

	if (!path || !*path)
		return;
	length = snprintf(line, sizeof(line), "%d %s %s\n", getpid(), program_invocation_short_name,
			  place);
	fd = raw_call(SYS_openat, (unsigned long)AT_FDCWD, (unsigned long)path,
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	raw_call(SYS_write, (unsigned long)fd, (unsigned long)line, (unsigned long)length, 0);
	raw_call(SYS_close, (unsigned long)fd, 0, 0, 0);
}

static bool try_enter_view(void)
{
	static const unsigned char value = IN_VIEW;
	struct wfpatch_seg segs[] = {
		{ (uintptr_t)data_page, (uintptr_t)&value, 1 },
		{ (uintptr_t)viewpreload_answer + 1, (uintptr_t)&value, 1 },
	};
	uint32_t view, previous;
	long fd = open_device();
	bool done;

	if (fd < 0)
		return false;
	done = !device_create((int)fd, WFPATCH_BASE_VIEW, &view) &&
	       !device_io((int)fd, WFPATCH_IOC_VIEW_WRITE, view, segs, 2) &&
	       !device_migrate((int)fd, view, &previous);
	raw_call(SYS_close, (unsigned long)fd, 0, 0, 0);
	return done;
}

static void enter_view(void)
{
	if (try_enter_view() || !getenv("WFPATCH_PRELOAD_STATS"))
		return;
	raw_call(SYS_prctl, PR_SET_NAME, (unsigned long)"no-view", 0, 0);
	say("base");
}

__attribute__((constructor)) static void start(void)
{
	pthread_atfork(NULL, NULL, enter_view);
	enter_view();
}

__attribute__((destructor)) static void finish(void)
{
	say(where());
}

/* Children often end so: no destructor is run. */
void _exit(int status)
{
	say(where());
	for (;;)
		raw_call(SYS_exit_group, (unsigned long)status, 0, 0, 0);
}

void _Exit(int status) __attribute__((alias("_exit")));
