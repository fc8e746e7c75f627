// SPDX-License-Identifier: GPL-2.0
/* Tests of wfpatch_quiesce() and of the page that it looks at, against the fake kernel. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fake.h"

#define MIGRATIONS fake_requests(WFPATCH_IOC_VIEW_MIGRATE)
#define SEQ (wfpatch_status_page.status.seq)

static struct wfpatch *handle;
static unsigned int view;

static void make_view(void)
{
	assert_int_equal(wfpatch_view_create(handle, 0, &view), 0);
}

static void nothing_is_asked_without_a_handle(void **state)
{
	int i;

	(void)state;
	assert_int_equal(SEQ, 0);
	for (i = 0; i < 1000; i++)
		wfpatch_quiesce();
	assert_int_equal(MIGRATIONS, 0);
}

static void a_thread_follows_each_transition_once(void **state)
{
	int i;

	(void)state;
	handle = fake_open();
	make_view();
	wfpatch_quiesce();
	assert_int_equal(MIGRATIONS, 1);
	assert_int_equal(fake_current_view(), 0);
	fake_transition(view);
	for (i = 0; i < 1000; i++)
		wfpatch_quiesce();
	assert_int_equal(MIGRATIONS, 2);
	assert_int_equal(fake_current_view(), view);
	fake_transition(0);
	wfpatch_quiesce();
	wfpatch_quiesce();
	assert_int_equal(MIGRATIONS, 3);
	assert_int_equal(fake_current_view(), 0);
	wfpatch_close(handle);
}

static void *follow(void *arg)
{
	wfpatch_quiesce();
	*(unsigned int *)arg = fake_current_view();
	return NULL;
}

static void each_thread_follows_for_itself(void **state)
{
	unsigned int seen[2] = { 99, 99 };
	pthread_t thread;
	int i;

	(void)state;
	handle = fake_open();
	make_view();
	fake_transition(view);
	for (i = 0; i < 2; i++) {
		pthread_create(&thread, NULL, follow, &seen[i]);
		pthread_join(thread, NULL);
		assert_int_equal(seen[i], view);
	}
	assert_int_equal(MIGRATIONS, 2);
	assert_int_equal(fake_current_view(), 0);
	wfpatch_close(handle);
}

static void errno_is_kept(void **state)
{
	(void)state;
	handle = fake_open();
	errno = EXDEV;
	fake_fail(WFPATCH_IOC_VIEW_MIGRATE, ENOMEM, 1);
	wfpatch_quiesce();
	assert_int_equal(errno, EXDEV);
	wfpatch_quiesce();
	assert_int_equal(errno, EXDEV);
	wfpatch_close(handle);
}

static void without_memory_it_tries_again_at_the_next_point(void **state)
{
	(void)state;
	handle = fake_open();
	make_view();
	fake_transition(view);
	fake_fail(WFPATCH_IOC_VIEW_MIGRATE, ENOMEM, 2);
	wfpatch_quiesce();
	wfpatch_quiesce();
	assert_int_equal(fake_current_view(), 0);
	wfpatch_quiesce();
	assert_int_equal(fake_current_view(), view);
	wfpatch_quiesce();
	assert_int_equal(MIGRATIONS, 3);
	wfpatch_close(handle);
}

static unsigned int newer;

static void replace_target(void)
{
	fake_transition(newer);
	wfpatch_view_delete(handle, view);
}

static void a_target_replaced_meanwhile_is_not_missed(void **state)
{
	(void)state;
	handle = fake_open();
	make_view();
	newer = view;
	make_view();
	fake_transition(view);
	/* Between reading the target and asking for it. */
	fake_before(WFPATCH_IOC_VIEW_MIGRATE, replace_target);
	wfpatch_quiesce();
	assert_int_equal(fake_current_view(), newer);
	wfpatch_close(handle);
}

static void a_target_that_is_gone_is_asked_for_once(void **state)
{
	(void)state;
	handle = fake_open();
	make_view();
	newer = view;
	make_view();
	/* As after a transition that has ended. */
	fake_status()->target = view + 1;
	fake_status()->seq++;
	wfpatch_quiesce();
	wfpatch_quiesce();
	assert_int_equal(MIGRATIONS, 1);
	fake_transition(newer);
	wfpatch_quiesce();
	assert_int_equal(fake_current_view(), newer);
	wfpatch_close(handle);
}

static void after_close_nothing_is_asked(void **state)
{
	(void)state;
	handle = fake_open();
	wfpatch_quiesce();
	make_view();
	fake_transition(view);
	wfpatch_close(handle);
	wfpatch_quiesce();
	assert_int_equal(MIGRATIONS, 1);
	/* Nothing of the kernel's is mapped: what it does is not seen. */
	fake_transition(0);
	assert_int_equal(SEQ, 0);
}

static sem_t let_go, passed;

static void *pass_twice(void *arg)
{
	wfpatch_quiesce();
	sem_post(&passed);
	sem_wait(&let_go);
	wfpatch_quiesce();
	*(unsigned int *)arg = fake_current_view();
	return NULL;
}

static void a_thread_that_slept_through_close_and_open_follows(void **state)
{
	unsigned int seen = 99, seq;
	pthread_t thread;

	(void)state;
	sem_init(&let_go, 0, 0);
	sem_init(&passed, 0, 0);
	handle = fake_open();
	fake_transition(0);
	fake_transition(0);
	pthread_create(&thread, NULL, pass_twice, &seen);
	sem_wait(&passed);
	seq = SEQ;
	wfpatch_close(handle);

	/* The kernel begins at 1 again, and would now come to the number that the thread has seen. */
	handle = fake_open();
	make_view();
	while (SEQ + 1 < seq)
		fake_transition(0);
	fake_transition(view);
	sem_post(&let_go);
	pthread_join(thread, NULL);
	assert_int_equal(seen, view);
	wfpatch_close(handle);
}

static void opening_again_leaves_no_events_of_its_own(void **state)
{
	struct wfpatch_event event;

	(void)state;
	handle = fake_open();
	fake_transition(0);
	wfpatch_close(handle);
	handle = fake_open();
	assert_int_equal(wfpatch_next_event(handle, &event, 0), -EAGAIN);
	wfpatch_close(handle);
}

static void a_second_handle_takes_over(void **state)
{
	struct wfpatch *second, *third;

	(void)state;
	handle = fake_open();
	second = fake_open();
	third = fake_open();
	make_view();
	fake_transition(view);
	wfpatch_quiesce();
	assert_int_equal(MIGRATIONS, 1);
	wfpatch_close(second);
	wfpatch_close(handle);
	fake_transition(0);
	wfpatch_quiesce();
	assert_int_equal(MIGRATIONS, 2);
	assert_int_equal(fake_current_view(), 0);
	wfpatch_close(third);
	assert_int_equal(SEQ, 0);
}

static void a_handle_may_keep_out(void **state)
{
	WFPATCH_OPTS(wfpatch_open_opts, opts, .flags = WFPATCH_OPEN_NO_QUIESCE);

	(void)state;
	assert_int_equal(wfpatch_open(&handle, &opts), 0);
	make_view();
	fake_transition(view);
	wfpatch_quiesce();
	assert_int_equal(SEQ, 0);
	assert_int_equal(MIGRATIONS, 0);
	assert_int_equal(wfpatch_status(handle)->target, view);
	wfpatch_close(handle);
}

/* Assertions do not work in a child: it tells what went wrong by its status. */
static int child_goes_on_alone(void)
{
	unsigned int asked, i, own;
	struct wfpatch *mine;

	wfpatch_quiesce();
	if (SEQ)
		return 1;
	asked = MIGRATIONS;
	for (i = 0; i < 10; i++)
		wfpatch_quiesce();
	if (MIGRATIONS != asked)
		return 2;
	if (wfpatch_view_create(handle, 0, &own) != -EPERM)
		return 3;
	if (wfpatch_open(&mine, NULL) || wfpatch_view_create(mine, 0, &own))
		return 4;
	if (wfpatch_transition(mine, own, 0, NULL, 0))
		return 5;
	wfpatch_quiesce();
	if (fake_current_view() != own)
		return 6;
	/* The parent's, as far as the child has it, does not end its own. */
	wfpatch_close(handle);
	if (wfpatch_transition(mine, 0, 0, NULL, 0))
		return 7;
	wfpatch_quiesce();
	if (fake_current_view() != 0)
		return 8;
	wfpatch_close(mine);
	return SEQ ? 9 : 0;
}

static void check_child(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);

	/* Nothing has changed for the parent. */
	make_view();
	fake_transition(view);
	wfpatch_quiesce();
	assert_int_equal(fake_current_view(), view);
	wfpatch_close(handle);
}

static void a_forked_child_goes_on_alone(void **state)
{
	pid_t pid;

	(void)state;
	handle = fake_open();
	wfpatch_quiesce();
	pid = fork();
	if (!pid)
		_exit(child_goes_on_alone());
	check_child(pid);
}

/* No fork handler runs; the parent's next transition is what the child notices. */
static void a_child_of_a_raw_clone_goes_on_alone(void **state)
{
	pid_t pid;

	(void)state;
	handle = fake_open();
	wfpatch_quiesce();
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid) {
		fake_status()->seq++;
		_exit(child_goes_on_alone());
	}
	check_child(pid);
}

static void a_child_of_a_raw_clone_can_open_before_it_passes_a_point(void **state)
{
	struct wfpatch *mine;
	pid_t pid;

	(void)state;
	handle = fake_open();
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid) {
		if (wfpatch_open(&mine, NULL) || wfpatch_view_create(mine, 0, &view))
			_exit(1);
		wfpatch_transition(mine, view, 0, NULL, 0);
		wfpatch_quiesce();
		_exit(fake_current_view() == view ? 0 : 2);
	}
	check_child(pid);
}

static void descriptors_closed_behind_its_back_end_it(void **state)
{
	(void)state;
	handle = fake_open();
	wfpatch_quiesce();
	close(wfpatch_fd(handle));
	fake_transition(0);
	wfpatch_quiesce();
	wfpatch_quiesce();
	assert_int_equal(SEQ, 0);
	assert_int_equal(MIGRATIONS, 1);
	wfpatch_close(handle);

	handle = fake_open();
	make_view();
	fake_transition(view);
	wfpatch_quiesce();
	assert_int_equal(fake_current_view(), view);
	wfpatch_close(handle);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_reset, fake_check)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_asked_without_a_handle),
		TEST(a_thread_follows_each_transition_once),
		TEST(each_thread_follows_for_itself),
		TEST(errno_is_kept),
		TEST(without_memory_it_tries_again_at_the_next_point),
		TEST(a_target_replaced_meanwhile_is_not_missed),
		TEST(a_target_that_is_gone_is_asked_for_once),
		TEST(after_close_nothing_is_asked),
		TEST(a_thread_that_slept_through_close_and_open_follows),
		TEST(opening_again_leaves_no_events_of_its_own),
		TEST(a_second_handle_takes_over),
		TEST(a_handle_may_keep_out),
		TEST(a_forked_child_goes_on_alone),
		TEST(a_child_of_a_raw_clone_goes_on_alone),
		TEST(a_child_of_a_raw_clone_can_open_before_it_passes_a_point),
		TEST(descriptors_closed_behind_its_back_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
