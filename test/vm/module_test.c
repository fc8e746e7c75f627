// SPDX-License-Identifier: GPL-2.0
/*
 * The module as a guest of the kernel: loading and unloading, its hooks, counters, tracepoints and
 * log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define MODULE_FILE	"/opt/wfpatch.ko"
#define TRACING		"/sys/kernel/tracing/"

static int open_device(void)
{
	return CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

/* What the module said since it was loaded, but for what it answers when functions cannot be hooked. */
TEST(normal_use_leaves_no_line_in_the_log)
{
	static char log[1 << 20];
	int size = klogctl(3 /* read all */, log, sizeof(log) - 1);
	char *line, *rest = log;
	bool loaded = false;

	if (size <= 0)
		skip_test("the log cannot be read: %s", last_error());
	log[size] = 0;
	while ((line = strsep(&rest, "\n"))) {
		char *said = strstr(line, "wfpatch: ");

		if (!said || strstr(line, "out-of-tree") || strstr(line, "verification failed") ||
		    strstr(line, "switched off") || strstr(line, "cannot redirect"))
			continue;
		if (strstr(said, "wfpatch: version "))
			loaded = true;
		else
			FAIL("expected one line of the module, seen \"%s\"", line);
	}
	if (!loaded)
		skip_test("the log has lost its beginning");
}

/* --- unloading --------------------------------------------------------------------------------- */

static long unload(void)
{
	return syscall(SYS_delete_module, "wfpatch", O_NONBLOCK) ? -errno : 0;
}

static void check_refused(void)
{
	long result = unload();

	/* The first is what the kernel says of a module in use. */
	if (result != -EAGAIN && result != -EBUSY)
		FAIL("expected EAGAIN or EBUSY, seen %s", error_name(-result));
}

TEST(unloading_is_refused_while_a_handle_or_a_view_exists)
{
	code_fn code = make_code(1);
	uint32_t view;

	check_refused();
	view = new_view(0);
	patch_code(view, code, 2);
	check_refused();
	enter(view);
	/* No handle is left, but this thread is in the view. */
	close(device);
	check_refused();
	CHECK_EQ(code(), 2);
	sleep_ms(300);
	check_refused();
	CHECK_EQ(code(), 2);
	device = open_device();
	enter(0);
	CHECK_EQ(code(), 1);
}

TEST(the_module_unloads_and_loads_again_when_nobody_uses_it)
{
	code_fn code = make_code(1);
	uint32_t view = new_view(0);
	int fd;

	if (access(MODULE_FILE, R_OK))
		skip_test("there is no %s", MODULE_FILE);
	patch_code(view, code, 2);
	enter(view);
	CHECK_EQ(code(), 2);
	enter(0);
	close(device);
	WAIT_FOR(unload() == 0);
	CHECK_EQ(open(DEVICE_PATH, O_RDWR), -1);
	CHECK_EQ(code(), 1);
	fd = CHECK_LIBC(open(MODULE_FILE, O_RDONLY));
	CHECK_EQ(syscall(SYS_finit_module, fd, "", 0), 0);
	close(fd);
	device = open_device();
	CHECK_EQ(new_view(0), 1);
}

/* --- hooks ------------------------------------------------------------------------------------- */

static bool hooks_armed(void)
{
	return guest_redirects("switch_mm_irqs_off") && guest_redirects("handle_mm_fault");
}

TEST(functions_are_hooked_only_while_a_view_exists)
{
	uint32_t a, b;

	WAIT_FOR(!guest_redirects(NULL));
	a = new_view(0);
	CHECK(hooks_armed());
	b = new_view(0);
	enter(b);
	delete_view(a);
	delete_view(b);
	sleep_ms(500);
	/* A thread still runs in it. */
	CHECK(hooks_armed());
	enter(0);
	WAIT_FOR(!guest_redirects(NULL));
	new_view(0);
	CHECK(hooks_armed());
	close(device);
	WAIT_FOR(!guest_redirects(NULL));
	device = open_device();
}

struct shuttle {
	uint32_t view;
	code_fn code;
	unsigned int stop;
	unsigned int turns;
};

static long do_shuttle(void *arg)
{
	struct shuttle *s = arg;

	guest_run_on(0, 0);
	enter(s->view);
	while (!LOAD(s->stop)) {
		CHECK_EQ(s->code(), s->view ? 2 : 1);
		__atomic_add_fetch(&s->turns, 1, __ATOMIC_RELAXED);
		sched_yield();
	}
	enter(0);
	return 0;
}

static void yield_forever(void *unused)
{
	(void)unused;
	guest_run_on(0, 0);
	for (;;)
		sched_yield();
}

/* kprobes/enabled in debugfs and kernel.ftrace_enabled: not while a view depends on it. */
TEST(hooks_cannot_be_switched_off_while_a_view_exists)
{
	struct shuttle in_view = { .view = new_view(0), .code = make_code(1) };
	struct worker a;
	unsigned int turns;
	pid_t other;

	patch_code(in_view.view, in_view.code, 2);
	worker_start(&a);
	other = child_start(yield_forever, NULL);
	worker_begin(&a, do_shuttle, &in_view);
	WAIT_FOR(LOAD(in_view.turns) > 10);
	guest_need("/sys/kernel/debug/kprobes/enabled", "0");
	guest_undo("/sys/kernel/debug/kprobes/enabled", "1");
	CHECK(!file_write("/proc/sys/kernel/ftrace_enabled", "0"));
	CHECK_EQ(errno, EBUSY);
	turns = LOAD(in_view.turns);
	WAIT_FOR(LOAD(in_view.turns) > turns + 100);
	CHECK_OK(try_create(device, 0, NULL));
	CHECK(file_write("/sys/kernel/debug/kprobes/enabled", "1"));
	WAIT_FOR(LOAD(in_view.turns) > turns + 200);
	STORE(in_view.stop, 1);
	CHECK_EQ(worker_end(&a), 0);
	CHECK_EQ(kill(other, SIGKILL), 0);
	child_status(other);
	CHECK_EQ(counter("hooks_lost"), 0);
}

TEST(without_ftrace_there_are_no_views)
{
	struct wfpatch_view_info info;

	WAIT_FOR(!guest_redirects(NULL));
	guest_need("/proc/sys/kernel/ftrace_enabled", "0");
	guest_undo("/proc/sys/kernel/ftrace_enabled", "1");
	CHECK_ERROR(try_create(device, 0, NULL), EIO);
	CHECK_EQ(nr_views(), 0);
	CHECK(!view_info(device, 1, &info));
	CHECK(file_write("/proc/sys/kernel/ftrace_enabled", "1"));
	CHECK_OK(try_create(device, 0, NULL));
}

/*
 * For a module whose hook of switch_mm_irqs_off() does nothing, as test/load builds it: what a hook
 * that the kernel loses looks like.
 */
TEST(a_thread_on_other_tables_than_its_views_is_noticed)
{
	struct shuttle in_view = { .view = new_view(0), .code = make_code(1) }, in_base = { 0 };
	struct wfpatch_event event;
	struct worker a, b;
	unsigned int turns;
	pid_t other;

	if (!getenv("WFPATCH_TEST_DEAF"))
		skip_test("the module is as it should be; test/load has one that is not");
	patch_code(in_view.view, in_view.code, 2);
	in_base.code = in_view.code;
	worker_start(&a);
	worker_start(&b);
	other = child_start(yield_forever, NULL);
	worker_begin(&a, do_shuttle, &in_view);
	worker_begin(&b, do_shuttle, &in_base);
	WAIT_FOR(LOAD(in_view.turns) > 10 && LOAD(in_base.turns) > 10);
	event = next_event(device, WFPATCH_EVENT_HOOKS_LOST);
	CHECK_EQ(event.tid, a.tid);
	CHECK_EQ(event.view, in_view.view);
	CHECK(counter("hooks_lost") > 0);
	/* It goes on in its view. */
	turns = LOAD(in_view.turns);
	WAIT_FOR(LOAD(in_view.turns) > turns + 10);
	STORE(in_view.stop, 1);
	STORE(in_base.stop, 1);
	CHECK_EQ(worker_end(&a), 0);
	CHECK_EQ(worker_end(&b), 0);
	CHECK_EQ(kill(other, SIGKILL), 0);
	child_status(other);
}

/* --- counters and tracepoints -------------------------------------------------------------------- */

TEST(counters_count)
{
	long *data = map_filled(4), tables;
	uint32_t view = new_view(0), child;

	CHECK_EQ(counter("created"), 1);
	CHECK_EQ(counter("views"), 1);
	CHECK_EQ(counter("tables"), 0);
	put_long(view, data, 5);
	put_long(view, page_of(data, 1), 6);
	CHECK_EQ(counter("overlays"), 2);
	CHECK_EQ(counter("overlay_pages_made"), 2);
	tables = counter("tables");
	CHECK(tables >= 3 && tables <= 8);
	enter(view);
	CHECK_EQ(counter("threads"), 1);
	CHECK_EQ(counter("migrations"), 1);
	child = new_view(view);
	STORE(data[0], 7);
	CHECK_EQ(counter("cow_copies"), 1);
	CHECK(counter("faults") > 0);
	CHECK_EQ(counter("overlays"), 4);
	CHECK_EQ(munmap(data, PAGE), 0);
	CHECK(counter("revalidations") > 0);
	CHECK_EQ(counter("overlays"), 2);
	enter(0);
	delete_view(view);
	delete_view(child);
	CHECK_EQ(counter("deleted"), 2);
	WAIT_FOR(counter("freed") == 2);
	CHECK_EQ(counter("views"), 0);
	CHECK_EQ(counter("tables"), 0);
	CHECK_EQ(counter("threads"), 0);
	CHECK_EQ(counter("hooks_lost"), 0);
	CHECK_EQ(counter("syncs") >= 0, 1);
}

TEST(tracepoints_fire)
{
	static const char *const names[] = {
		"wfpatch_create", "wfpatch_delete", "wfpatch_migrate", "wfpatch_overlay",
		"wfpatch_sync", "wfpatch_revalidate",
	};
	static char text[1 << 20];
	long *data = map_filled(4);
	uint32_t view;
	size_t i;

	guest_need(TRACING "events/wfpatch/enable", "1");
	guest_undo(TRACING "events/wfpatch/enable", "0");
	guest_need(TRACING "trace", "");
	view = new_view(0);
	put_long(view, data, 5);
	enter(view);
	CHECK_EQ(LOAD(data[0]), 5);
	STORE(*page_of(map_filled(2), 1), 3);
	CHECK_EQ(mprotect(page_of(data, 1), PAGE, PROT_READ), 0);
	CHECK_EQ(munmap(data, 4 * PAGE), 0);
	enter(0);
	delete_view(view);
	CHECK(file_write(TRACING "events/wfpatch/enable", "0"));
	CHECK(file_read(TRACING "trace", text, sizeof(text)) > 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strstr(text, names[i]))
			FAIL("expected %s in the trace, seen none", names[i]);
}
