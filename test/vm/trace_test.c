// SPDX-License-Identifier: GPL-2.0
/* "wfpatch trace": it sees what the module counts, says who is missing, and says what it lacks. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auto.h"
#include "guest.h"
#include "program.h"

/* Where test/run puts it. */
#define TOOL		"/opt/wfpatch"
#define ROUNDS		50

/* What the running tool has printed so far. */
static char text[1 << 20];
static char text_path[64];
static pid_t tool;

static void read_text(void)
{
	if (file_read(text_path, text, sizeof(text)) < 0)
		FAIL("%s: %s", text_path, last_error());
}

static bool has_printed(const char *what)
{
	read_text();
	return strstr(text, what);
}

/* Somewhere behind the first @first. */
static bool has_printed_after(const char *first, const char *what)
{
	return has_printed(first) && strstr(strstr(text, first), what);
}

struct tool_args {
	const char *argv[8];
	int output;
};

static void exec_tool(void *arg)
{
	struct tool_args *args = arg;

	CHECK_LIBC(dup2(args->output, STDOUT_FILENO));
	CHECK_LIBC(dup2(args->output, STDERR_FILENO));
	execv(TOOL, (char **)args->argv);
	FAIL("%s cannot be run: %s", TOOL, last_error());
}

/* Begin to trace this process; returns when the tool is at work. */
static void begin_trace(const char *form, const char *started)
{
	static char pid[16];
	struct tool_args args = {
		.argv = { TOOL, "trace", "--pid", pid, "--interval", "0.1", form, NULL },
	};

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(text_path, sizeof(text_path), "/tmp/trace-%s", pid);
	args.output = CHECK_LIBC(open(text_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	tool = child_start(exec_tool, &args);
	close(args.output);
	WAIT_FOR(has_printed(started) || waitpid(tool, NULL, WNOHANG));
	if (!has_printed(started))
		FAIL("expected \"%s\", seen: %s", started, text);
}

static void end_trace(void)
{
	int status;

	CHECK_LIBC(kill(tool, SIGINT));
	status = child_status(tool);
	read_text();
	unlink(text_path);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("expected exit status 0, seen %#x; it printed: %s", status, text);
}

/* A number that the last line, of type "end", has for this process. */
static long traced(const char *name)
{
	const char *at = strstr(text, "{\"type\":\"end\"");
	char key[64];

	snprintf(key, sizeof(key), "\"pid\":%d,", getpid());
	at = at ? strstr(at, key) : NULL;
	snprintf(key, sizeof(key), "\"%s\":", name);
	at = at ? strstr(at, key) : NULL;
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

/* Something of everything that the module counts. */
static void do_something(void)
{
	long *data = map_filled(8);
	uint32_t view = new_view(0), child;

	put_long(view, data, 5);
	put_long(view, page_of(data, 1), 6);
	for (int i = 0; i < ROUNDS; i++) {
		enter(view);
		CHECK_EQ(LOAD(*page_of(map_filled(2), 1)), 1000);
		enter(0);
	}
	enter(view);
	child = new_view(view);
	STORE(data[0], 7);
	CHECK_EQ(munmap(data, PAGE), 0);
	enter(0);
	delete_view(child);
	delete_view(view);
}

TEST(it_counts_what_the_module_counts)
{
	static const char *const pairs[][2] = {
		{ "created", "created" }, { "deleted", "deleted" }, { "migrations", "migrations" },
		{ "made", "overlay_pages_made" }, { "copied", "cow_copies" }, { "syncs", "syncs" },
		{ "revalidations", "revalidations" },
	};

	begin_trace("--json", "\"type\":\"start\"");
	do_something();
	WAIT_FOR(counter("freed") == 2);
	end_trace();
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		long expected = counter(pairs[i][1]), seen = traced(pairs[i][0]);

		if (seen != expected || seen <= 0)
			FAIL("%s: expected %ld, more than 0, seen %ld in: %s", pairs[i][0],
			     expected, seen, text);
	}
	CHECK_EQ(traced("migrations"), 2 * ROUNDS + 2);
	CHECK(strstr(text, "\"lost\":0,"));
}

TEST(it_shows_a_transition_and_who_is_missing)
{
	uint32_t view = new_view(0);
	struct worker worker;
	char wanted[128];

	worker_start(&worker);
	begin_trace("--json", "\"type\":\"start\"");
	CHECK_OK(try_transition(device, view));
	enter(view);
	/* This thread has moved, the other one is named. */
	snprintf(wanted, sizeof(wanted), "\"moved\":1,\"missing\":1,\"threads\":[{\"tid\":%d,",
		 worker.tid);
	WAIT_FOR(has_printed(wanted));
	CHECK(!has_printed("\"type\":\"transition_end\""));
	worker_enter(&worker, view);
	WAIT_FOR(has_printed("\"type\":\"transition_end\""));
	CHECK(has_printed("\"threads\":2,\"reason\":\"done\""));
	end_trace();
	CHECK_EQ(traced("transitions"), 1);
	/* Its two migrations are in the histogram, and those of nothing else. */
	CHECK(traced("sum_ns") > 0 && traced("max_ns") <= traced("sum_ns"));
	worker_enter(&worker, 0);
	worker_stop(&worker);
	enter(0);
	delete_view(view);
}

TEST(it_says_why_a_thread_stays_in_old_code)
{
	uint32_t view = auto_view();
	struct worker worker;
	char wanted[128];
	int flag = 0;

	worker_start(&worker);
	worker_begin(&worker, be_inside, &flag);
	begin_trace("--json", "\"type\":\"start\"");
	CHECK_OK(try_auto(device, view));
	snprintf(wanted, sizeof(wanted), "\"missing\":1,\"threads\":[{\"tid\":%d,", worker.tid);
	/* It may be known to be missing before it is looked at. */
	WAIT_FOR(has_printed_after(wanted, "\"reason\":\"stack\","));
	WAIT_FOR(has_printed_after(wanted, "\"word_name\":\"old_code+0x"));
	snprintf(wanted, sizeof(wanted), "\"name\":\"trace_test\",\"tid\":%d,\"from\":0,\"to\":%u,\"how\":",
		 worker.tid, view);
	CHECK(!has_printed(wanted));
	STORE(flag, 1);
	WAIT_FOR(has_printed(wanted));
	worker_end(&worker);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	CHECK_OK(try_commit(device, view));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_COMMITTED).view, view);
	snprintf(wanted, sizeof(wanted), "\"type\":\"commit\"");
	WAIT_FOR(has_printed(wanted));
	end_trace();
	/* There, and back to the base. */
	CHECK_EQ(traced("transitions"), 2);
	CHECK_EQ(traced("commits"), 1);
	CHECK_EQ(traced("moves"), traced("migrations"));
	CHECK(traced("looks") > 0);
	worker_stop(&worker);
}

TEST(it_tells_of_views_in_lines)
{
	uint32_t view;
	char wanted[128];

	begin_trace("--lines", "tracing\n");
	view = new_view(0);
	delete_view(view);
	snprintf(wanted, sizeof(wanted), "%d trace_test: view %u created from view 0\n", getpid(),
		 view);
	WAIT_FOR(has_printed(wanted));
	snprintf(wanted, sizeof(wanted), "view %u deleted, 0 threads in it\n", view);
	WAIT_FOR(has_printed(wanted));
	end_trace();
	CHECK(strstr(text, "views created 1, deleted 1;"));
}

static void do_nothing(void *arg)
{
	uint32_t view;
	int fd = CHECK_LIBC(open(DEVICE_PATH, O_RDWR));

	(void)arg;
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_OK(try_delete(fd, view));
}

TEST(other_processes_are_not_shown_when_one_is_asked_for)
{
	begin_trace("--lines", "tracing\n");
	child_run(do_nothing, NULL);
	new_view(0);
	WAIT_FOR(has_printed("created from view 0\n"));
	end_trace();
	CHECK(strstr(text, "views created 1, deleted 0;"));
	CHECK(!strstr(text, "views created 1, deleted 1;"));
}

static void expect_refusal(int expected, const char *why)
{
	int status = program_run(TOOL, "trace", "--count", "1", NULL);

	if (status != expected || !strstr(program_output, why))
		FAIL("expected exit status %d and \"%s\", seen %d: %s", expected, why, status,
		     program_output);
	/* One line. */
	CHECK(strchr(program_output, '\n') == program_output + strlen(program_output) - 1);
}

TEST(an_ordinary_user_is_told_what_it_takes)
{
	become_nobody();
	expect_refusal(5, "run as root");
}

TEST(it_says_that_tracefs_is_not_mounted)
{
	CHECK_LIBC(unshare(CLONE_NEWNS));
	CHECK_LIBC(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK_LIBC(umount2("/sys/kernel/tracing", MNT_DETACH));
	CHECK_LIBC(umount2("/sys/kernel/debug", MNT_DETACH));
	expect_refusal(8, "tracefs is not mounted");
}
