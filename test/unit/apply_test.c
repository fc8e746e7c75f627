// SPDX-License-Identifier: GPL-2.0
/*
 * Applying and reverting, step by step: what is asked of the kernel, and that each step that fails
 * leaves nothing behind. The process that is patched is the test program; the kernel, the linker and
 * the search for pointers are played.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wfpatch/apply.h>
#include "applied.h"
#include "fake_link.h"
#include "fake_target.h"
#include "header.h"

static char err[512];
static struct wfpatch_apply_opts opts;

static int apply(struct patch *patch)
{
	patch->file.info.functions = patch->functions;
	patch->file.info.replaces = &patch->replaces;
	return wfpatch_apply(getpid(), &patch->file, &opts);
}

static int revert(const char *id)
{
	return wfpatch_revert(getpid(), id, &opts);
}

/* --- what must hold ----------------------------------------------------------------------------- */

static int setup(void **state)
{
	unsigned int i;

	fake_reset(state);
	target_begin(3);
	code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	assert_ptr_not_equal(code, MAP_FAILED);
	for (i = 0; i < NR_FUNCTIONS; i++)
		make_function(code + i * FUNCTION_SIZE, (int)i);
	memset(err, 0, sizeof(err));
	opts = (struct wfpatch_apply_opts){
		.sz = sizeof(opts), .err = err, .err_size = sizeof(err), .timeout_ms = 2000
	};
	pointer = 0;
	nr_asked = 0;
	before_link = NULL;
	return 0;
}

/* Unmap what tests leave applied. */
static int teardown(void **state)
{
	struct wfpatch_applied *list;
	unsigned int nr, i;

	assert_int_equal(wfpatch_applied(getpid(), &list, &nr, NULL, 0), 0);
	for (i = 0; i < nr; i++)
		munmap((void *)(uintptr_t)list[i].start, list[i].end - list[i].start);
	wfpatch_applied_free(list, nr);
	munmap(code, PAGE);
	return fake_check(state);
}

static void expect_as_before(void)
{
	unsigned int i;

	for (i = 0; i < NR_FUNCTIONS; i++)
		assert_int_equal(call(i), i);
	assert_int_equal(target_mapped(), 0);
	assert_int_equal(target_views(), 0);
	assert_int_equal(target_threads_in(0), 3);
	assert_int_equal(fake_open_handles(), 0);
}

static unsigned int nr_applied(void)
{
	struct wfpatch_applied *list;
	unsigned int nr;

	assert_int_equal(wfpatch_applied(getpid(), &list, &nr, NULL, 0), 0);
	wfpatch_applied_free(list, nr);
	return nr;
}

static struct wfpatch_applied *applied(unsigned int number)
{
	static struct wfpatch_applied *list;
	static unsigned int nr;

	if (list)
		wfpatch_applied_free(list, nr);
	assert_int_equal(wfpatch_applied(getpid(), &list, &nr, NULL, 0), 0);
	assert_true(number < nr);
	return &list[number];
}

/* --- tests ------------------------------------------------------------------------------------ */

static void apply_leads_calls_to_the_patch_and_leaves_no_view(void **state)
{
	struct patch a = make_patch("a", 3, 100, NULL);

	(void)state;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(call(0), 100);
	assert_int_equal(call(1), 101);
	assert_int_equal(call(2), 2);
	assert_int_equal(target_views(), 0);
	assert_int_equal(target_mapped(), 3);
	assert_int_equal(target_commits(), 1);
	assert_true(target_was_span(code, true));
	/* Whoever goes back must leave the new code. The header is in the same segment here. */
	assert_true(target_was_span((void *)(uintptr_t)applied(0)->start, false));
	assert_string_equal(err, "");
	assert_string_equal(applied(0)->info.name, "a");
	assert_string_equal(applied(0)->info.id, a.file.info.id);
	assert_int_equal(applied(0)->active, 2);
	assert_int_equal(applied(0)->sequence, 1);
}

static void revert_puts_everything_back_by_name_or_id(void **state)
{
	struct patch a = make_patch("a", 3, 100, NULL);
	unsigned int i;

	(void)state;
	for (i = 0; i < 50; i++) {
		assert_int_equal(apply(&a), 0);
		assert_int_equal(call(1), 101);
		assert_int_equal(revert(i % 2 ? "a" : a.file.info.id), 0);
		expect_as_before();
	}
	assert_true(target_was_span(code, true));
	assert_int_equal(revert("a"), -ENOENT);
	assert_non_null(strstr(err, "a"));
}

/* Whichever request fails: all or nothing. */
static void each_request_that_fails_leaves_all_or_nothing(void **state)
{
	struct patch a = make_patch("a", 7, 100, NULL);
	unsigned int after, failures = 0;
	int ret;

	(void)state;
	for (after = 0;; after++) {
		target_begin(3);
		target_fail(after, ENOMEM);
		ret = apply(&a);
		if (!target_failed())
			break;
		if (ret) {
			failures++;
			assert_int_not_equal(err[0], '\0');
			expect_as_before();
			continue;
		}
		/* Not to be able to show progress or count views afterwards does not matter. */
		assert_int_equal(call(2), 102);
		assert_int_equal(revert("a"), 0);
		expect_as_before();
	}
	assert_int_equal(ret, 0);
	assert_true(failures >= 12);
}

static void each_request_of_a_revert_that_fails_leaves_all_or_nothing(void **state)
{
	struct patch a = make_patch("a", 7, 100, NULL);
	unsigned int after, failures = 0;
	int ret;

	(void)state;
	for (after = 0;; after++) {
		target_begin(3);
		assert_int_equal(apply(&a), 0);
		target_fail(after, ENOMEM);
		ret = revert("a");
		assert_int_equal(target_views(), 0);
		assert_int_equal(target_threads_in(0), 3);
		assert_int_equal(fake_open_handles(), 0);
		if (!target_failed())
			break;
		if (!ret && target_failed() == WFPATCH_IOC_UNMAP) {
			/* Reverted and kept; the next one gets rid of it. */
			assert_int_equal(call(2), 2);
			assert_int_equal(applied(0)->active, 0);
			assert_int_equal(revert("a"), 0);
		} else if (ret) {
			failures++;
			assert_int_not_equal(err[0], '\0');
			assert_int_equal(call(0), 100);
			assert_int_equal(call(2), 102);
			assert_int_equal(revert("a"), 0);
		}
		expect_as_before();
	}
	assert_int_equal(ret, 0);
	expect_as_before();
	assert_true(failures >= 6);
}

static void a_process_that_ends_at_any_step_is_told_as_such(void **state)
{
	struct patch a = make_patch("a", 7, 100, NULL);
	unsigned int after;
	int ret;

	(void)state;
	for (after = 0;; after++) {
		target_begin(3);
		target_fail(after, ESRCH);
		ret = apply(&a);
		assert_int_equal(fake_open_handles(), 0);
		if (!target_failed())
			break;
		if (target_failed() != WFPATCH_IOC_LIST_THREADS)
			assert_int_equal(ret, -ESRCH);
		teardown(state);
		setup(state);
	}
	assert_int_equal(ret, 0);
}

static void a_signal_in_a_request_is_no_failure(void **state)
{
	const unsigned long requests[] = { WFPATCH_IOC_ATTACH,	    WFPATCH_IOC_MAP,
					   WFPATCH_IOC_VIEW_CREATE, WFPATCH_IOC_TRANSITION,
					   WFPATCH_IOC_VIEW_COMMIT, WFPATCH_IOC_UNMAP };
	struct patch a = make_patch("a", 1, 100, NULL);
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		target_interrupt(requests[i], 2);
		assert_int_equal(apply(&a), 0);
		assert_int_equal(revert("a"), 0);
		expect_as_before();
		assert_int_equal(target_interrupted(), 2 * (i + 1));
	}
}

static void a_dry_run_asks_the_kernel_for_nothing(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL), unfit = make_patch("unfit", 1, 200, NULL);

	(void)state;
	opts.flags = WFPATCH_APPLY_DRY_RUN;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(apply(&unfit), -ENOEXEC);
	assert_string_equal(err, "it does not fit");
	assert_int_equal(target_requests(), 0);
	expect_as_before();
	opts.flags = 0;
	assert_int_equal(apply(&a), 0);
	opts.flags = WFPATCH_APPLY_DRY_RUN;
	assert_int_equal(revert("a"), 0);
	assert_int_equal(call(0), 100);
}

static void an_unfit_patch_changes_nothing(void **state)
{
	struct patch unfit = make_patch("unfit", 1, 200, NULL);

	(void)state;
	assert_int_equal(apply(&unfit), -ENOEXEC);
	expect_as_before();
	unfit.file.info.name = "other";
	unfit.file.info.build_id[0] ^= 1;
	assert_int_equal(apply(&unfit), -ENOENT);
	expect_as_before();
}

static void unknown_flags_and_processes_are_refused(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	opts.flags = 1U << 31;
	assert_int_equal(apply(&a), -EINVAL);
	opts.flags = 0;
	/* Above any pid_max. */
	assert_int_equal(wfpatch_apply(1 << 30, &a.file, &opts), -ESRCH);
	assert_non_null(strstr(err, "1073741824"));
	assert_int_equal(target_requests(), 0);
}

static void a_taken_place_makes_it_choose_another(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	target_taken(2);
	assert_int_equal(apply(&a), 0);
	assert_int_equal(call(0), 100);
	assert_int_equal(revert("a"), 0);
	target_taken(~0U);
	assert_int_equal(apply(&a), -ERANGE);
	target_taken(0);
	expect_as_before();
}

static void change_code(void)
{
	code[1] = 77;
}

static void code_that_changes_meanwhile_stops_it(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	before_link = change_code;
	assert_int_equal(apply(&a), -EILSEQ);
	code[1] = 0;
	expect_as_before();
}

static void a_thread_that_stays_makes_it_time_out_and_be_taken_back(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	opts.timeout_ms = 300;
	target_hold(2, TARGET_STAYS_OLD);
	assert_int_equal(apply(&a), -ETIMEDOUT);
	assert_non_null(strstr(err, "1 thread "));
	assert_non_null(strstr(err, "2 (worker) at 0x1001"));
	/* Threads ran in it: whether something points to it is asked first. */
	assert_int_equal(nr_asked, 1);
	expect_as_before();
}

static void what_threads_may_point_to_stays_after_a_timeout(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	opts.timeout_ms = 300;
	pointer = 0xabc0;
	target_hold(2, TARGET_STAYS_OLD);
	assert_int_equal(apply(&a), -ETIMEDOUT);
	assert_non_null(strstr(err, "0xabc0"));
	assert_int_equal(target_mapped(), 3);
	assert_int_equal(target_views(), 0);
	assert_int_equal(call(0), 0);
	/* It does not count as applied. */
	assert_int_equal(applied(0)->active, 0);
	target_hold(2, TARGET_MOVES);
	pointer = 0;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(call(0), 100);
}

static void threads_that_do_not_go_back_keep_what_they_run(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	opts.timeout_ms = 300;
	target_hold(3, TARGET_STAYS_OLD);
	target_hold(1, TARGET_STAYS_NEW);
	assert_int_equal(apply(&a), -ETIMEDOUT);
	assert_non_null(strstr(err, "stays mapped"));
	assert_int_equal(target_mapped(), 3);
	assert_int_equal(target_views(), 1);
	assert_int_equal(target_threads_in(1), 1);
	assert_int_equal(call(0), 0);
	assert_int_equal(fake_open_handles(), 0);
}

static unsigned int shown, most_missing, last_missing;

static int stop_soon(const struct wfpatch_progress *progress, void *data)
{
	assert_int_equal(progress->threads, 3);
	assert_int_equal(progress->nr_blocked, progress->missing);
	if (progress->missing)
		assert_true(progress->blocked[0].tid >= 1);
	if (progress->missing > most_missing)
		most_missing = progress->missing;
	last_missing = progress->missing;
	shown++;
	return data && shown == 2;
}

static void progress_is_shown_and_may_cancel(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);
	int stop;

	(void)state;
	shown = most_missing = 0;
	opts.on_progress = stop_soon;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(most_missing, 3);
	assert_int_equal(last_missing, 0);
	assert_int_equal(revert("a"), 0);
	shown = 0;
	opts.data = &stop;
	target_hold(2, TARGET_STAYS_OLD);
	assert_int_equal(apply(&a), -ECANCELED);
	assert_int_equal(shown, 2);
	expect_as_before();
}

static void a_thread_born_at_the_end_is_waited_for(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	target_born(2);
	assert_int_equal(apply(&a), 0);
	assert_int_equal(call(0), 100);
	assert_int_equal(target_threads_in(0), 3);
}

static void a_transition_that_ends_slowly_is_not_begun_again(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	target_slow(5);
	assert_int_equal(apply(&a), 0);
	assert_int_equal(fake_requests(WFPATCH_IOC_TRANSITION), 1);
	assert_int_equal(fake_requests(WFPATCH_IOC_VIEW_COMMIT), 6);
}

static void threads_born_all_the_time_end_in_a_timeout(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	opts.timeout_ms = 300;
	target_born(~0U);
	assert_int_equal(apply(&a), -ETIMEDOUT);
	assert_non_null(strstr(err, "come and go"));
	expect_as_before();
}

static void lost_events_lose_nothing_but_time(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	target_lose_events();
	assert_int_equal(apply(&a), 0);
	assert_int_equal(call(0), 100);
}

static void explicit_transitions_have_no_spans(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);
	unsigned int nr, flags;

	(void)state;
	opts.flags = WFPATCH_APPLY_EXPLICIT;
	assert_int_equal(apply(&a), 0);
	target_spans(&nr, &flags);
	assert_int_equal(nr, 0);
	assert_int_equal(flags, 0);
	assert_int_equal(revert("a"), 0);
	expect_as_before();
}

static void a_process_that_has_a_view_is_left_alone(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	/* The other one came between our look and our view: its number is lower. */
	target_intrude();
	assert_int_equal(apply(&a), -EBUSY);
	assert_int_equal(target_views(), 1);
	assert_int_equal(target_mapped(), 0);
	assert_int_equal(call(0), 0);
	/* It is there before we look. */
	assert_int_equal(apply(&a), -EBUSY);
	assert_int_equal(target_views(), 1);
	assert_int_equal(target_mapped(), 0);
}

static void the_same_patch_is_not_applied_twice(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL), b = make_patch("b", 1, 200, NULL);

	(void)state;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(apply(&a), -EEXIST);
	assert_int_equal(apply(&b), 0);
	/* Taken over by another it is applied still. */
	assert_int_equal(apply(&a), -EEXIST);
	assert_int_equal(nr_applied(), 2);
}

static void patches_stack_and_come_off_from_the_top(void **state)
{
	struct patch a = make_patch("a", 3, 100, NULL), b = make_patch("b", 6, 200, NULL);

	(void)state;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(apply(&b), 0);
	assert_int_equal(call(0), 100);
	assert_int_equal(call(1), 201);
	assert_int_equal(call(2), 202);
	assert_int_equal(applied(0)->active, 1);
	assert_int_equal(applied(1)->active, 2);
	/* Threads in a's code for "one" must leave it. */
	assert_true(target_was_span((void *)(uintptr_t)(applied(0)->start + TEXT), false));
	assert_int_equal(revert("a"), -EBUSY);
	assert_non_null(strstr(err, "patch b has taken over one"));
	assert_int_equal(revert("b"), 0);
	assert_int_equal(call(1), 101);
	assert_int_equal(call(2), 2);
	assert_int_equal(revert("a"), 0);
	expect_as_before();
}

static void patches_of_different_functions_come_off_in_any_order(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL), b = make_patch("b", 2, 200, NULL);

	(void)state;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(apply(&b), 0);
	assert_int_equal(revert("a"), 0);
	assert_int_equal(call(0), 0);
	assert_int_equal(call(1), 201);
	assert_int_equal(revert("b"), 0);
	expect_as_before();
}

static void a_patch_takes_the_place_of_another_in_one_step(void **state)
{
	struct patch a = make_patch("a", 3, 100, NULL), b = make_patch("b", 6, 200, "a");

	(void)state;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(apply(&b), 0);
	assert_int_equal(target_commits(), 2);
	assert_int_equal(call(0), 0);
	assert_int_equal(call(1), 201);
	assert_int_equal(call(2), 202);
	assert_int_equal(nr_applied(), 1);
	assert_true(target_was_span(code, true));
	assert_int_equal(revert("b"), 0);
	expect_as_before();
}

static void a_replacement_that_fails_leaves_the_old_patch(void **state)
{
	struct patch a = make_patch("a", 3, 100, NULL), b = make_patch("b", 6, 200, "a");

	(void)state;
	assert_int_equal(apply(&a), 0);
	opts.timeout_ms = 300;
	target_hold(1, TARGET_STAYS_OLD);
	assert_int_equal(apply(&b), -ETIMEDOUT);
	assert_int_equal(call(0), 100);
	assert_int_equal(call(1), 101);
	assert_int_equal(call(2), 2);
	assert_int_equal(nr_applied(), 1);
	assert_int_equal(target_views(), 0);
}

static void what_is_under_another_patch_is_not_replaced(void **state)
{
	struct patch a = make_patch("a", 3, 100, NULL), b = make_patch("b", 1, 200, NULL);
	struct patch c = make_patch("c", 2, 300, "a");

	(void)state;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(apply(&b), 0);
	assert_int_equal(apply(&c), -EBUSY);
	assert_non_null(strstr(err, "b lies over it"));
	assert_int_equal(call(0), 200);
	assert_int_equal(call(1), 101);
}

static void a_reverted_image_that_is_pointed_to_stays_until_it_is_not(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL);

	(void)state;
	assert_int_equal(apply(&a), 0);
	pointer = 0x1230;
	assert_int_equal(revert("a"), 0);
	assert_int_equal(call(0), 0);
	assert_int_equal(applied(0)->active, 0);
	assert_int_equal(target_mapped(), 3);
	assert_int_equal(revert("a"), -EBUSY);
	assert_non_null(strstr(err, "0x1230"));
	/* Applied again beside it, the new one is meant. */
	assert_int_equal(apply(&a), 0);
	assert_int_equal(call(0), 100);
	pointer = 0;
	assert_int_equal(revert("a"), 0);
	assert_int_equal(call(0), 0);
	assert_int_equal(revert("a"), 0);
	expect_as_before();
}

static void code_that_something_else_changed_is_not_reverted(void **state)
{
	struct patch a = make_patch("a", 1, 100, NULL), b = make_patch("b", 2, 200, NULL);
	struct patch both = make_patch("both", 3, 300, NULL);

	(void)state;
	assert_int_equal(apply(&a), 0);
	assert_int_equal(apply(&both), 0);
	make_function(code, 0);
	assert_int_equal(revert("both"), -EILSEQ);
	assert_non_null(strstr(err, "zero"));
	assert_int_equal(call(1), 301);
	(void)b;
}

static void code_ends_where_only_zeros_follow(void **state)
{
	unsigned char text[64] = { 0 };

	(void)state;
	assert_int_equal(wf_text_len(text, 0), 0);
	assert_int_equal(wf_text_len(text, 64), 8);
	text[9] = 0xc3;
	/* A constant at the end may have been zeros. */
	assert_int_equal(wf_text_len(text, 64), 18);
	text[60] = 0xc3;
	assert_int_equal(wf_text_len(text, 64), 64);
}

static void a_header_that_leads_out_of_itself_is_not_believed(void **state)
{
	struct patch a = make_patch("a", 3, 100, NULL);
	struct wf_header *header;
	struct wfpatch_applied *list = NULL;
	uint64_t values[] = { 0, 1, 8, 255, 4096, 4088, 1UL << 32, ~0UL, ~7UL, 1UL << 63 }, saved;
	unsigned int nr, i, j, refused = 0;
	uint64_t *word;

	(void)state;
	assert_int_equal(apply(&a), 0);
	header = (void *)(uintptr_t)applied(0)->start;
	assert_int_equal(mprotect(header, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	for (i = 1; i < sizeof(*header) / 8; i++) {
		word = (uint64_t *)header + i;
		saved = *word;
		for (j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			*word = values[j];
			if (wfpatch_applied(getpid(), &list, &nr, err, sizeof(err)))
				refused++;
			else
				wfpatch_applied_free(list, nr);
		}
		*word = saved;
	}
	assert_true(refused > 40);
	assert_int_equal(nr_applied(), 1);
}

/* --- for tool_test ----------------------------------------------------------------------------- */

/*
 * Be a process with patches: "a" is taken over in part by "b", "c" is reverted and kept. Says its
 * process id and waits until its standard input ends.
 */
static int hold(void)
{
	struct patch a = make_patch("a", 3, 100, NULL), b = make_patch("b", 2, 200, NULL);
	struct patch c = make_patch("c", 4, 300, NULL);
	char byte;

	setup(NULL);
	assert_int_equal(apply(&c), 0);
	pointer = 1;
	assert_int_equal(revert("c"), 0);
	assert_int_equal(apply(&a), 0);
	assert_int_equal(apply(&b), 0);
	printf("%d\n", getpid());
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(apply_leads_calls_to_the_patch_and_leaves_no_view),
		TEST(revert_puts_everything_back_by_name_or_id),
		TEST(each_request_that_fails_leaves_all_or_nothing),
		TEST(each_request_of_a_revert_that_fails_leaves_all_or_nothing),
		TEST(a_process_that_ends_at_any_step_is_told_as_such),
		TEST(a_signal_in_a_request_is_no_failure),
		TEST(a_dry_run_asks_the_kernel_for_nothing),
		TEST(an_unfit_patch_changes_nothing),
		TEST(unknown_flags_and_processes_are_refused),
		TEST(a_taken_place_makes_it_choose_another),
		TEST(code_that_changes_meanwhile_stops_it),
		TEST(a_thread_that_stays_makes_it_time_out_and_be_taken_back),
		TEST(what_threads_may_point_to_stays_after_a_timeout),
		TEST(threads_that_do_not_go_back_keep_what_they_run),
		TEST(progress_is_shown_and_may_cancel),
		TEST(a_thread_born_at_the_end_is_waited_for),
		TEST(a_transition_that_ends_slowly_is_not_begun_again),
		TEST(threads_born_all_the_time_end_in_a_timeout),
		TEST(lost_events_lose_nothing_but_time),
		TEST(explicit_transitions_have_no_spans),
		TEST(a_process_that_has_a_view_is_left_alone),
		TEST(the_same_patch_is_not_applied_twice),
		TEST(patches_stack_and_come_off_from_the_top),
		TEST(patches_of_different_functions_come_off_in_any_order),
		TEST(a_patch_takes_the_place_of_another_in_one_step),
		TEST(a_replacement_that_fails_leaves_the_old_patch),
		TEST(what_is_under_another_patch_is_not_replaced),
		TEST(a_reverted_image_that_is_pointed_to_stays_until_it_is_not),
		TEST(code_that_something_else_changed_is_not_reverted),
		TEST(code_ends_where_only_zeros_follow),
		TEST(a_header_that_leads_out_of_itself_is_not_believed),
	};

	if (argc == 2 && !strcmp(argv[1], "--hold"))
		return hold();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
