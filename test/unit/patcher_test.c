// SPDX-License-Identifier: GPL-2.0
/* Tests of the patcher's side: begin, finish, switch, wait, against the fake kernel. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "fake.h"

#define TRANSITIONS fake_requests(WFPATCH_IOC_TRANSITION)

static struct wfpatch *handle;

/* The events that a wait has shown. */
static struct wfpatch_event shown[32];
static unsigned int nr_shown;

static int show(const struct wfpatch_event *event, void *data)
{
	assert_ptr_equal(data, shown);
	shown[nr_shown++] = *event;
	return 0;
}

static struct wfpatch_wait_opts opts;

/* Each time the library sleeps, the next of three threads comes to the target. */
static int next_tid;

static void move_one(void)
{
	if (next_tid <= 103)
		fake_move_thread(next_tid++, fake_status()->target);
}

static int setup(void **state)
{
	int tid;

	fake_reset(state);
	for (tid = 101; tid <= 103; tid++)
		fake_add_thread(tid, 0);
	next_tid = 101;
	fake_on_poll(move_one);
	handle = fake_open();
	nr_shown = 0;
	opts = (struct wfpatch_wait_opts){
		.sz = sizeof(opts), .on_event = show, .data = shown, .timeout_ms = 2000 };
	return 0;
}

static int teardown(void **state)
{
	wfpatch_close(handle);
	return fake_check(state);
}

static unsigned int begin(void)
{
	unsigned int view = 0;

	assert_int_equal(wfpatch_begin(handle, &view), 0);
	assert_true(view > 0);
	return view;
}

static unsigned int patched(void)
{
	unsigned int view = begin();

	assert_int_equal(wfpatch_finish(handle, view, &opts), 0);
	next_tid = 101;
	nr_shown = 0;
	return view;
}

/* A patch that waits for threads that do not come. */
static unsigned int timed_out(void)
{
	unsigned int view = begin();

	fake_on_poll(NULL);
	opts.timeout_ms = 20;
	assert_int_equal(wfpatch_finish(handle, view, &opts), -ETIMEDOUT);
	fake_on_poll(move_one);
	opts.timeout_ms = 2000;
	return view;
}

static void finish_waits_for_every_thread_and_shows_each(void **state)
{
	unsigned int view = begin(), i, moved = 0;

	(void)state;
	assert_int_equal(wfpatch_finish(handle, view, &opts), 0);
	assert_int_equal(fake_status()->target, view);
	assert_int_equal(fake_status()->pending, 0);
	assert_int_equal(fake_current_view(), view);
	for (i = 0; i < nr_shown; i++) {
		if (shown[i].type != WFPATCH_EVENT_MIGRATED)
			continue;
		assert_int_equal(shown[i].view, view);
		assert_int_equal(shown[i].previous, 0);
		if (moved)
			assert_int_equal(shown[i].tid, 100 + moved);
		moved++;
	}
	assert_int_equal(moved, 4);
	assert_int_equal(shown[nr_shown - 1].type, WFPATCH_EVENT_DONE);
}

static void begin_starts_from_the_target(void **state)
{
	static char text[5] = "base";
	unsigned int first = begin(), second;
	char seen[5] = "";

	(void)state;
	assert_int_equal(wfpatch_view_write(handle, first, text, "view", 4), 0);
	assert_int_equal(wfpatch_finish(handle, first, NULL), 0);
	second = begin();
	fake_read_view(second, text, seen, 4);
	assert_string_equal(seen, "view");
}

static void finish_deletes_the_old_view_but_not_the_base(void **state)
{
	unsigned int first = patched(), second = patched();

	(void)state;
	assert_true(second != first);
	assert_false(fake_view_exists(first));
	assert_true(fake_view_exists(second));
	assert_true(fake_view_exists(0));
}

static void finish_keeps_the_old_view_if_told(void **state)
{
	unsigned int first = patched(), second = begin();

	(void)state;
	opts.flags = WFPATCH_FINISH_KEEP_OLD;
	assert_int_equal(wfpatch_finish(handle, second, &opts), 0);
	assert_true(fake_view_exists(first));
}

static void after_a_timeout_finish_goes_on_where_it_was(void **state)
{
	unsigned int first = patched(), second, asked;
	struct timespec start, end;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &start);
	second = timed_out();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 >=
		    19);
	assert_int_equal(fake_status()->target, second);
	assert_int_equal(fake_status()->pending, 3);
	assert_true(fake_view_exists(first));
	asked = TRANSITIONS;
	assert_int_equal(wfpatch_finish(handle, second, &opts), 0);
	assert_int_equal(TRANSITIONS, asked);
	assert_false(fake_view_exists(first));
}

static void after_a_timeout_one_can_go_back(void **state)
{
	unsigned int first = patched(), second = timed_out();

	(void)state;
	fake_move_thread(101, second);
	assert_int_equal(wfpatch_switch(handle, first, &opts), 0);
	assert_int_equal(fake_current_view(), first);
	assert_int_equal(wfpatch_view_delete(handle, second), 0);
}

static void after_a_timeout_one_can_wait_on(void **state)
{
	unsigned int view = timed_out(), asked = TRANSITIONS;

	(void)state;
	assert_int_equal(wfpatch_wait(handle, view, &opts), 0);
	assert_int_equal(TRANSITIONS, asked);
	assert_int_equal(fake_status()->pending, 0);
	/* And once more, when there is nothing left to wait for. */
	assert_int_equal(wfpatch_wait(handle, view, NULL), 0);
}

static void enough_threads_are_enough(void **state)
{
	unsigned int view = begin();

	(void)state;
	opts.nr_threads = 3;
	assert_int_equal(wfpatch_finish(handle, view, &opts), 0);
	assert_int_equal(next_tid, 103);
	assert_int_equal(fake_status()->pending, 1);
}

static void all_threads_are_enough_if_there_are_no_more(void **state)
{
	unsigned int view = begin();

	(void)state;
	opts.nr_threads = 50;
	assert_int_equal(wfpatch_finish(handle, view, &opts), 0);
	assert_int_equal(fake_status()->pending, 0);
}

static int stop_at_102(const struct wfpatch_event *event, void *data)
{
	(void)data;
	return event->tid == 102 ? -EXDEV : 0;
}

static void the_callback_can_end_the_wait(void **state)
{
	unsigned int view = begin();

	(void)state;
	opts.on_event = stop_at_102;
	assert_int_equal(wfpatch_finish(handle, view, &opts), -EXDEV);
	assert_int_equal(next_tid, 103);
	assert_int_equal(fake_status()->target, view);
}

static void a_patch_of_a_view_that_is_not_the_target_any_more_is_refused(void **state)
{
	unsigned int first = begin(), second = begin();

	(void)state;
	assert_int_equal(wfpatch_finish(handle, first, &opts), 0);
	assert_int_equal(wfpatch_finish(handle, second, &opts), -ESTALE);
	assert_int_equal(fake_status()->target, first);
	assert_true(fake_view_exists(second));
	assert_int_equal(wfpatch_finish(handle, 99, &opts), -ENOENT);
}

static unsigned int other_target;

static void someone_else(void)
{
	fake_transition(other_target);
}

static void another_transition_ends_the_wait(void **state)
{
	unsigned int view = begin();

	(void)state;
	other_target = begin();
	fake_on_poll(someone_else);
	opts.timeout_ms = 50;
	assert_int_equal(wfpatch_finish(handle, view, &opts), -ECANCELED);
	/* The caller has gone where it was asked to. */
	assert_int_equal(fake_current_view(), other_target);
}

static void wait_is_for_the_target_only(void **state)
{
	unsigned int view = begin();

	(void)state;
	assert_int_equal(wfpatch_wait(handle, view, &opts), -ECANCELED);
	assert_int_equal(wfpatch_wait(handle, 0, &opts), 0);
}

static void switch_goes_to_the_base_and_back_and_deletes_nothing(void **state)
{
	unsigned int view = patched();

	(void)state;
	assert_int_equal(wfpatch_switch(handle, 0, &opts), 0);
	assert_int_equal(fake_current_view(), 0);
	assert_true(fake_view_exists(view));
	next_tid = 101;
	assert_int_equal(wfpatch_switch(handle, view, &opts), 0);
	assert_int_equal(fake_current_view(), view);
	assert_int_equal(wfpatch_switch(handle, view + 1, &opts), -ENOENT);
	assert_int_equal(fake_status()->target, view);
}

static void events_of_before_are_not_shown(void **state)
{
	unsigned int view = begin(), i;

	(void)state;
	fake_send((struct wfpatch_event){
		.type = WFPATCH_EVENT_MIGRATED,
		.tid = 55,
		.view = view,
	});
	assert_int_equal(wfpatch_finish(handle, view, &opts), 0);
	assert_true(nr_shown > 0);
	for (i = 0; i < nr_shown; i++)
		assert_int_not_equal(shown[i].tid, 55);
}

static void the_caller_tries_again_when_memory_was_short(void **state)
{
	unsigned int view = begin();

	(void)state;
	fake_fail(WFPATCH_IOC_VIEW_MIGRATE, ENOMEM, 2);
	/* No other thread moves, and no event comes. */
	for (next_tid = 101; next_tid <= 103; next_tid++)
		fake_move_thread(next_tid, view);
	assert_int_equal(wfpatch_finish(handle, view, &opts), 0);
	assert_int_equal(fake_current_view(), view);
}

static void errors_of_the_kernel_are_passed_on(void **state)
{
	unsigned int view = begin();

	(void)state;
	fake_fail(WFPATCH_IOC_VIEW_CREATE, ENOSPC, 1);
	assert_int_equal(wfpatch_begin(handle, &view), -ENOSPC);
	fake_fail(WFPATCH_IOC_TRANSITION, EIO, 1);
	assert_int_equal(wfpatch_finish(handle, view, &opts), -EIO);
	fake_fail(WFPATCH_IOC_LIST_VIEWS, ENOMEM, 1);
	assert_int_equal(wfpatch_finish(handle, view, &opts), -ENOMEM);
	fake_fail(WFPATCH_IOC_VIEW_MIGRATE, ESRCH, 1);
	assert_int_equal(wfpatch_finish(handle, view, &opts), -ESRCH);
}

static void unknown_flags_are_refused_before_anything_is_done(void **state)
{
	unsigned int view = begin();

	(void)state;
	opts.flags = 1U << 30;
	assert_int_equal(wfpatch_finish(handle, view, &opts), -EINVAL);
	opts.flags = WFPATCH_FINISH_KEEP_OLD;
	assert_int_equal(wfpatch_switch(handle, view, &opts), -EINVAL);
	assert_int_equal(wfpatch_wait(handle, 0, &opts), -EINVAL);
	opts.flags = 0;
	opts.reserved = 1;
	assert_int_equal(wfpatch_switch(handle, view, &opts), -EINVAL);
	assert_int_equal(fake_status()->target, 0);
}

static void more_views_than_expected_are_looked_through(void **state)
{
	unsigned int views[24], i;

	(void)state;
	for (i = 0; i < 24; i++)
		views[i] = begin();
	assert_int_equal(wfpatch_finish(handle, views[23], &opts), 0);
	assert_int_equal(fake_current_view(), views[23]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finish_waits_for_every_thread_and_shows_each),
		TEST(begin_starts_from_the_target),
		TEST(finish_deletes_the_old_view_but_not_the_base),
		TEST(finish_keeps_the_old_view_if_told),
		TEST(after_a_timeout_finish_goes_on_where_it_was),
		TEST(after_a_timeout_one_can_go_back),
		TEST(after_a_timeout_one_can_wait_on),
		TEST(enough_threads_are_enough),
		TEST(all_threads_are_enough_if_there_are_no_more),
		TEST(the_callback_can_end_the_wait),
		TEST(a_patch_of_a_view_that_is_not_the_target_any_more_is_refused),
		TEST(another_transition_ends_the_wait),
		TEST(wait_is_for_the_target_only),
		TEST(switch_goes_to_the_base_and_back_and_deletes_nothing),
		TEST(events_of_before_are_not_shown),
		TEST(the_caller_tries_again_when_memory_was_short),
		TEST(errors_of_the_kernel_are_passed_on),
		TEST(unknown_flags_are_refused_before_anything_is_done),
		TEST(more_views_than_expected_are_looked_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
