// SPDX-License-Identifier: GPL-2.0
/*
 * The module's hooks beside those of others on the same functions: probes of perf and of tracefs, at
 * entries and returns, tracers. They may come before the hooks and after them, and go before and
 * after; views work all the time, and the others see what they look for. BPF programs are in
 * hard_bpf_test, those that redirect functions themselves in test/load.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define TRACING		"/sys/kernel/tracing/"
#define GROUP		"wfpatch_test"
#define MAX_FUNCTIONS	64

static char functions[MAX_FUNCTIONS][64];
static unsigned int nr_functions;

/* The functions that the module redirects, of the kernel's list; it marks them with an I. */
static unsigned int list_functions(void)
{
	static char text[1 << 16];
	char *line, *rest = text;
	unsigned int nr = 0;

	if (file_read(TRACING "enabled_functions", text, sizeof(text)) < 0)
		skip_test("the kernel does not list hooked functions");
	while ((line = strsep(&rest, "\n"))) {
		if (!strstr(line, " I ") || nr == MAX_FUNCTIONS)
			continue;
		CHECK_EQ(sscanf(line, "%63[^ ]", functions[nr]), 1);
		nr++;
	}
	return nr;
}

static void find_functions(void)
{
	uint32_t view = new_view(0);

	nr_functions = list_functions();
	CHECK(nr_functions >= 10);
	delete_view(view);
}

/* --- what passes the hooks --------------------------------------------------------------------- */

struct load {
	code_fn code;
	long *data;
};

static void check_child(void *arg)
{
	struct load *l = arg;

	CHECK_EQ(l->code(), 2);
	CHECK_EQ(LOAD(l->data[0]), 5);
}

static void *check_thread(void *arg)
{
	struct load *l = arg;
	int i;

	for (i = 0; i < 50; i++) {
		CHECK_EQ(l->code(), 2);
		sched_yield();
	}
	return NULL;
}

static void use_a_view(void)
{
	struct load l = { .code = make_code(1), .data = map_filled(4) };
	long *other = map_filled(4);
	uint32_t view = new_view(0);
	pthread_t thread;

	pin(other, 2 * PAGE);
	patch_code(view, l.code, 2);
	put_long(view, l.data, 5);
	enter(view);
	start_thread(&thread, check_thread, &l);
	child_run(check_child, &l);
	check_thread(&l);
	join_thread(thread);
	CHECK_EQ(LOAD(l.data[0]), 5);
	CHECK_EQ(madvise(l.data, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(LOAD(l.data[0]), 0);
	STORE(other[0], 7);
	CHECK_EQ(mprotect(other, PAGE, PROT_READ), 0);
	CHECK_EQ(LOAD(other[0]), 7);
	CHECK_EQ(munmap(page_of(l.data, 2), PAGE), 0);
	enter(0);
	CHECK_EQ(LOAD(other[0]), 0);
	CHECK_EQ(l.code(), 1);
	unpin(other, 2 * PAGE);
	delete_view(view);
	CHECK_EQ(munmap(other, 4 * PAGE), 0);
	CHECK_EQ(counter("hooks_lost"), 0);
}

/* Others come and go, before the hooks and while they are armed; @hits says what they have seen. */
static void check_beside(void (*begin)(void), void (*end)(void), long (*hits)(void))
{
	uint32_t view;
	long before;

	find_functions();
	WAIT_FOR(list_functions() == 0);
	begin();
	before = hits();
	use_a_view();
	CHECK(hits() > before);
	end();
	use_a_view();

	view = new_view(0);
	begin();
	before = hits();
	use_a_view();
	CHECK(hits() > before);
	delete_view(view);
	WAIT_FOR(list_functions() == 0);
	end();
	use_a_view();
}

/* --- probes of tracefs, as perf probe and trace-cmd set them ----------------------------------- */

static bool append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return written;
}

static void remove_probes(void)
{
	CHECK(file_write(TRACING "events/" GROUP "/enable", "0"));
	CHECK(file_write(TRACING "kprobe_events", "\n"));
}

static void set_probes(void)
{
	char line[160];
	unsigned int i;

	/* In the order in which they are undone, which is from the last to the first. */
	guest_undo(TRACING "kprobe_events", "\n");
	guest_undo(TRACING "events/" GROUP "/enable", "0");
	for (i = 0; i < nr_functions; i++) {
		snprintf(line, sizeof(line), "p:" GROUP "/entry_%s %s\n", functions[i],
			 functions[i]);
		if (!append(TRACING "kprobe_events", line))
			skip_test("%s cannot be probed: %s", functions[i], last_error());
		snprintf(line, sizeof(line), "r:" GROUP "/return_%s %s\n", functions[i],
			 functions[i]);
		if (!append(TRACING "kprobe_events", line))
			skip_test("the return of %s cannot be probed: %s", functions[i],
				  last_error());
	}
	CHECK(file_write(TRACING "events/" GROUP "/enable", "1"));
}

/* The least that any of these has seen: all of them are passed by what the test does. */
static long probe_hits(void)
{
	static const char *const passed[] = {
		"entry_switch_mm_irqs_off ", "return_switch_mm_irqs_off ", "entry_handle_mm_fault ",
		"return_handle_mm_fault ", "entry_copy_process ", "return_copy_process ",
		"entry_exit_mm_release ", "return_mprotect_fixup ",
	};
	static char text[1 << 16];
	long least = 1L << 60;
	size_t i;

	CHECK(file_read(TRACING "kprobe_profile", text, sizeof(text)) > 0);
	for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
		char *line = strstr(text, passed[i]);
		long nr;

		if (!line || sscanf(line, "%*s %ld", &nr) != 1)
			FAIL("expected %sin kprobe_profile, seen none", passed[i]);
		least = nr < least ? nr : least;
	}
	return least;
}

TEST(probes_of_tracefs_on_every_hooked_function)
{
	check_beside(set_probes, remove_probes, probe_hits);
}

/* --- probes of perf ---------------------------------------------------------------------------- */

static int perf_fds[4];
static unsigned int nr_perf_fds;

/* Each is armed alone, which takes a while: the two that matter most. */
static void set_perf(void)
{
	static const char *const probed[] = { "handle_mm_fault", "switch_mm_irqs_off" };
	struct perf_event_attr attr = { .size = sizeof(attr), .inherit = 1 };
	char text[32];
	unsigned int i;

	if (file_read("/sys/bus/event_source/devices/kprobe/type", text, sizeof(text)) <= 0)
		skip_test("perf sets no probes here");
	attr.type = (uint32_t)atoi(text);
	for (i = 0; i < 4; i++) {
		attr.kprobe_func = (uintptr_t)probed[i / 2];
		attr.config = i % 2;	/* the return */
		perf_fds[i] = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1,
					   PERF_FLAG_FD_CLOEXEC);
		if (perf_fds[i] < 0)
			skip_test("perf cannot probe %s: %s", probed[i / 2], last_error());
	}
	nr_perf_fds = 4;
}

static void close_perf(void)
{
	while (nr_perf_fds)
		close(perf_fds[--nr_perf_fds]);
}

static long perf_hits(void)
{
	uint64_t count, sum = 0;
	unsigned int i;

	for (i = 0; i < nr_perf_fds; i++) {
		CHECK_EQ(read(perf_fds[i], &count, sizeof(count)), sizeof(count));
		sum += count;
	}
	return (long)sum;
}

TEST(probes_of_perf_on_faults_and_switches)
{
	check_beside(set_perf, close_perf, perf_hits);
}

/* --- tracers ----------------------------------------------------------------------------------- */

static const char *tracer;

static void begin_trace(void)
{
	unsigned int i;

	guest_undo(TRACING "set_ftrace_filter", "\n");
	guest_undo(TRACING "current_tracer", "nop");
	CHECK(file_write(TRACING "set_ftrace_filter", functions[0]));
	for (i = 1; i < nr_functions; i++)
		CHECK(append(TRACING "set_ftrace_filter", functions[i]));
	if (!file_write(TRACING "current_tracer", tracer))
		skip_test("no tracer %s: %s", tracer, last_error());
}

static void end_trace(void)
{
	CHECK(file_write(TRACING "current_tracer", "nop"));
	CHECK(file_write(TRACING "set_ftrace_filter", "\n"));
}

/* Lines about page faults, counted and taken away. */
static long trace_hits(void)
{
	static char text[1 << 20];
	static long hits;
	const char *at = text;

	CHECK(file_read(TRACING "trace", text, sizeof(text)) >= 0);
	CHECK(file_write(TRACING "trace", "\n"));
	while ((at = strstr(at, "handle_mm_fault"))) {
		hits++;
		at++;
	}
	return hits;
}

TEST(the_function_tracer_on_every_hooked_function)
{
	tracer = "function";
	check_beside(begin_trace, end_trace, trace_hits);
}

TEST(the_function_graph_tracer_on_every_hooked_function)
{
	tracer = "function_graph";
	check_beside(begin_trace, end_trace, trace_hits);
}
