// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what "wfpatch trace" makes of events: who is missing, and how it is shown. The events are
 * made up; the process that they tell of is the test's own, for its threads are looked up.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <wfpatch/uapi.h>
#include "trace_model.h"

#define MM 0x1234500000000000ULL
#define SECOND 1000000000ULL
#define BEGIN (5 * SECOND)

static struct trace_model model;
static char *text;

static pthread_t sleeper;
static pid_t sleeper_tid;
static pthread_barrier_t barrier;

static void *sleep_on(void *arg)
{
	prctl(PR_SET_NAME, "worker \"1\"\x1b");
	sleeper_tid = gettid();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}

static int set_up(void **state)
{
	(void)state;
	model = (struct trace_model){ 0 };
	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&sleeper, NULL, sleep_on, NULL))
		return -1;
	pthread_barrier_wait(&barrier);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pthread_barrier_wait(&barrier);
	pthread_join(sleeper, NULL);
	trace_model_free(&model);
	free(text);
	text = NULL;
	return 0;
}

/* What a function prints. */
#define PRINTED(call)                                       \
	do {                                                \
		size_t size_;                               \
		FILE *out;                                  \
							    \
		free(text);                                 \
		text = NULL;                                \
		out = open_memstream(&text, &size_);        \
		assert_non_null(out);                       \
		call;                                       \
		assert_int_equal(fclose(out), 0);           \
	} while (0)

#define assert_has(what)                                                          \
	do {                                                                      \
		if (!strstr(text, what))                                          \
			fail_msg("expected \"%s\" in: %s", what, text);            \
	} while (0)
#define assert_has_not(what)                                                      \
	do {                                                                      \
		if (strstr(text, what))                                           \
			fail_msg("expected no \"%s\" in: %s", what, text);         \
	} while (0)

static struct trace_process *give(const struct wf_trace_record *record)
{
	struct trace_process *process = trace_process_get(&model, MM);

	assert_non_null(process);
	assert_int_equal(trace_model_record(&model, process, record), 0);
	return process;
}

static struct wf_trace_record record_of(enum wf_trace_type type, __u64 time)
{
	return (struct wf_trace_record){ .type = type, .tgid = getpid(), .time = time };
}

static struct trace_process *begin(__u32 view, __u32 seq)
{
	struct wf_trace_record record = record_of(WF_TRACE_transition_begin, BEGIN);

	record.event.transition_begin = (struct wf_trace_transition_begin){
		.mm = MM, .tgid = getpid(), .view = view, .seq = seq,
		.flags = WFPATCH_TRANSITION_AUTO, .nr_spans = 3,
	};
	return give(&record);
}

static struct trace_process *end(__u32 view, __u32 seq)
{
	struct wf_trace_record record = record_of(WF_TRACE_transition_end, BEGIN + SECOND);

	record.event.transition_end = (struct wf_trace_transition_end){
		.mm = MM, .tgid = getpid(), .view = view, .seq = seq, .threads = 2,
	};
	return give(&record);
}

static struct trace_process *move(pid_t tid, __u32 from, __u32 to)
{
	struct wf_trace_record record = record_of(WF_TRACE_move, BEGIN + SECOND / 2);

	record.event.move = (struct wf_trace_move){
		.mm = MM, .tgid = getpid(), .tid = tid, .from = from, .to = to,
		.how = WF_TRACE_ASLEEP,
	};
	return give(&record);
}

static struct trace_process *look(pid_t tid, __u32 reason)
{
	struct wf_trace_record record = record_of(WF_TRACE_look, BEGIN + SECOND / 2);

	record.event.look = (struct wf_trace_look){
		.mm = MM, .tgid = getpid(), .tid = tid, .view = 1, .reason = reason,
		.ip = 0x401000, .where = 0x7fff1230, .word = 0x402345,
	};
	return give(&record);
}

static size_t missing(const struct trace_process *process, size_t expected_moved)
{
	size_t moved, nr = trace_count_missing(process, &moved);

	assert_int_equal(moved, expected_moved);
	return nr;
}

static void threads_are_missing_until_they_come_to_the_target(void **state)
{
	struct trace_process *process = begin(2, 7);

	(void)state;
	assert_int_equal(missing(process, 0), 2);
	move(getpid(), 0, 1);	/* to the view with traps */
	assert_int_equal(missing(process, 0), 2);
	move(getpid(), 1, 2);
	assert_int_equal(missing(process, 1), 1);
	assert_int_equal(trace_next_missing(process, NULL)->tid, sleeper_tid);
	move(sleeper_tid, 0, 2);
	assert_int_equal(missing(process, 2), 0);
	move(sleeper_tid, 2, 0);
	assert_int_equal(missing(process, 1), 1);
	end(2, 7);
	assert_int_equal(missing(process, 1), 0);
}

static void the_end_of_an_earlier_transition_does_not_end_the_next(void **state)
{
	struct trace_process *process = begin(2, 7);

	(void)state;
	begin(0, 8);
	end(2, 7);
	assert_int_equal(missing(process, 0), 2);
	end(0, 8);
	assert_int_equal(missing(process, 0), 0);
}

static void *nothing(void *arg)
{
	*(pid_t *)arg = gettid();
	return arg;
}

static void a_thread_that_has_ended_is_not_missing(void **state)
{
	struct trace_process *process = begin(2, 7);
	pthread_t thread;
	pid_t tid;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, nothing, &tid), 0);
	pthread_join(thread, NULL);
	look(tid, WFPATCH_BLOCKED_IP);
	assert_int_equal(missing(process, 0), 2);
}

static void a_thread_says_why_it_stays(void **state)
{
	struct trace_process *process = begin(2, 7);
	char wanted[64];

	(void)state;
	move(getpid(), 0, 2);
	look(sleeper_tid, WFPATCH_BLOCKED_IP);
	look(sleeper_tid, WFPATCH_BLOCKED_STACK);
	/* Something must have changed for a line. */
	process->now.looks = 2;
	PRINTED(trace_text_interval(out, &model, BEGIN + 2 * SECOND, 1.0));
	assert_has(": transition to view 2, 2.000 s after it began: 1 threads there, 1 missing\n");
	snprintf(wanted, sizeof(wanted), "    thread %d worker \"1\"?: old code on its stack, ",
		 sleeper_tid);
	assert_has(wanted);
	assert_has("ip 0x401000, 0x402345 at 0x7fff1230 (2 looks)\n");
}

static void json_has_the_same(void **state)
{
	char wanted[128];

	(void)state;
	begin(2, 7);
	move(getpid(), 0, 2);
	look(sleeper_tid, WFPATCH_BLOCKED_STACK);
	PRINTED(trace_json_interval(out, &model, false, BEGIN + SECOND, 1.0));
	assert_has("\"transition\":{\"known\":true,\"view\":2,\"seq\":7,\"auto\":true,\"ns\":1000000000,");
	snprintf(wanted, sizeof(wanted),
		 "\"moved\":1,\"missing\":1,\"threads\":[{\"tid\":%d,\"name\":", sleeper_tid);
	assert_has(wanted);
	assert_has("\"worker \\\"1\\\"\\u001b\",\"looks\":1,\"reason\":\"stack\",\"ip\":\"0x401000\",\"ip_name\":\"0x401000\",\"where\":\"0x7fff1230\",\"word\":\"0x402345\",\"word_name\":\"0x402345\"}]}");
}

static unsigned int nr_named;

static void name_address(struct trace_process *process, __u64 address, char name[TRACE_NAME])
{
	process->symbols = &nr_named;
	nr_named++;
	snprintf(name, TRACE_NAME, "function+%llu", address & 0xfff);
}

static void forget_names(struct trace_process *process)
{
	assert_ptr_equal(process->symbols, &nr_named);
	nr_named = 0;
}

static void addresses_have_names_until_the_transition_ends(void **state)
{
	(void)state;
	model.name_address = name_address;
	model.forget_names = forget_names;
	begin(2, 7);
	look(sleeper_tid, WFPATCH_BLOCKED_STACK);
	PRINTED(trace_text_interval(out, &model, BEGIN, 1.0));
	assert_has("ip function+0, function+837 at 0x7fff1230 (1 looks)\n");
	PRINTED(trace_json_interval(out, &model, false, BEGIN, 1.0));
	assert_has("\"ip_name\":\"function+0\",");
	assert_has("\"word_name\":\"function+837\"}");
	assert_int_equal(nr_named, 4);
	end(2, 7);
	assert_int_equal(nr_named, 0);
}

static void a_transition_from_before_is_known_by_its_looks(void **state)
{
	struct trace_process *process = look(sleeper_tid, WFPATCH_BLOCKED_IP);

	(void)state;
	assert_int_equal(missing(process, 0), 1);
	PRINTED(trace_text_interval(out, &model, BEGIN, 1.0));
	assert_has(": transition from before: 0 threads there, 1 missing\n");
	PRINTED(trace_json_interval(out, &model, false, BEGIN, 1.0));
	assert_has("\"transition\":{\"known\":false,\"moved\":0,\"missing\":1,");
	move(sleeper_tid, 1, 2);
	assert_int_equal(missing(process, 1), 0);
}

static void events_are_told_in_words(void **state)
{
	struct wf_trace_record record = record_of(WF_TRACE_trap, BEGIN + SECOND / 100);
	struct trace_process *process = begin(2, 7);

	(void)state;
	record.event.trap = (struct wf_trace_trap){ .mm = MM, .tid = sleeper_tid, .addr = 0x401230,
						    .moved = 1 };
	PRINTED(trace_text_record(out, &model, process, &record));
	assert_has("worker \"1\"? calls 0x401230, moved\n");
	assert_has_not("\x1b");
	record = record_of(WF_TRACE_commit, BEGIN);
	record.event.commit = (struct wf_trace_commit){ .mm = MM, .view = 2, .pages = 3,
							.result = -ENOMEM };
	PRINTED(trace_text_record(out, &model, process, &record));
	assert_has(": commit of view 2, 3 pages: Cannot allocate memory\n");
	PRINTED(trace_json_record(out, &model, process, &record));
	assert_has("{\"type\":\"commit\",\"time\":5.000000,");
	assert_has("\"view\":2,\"pages\":3,\"result\":-12}\n");
}

/* Of its counters since the last interval, per second. */
static void rates_are_those_of_the_interval(void **state)
{
	struct wf_trace_stats stats = { .migrations = 100, .syncs = 10, .tgid = getpid() };
	struct trace_process *process = trace_process_get(&model, MM);

	(void)state;
	trace_model_stats(process, &stats);
	stats.migrations = 150;
	stats.created = 3;
	stats.deleted = 1;
	trace_model_stats(process, &stats);
	PRINTED(trace_text_interval(out, &model, BEGIN, 2.0));
	assert_has(": views +2, migrations 25.0/s, syncs 0.0/s,");
	trace_model_stats(process, &stats);
	PRINTED(trace_text_interval(out, &model, BEGIN, 2.0));
	assert_string_equal(text, "");
}

static void the_histogram_has_its_edges(void **state)
{
	struct wf_trace_stats stats = { .latency_sum = 3 * 700 + 1000000, .latency_max = 1000000,
					.tgid = getpid() };

	(void)state;
	stats.latency[0] = 2;	/* below 1 us */
	stats.latency[1] = 1;	/* below 2 us */
	stats.latency[10] = 1;	/* below 1024 us */
	trace_model_stats(trace_process_get(&model, MM), &stats);
	PRINTED(trace_text_end(out, &model, 1.0));
	assert_has("4 migrations after their transition began: mean 0.25 ms, longest 1.00 ms\n");
	assert_has("below    1 us        2 |########################################\n");
	assert_has("below    2 us        1 |####################\n");
	assert_has("below  512 us        0 |\n");
	assert_has("below    1 ms        1 |####################\n");
	assert_has_not("below    2 ms");
}

static size_t nr_lines(void)
{
	size_t n = 0;

	for (const char *at = text; *at; at++)
		n += *at == '\n';
	return n;
}

static void the_screen_is_never_longer_than_the_terminal(void **state)
{
	char line[] = "something happened", *recent[] = { line, line, line, line, line, line };
	struct wf_trace_stats stats = { .latency = { 1 }, .tgid = getpid() };
	struct trace_process *process;

	(void)state;
	stats.latency[20] = 1;
	for (int i = 0; i < 30; i++) {
		process = trace_process_get(&model, MM + (__u64)i);
		assert_non_null(process);
		trace_model_stats(process, &stats);
	}
	begin(2, 7);
	for (unsigned int rows = 3; rows < 70; rows++) {
		PRINTED(trace_text_screen(out, &model, BEGIN, 1.0, recent, 6, rows, 80));
		if (nr_lines() >= rows)
			fail_msg("expected less than %u lines, seen %zu: %s", rows, nr_lines(),
				 text);
	}
	assert_has("something happened\n");
	assert_has("not seen to move yet\n");
}

static void only_processes_that_were_asked_for_are_shown(void **state)
{
	const pid_t other[] = { getppid(), getpid() + 1 }, own[] = { getppid(), getpid() };
	struct trace_process *process = begin(2, 7);

	(void)state;
	assert_true(trace_process_wanted(&model, process));
	model.pids = other;
	model.nr_pids = 2;
	assert_false(trace_process_wanted(&model, process));
	PRINTED(trace_json_interval(out, &model, true, BEGIN, 1.0));
	assert_has("\"processes\":[]}\n");
	model.pids = own;
	assert_true(trace_process_wanted(&model, process));
}

/* At the second interval, so that what it does at its end is counted. */
static void processes_that_ended_are_kept_for_a_while(void **state)
{
	struct wf_trace_stats stats = { 0 };
	struct trace_process *process;

	(void)state;
	for (int i = 0; i < 3; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child)
			_exit(0);
		process = trace_process_get(&model, MM + (__u64)i);
		stats.tgid = child;
		trace_model_stats(process, &stats);
		assert_false(trace_process_ended(process));	/* a zombie at most */
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_false(trace_process_ended(process));
		assert_true(trace_process_ended(process));
		assert_false(trace_process_ended(process));
		/* Its address space may be another's now. */
		assert_ptr_not_equal(trace_process_get(&model, MM + (__u64)i), process);
	}
	trace_model_forget(&model, 1);
	PRINTED(trace_json_interval(out, &model, true, BEGIN, 1.0));
	assert_null(strstr(strstr(text, "\"ended\":true") + 1, "\"ended\":true"));
	PRINTED(trace_json_interval(out, &model, false, BEGIN, 1.0));
	assert_has_not("\"ended\":true");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(threads_are_missing_until_they_come_to_the_target),
		TEST(the_end_of_an_earlier_transition_does_not_end_the_next),
		TEST(a_thread_that_has_ended_is_not_missing),
		TEST(a_thread_says_why_it_stays),
		TEST(json_has_the_same),
		TEST(addresses_have_names_until_the_transition_ends),
		TEST(a_transition_from_before_is_known_by_its_looks),
		TEST(events_are_told_in_words),
		TEST(rates_are_those_of_the_interval),
		TEST(the_histogram_has_its_edges),
		TEST(the_screen_is_never_longer_than_the_terminal),
		TEST(only_processes_that_were_asked_for_are_shown),
		TEST(processes_that_ended_are_kept_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
