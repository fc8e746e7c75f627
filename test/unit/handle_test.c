// SPDX-License-Identifier: GPL-2.0
/* Tests of handles, requests and events of libwfpatch, against the fake kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "fake.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void open_takes_the_device_without_blocking_and_not_across_exec(void **state)
{
	struct wfpatch *handle = fake_open();

	(void)state;
	assert_string_equal(fake_last_path(), "/dev/wfpatch");
	assert_int_equal(fake_last_flags(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_int_equal(wfpatch_status(handle)->seq, 1);
	assert_true(wfpatch_fd(handle) >= 0);
	wfpatch_close(handle);
}

static void open_of_a_missing_device_fails_and_leaves_nothing(void **state)
{
	struct wfpatch *handle = (void *)state;
	WFPATCH_OPTS(wfpatch_open_opts, opts, .path = FAKE_PATH "-missing");

	assert_int_equal(wfpatch_open(&handle, &opts), -ENOENT);
	assert_string_equal(fake_last_path(), FAKE_PATH "-missing");
	assert_ptr_equal(handle, state);
	assert_int_equal(fake_open_handles(), 0);
}

static void open_says_what_is_wrong(void **state)
{
	static const struct {
		int error;
		const char *says;
	} cases[] = {
		{ EPROTONOSUPPORT, "too old for the loaded module" },
		{ EIO, "cannot be opened: Input/output error" },
	};
	char message[200];
	struct wfpatch *handle = NULL;
	WFPATCH_OPTS(wfpatch_open_opts, opts, .message = message, .message_size = sizeof(message));
	size_t i;

	(void)state;
	opts.path = FAKE_PATH "-missing";
	assert_int_equal(wfpatch_open(&handle, &opts), -ENOENT);
	assert_non_null(strstr(message, "no device " FAKE_PATH "-missing: the module is not"));
	opts.path = NULL;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_fail(WFPATCH_IOC_INFO, cases[i].error, 1);
		assert_int_equal(wfpatch_open(&handle, &opts), -cases[i].error);
		assert_non_null(strstr(message, cases[i].says));
		assert_int_equal(fake_open_handles(), 0);
	}
	/* No more than there is room for. */
	memset(message, 'x', sizeof(message));
	opts.message_size = 10;
	fake_fail(WFPATCH_IOC_INFO, EIO, 1);
	assert_int_equal(wfpatch_open(&handle, &opts), -EIO);
	assert_int_equal(strlen(message), 9);
	assert_int_equal(message[10], 'x');
	opts.message_size = 0;
	fake_fail(WFPATCH_IOC_INFO, EIO, 1);
	assert_int_equal(wfpatch_open(&handle, &opts), -EIO);
	assert_null(handle);
}

static void library_and_module_compare_their_versions(void **state)
{
	char message[200];
	struct wfpatch *handle = NULL;
	WFPATCH_OPTS(wfpatch_open_opts, opts, .message = message, .message_size = sizeof(message));
	const struct wfpatch_info *sent;

	(void)state;
	fake_api_version(0);
	assert_int_equal(wfpatch_open(&handle, &opts), -EOPNOTSUPP);
	assert_non_null(strstr(message, "module is too old"));
	assert_null(handle);
	assert_int_equal(fake_open_handles(), 0);
	sent = fake_last_request();
	assert_int_equal(sent->caller_version, WFPATCH_API_VERSION);
	/* A later module serves this library as far as it knows. */
	fake_api_version(WFPATCH_API_VERSION + 1);
	assert_int_equal(wfpatch_open(&handle, &opts), 0);
	wfpatch_close(handle);
}

static void open_without_a_status_page_fails_and_leaves_nothing(void **state)
{
	struct wfpatch *handle = NULL;
	unsigned int after;

	(void)state;
	/* The handle's own page, then the process's. */
	for (after = 0; after < 2; after++) {
		fake_fail_mmap(ENOMEM, after);
		assert_int_equal(wfpatch_open(&handle, NULL), -ENOMEM);
		assert_null(handle);
		assert_int_equal(fake_open_handles(), 0);
		/* There is something to read where the page was to be. */
		assert_int_equal(wfpatch_status_page.status.seq, 0);
	}
}

static void options_of_another_size_are_understood_or_refused(void **state)
{
	struct {
		struct wfpatch_open_opts known;
		long unknown;
	} opts = { .known = { .sz = sizeof(opts) } };
	struct wfpatch *handle;

	(void)state;
	assert_int_equal(wfpatch_open(&handle, &opts.known), 0);
	wfpatch_close(handle);
	opts.unknown = 1;
	assert_int_equal(wfpatch_open(&handle, &opts.known), -E2BIG);
	/* One from before there were flags. */
	opts.known.sz = offsetof(struct wfpatch_open_opts, flags);
	opts.known.flags = ~0U;
	assert_int_equal(wfpatch_open(&handle, &opts.known), 0);
	wfpatch_close(handle);
	opts.known.sz = sizeof(size_t) - 1;
	assert_int_equal(wfpatch_open(&handle, &opts.known), -EINVAL);
}

static void unknown_flags_are_refused(void **state)
{
	WFPATCH_OPTS(wfpatch_open_opts, opts, .flags = 1U << 31);
	struct wfpatch *handle;

	(void)state;
	assert_int_equal(wfpatch_open(&handle, &opts), -EINVAL);
	opts.flags = 0;
	opts.reserved = 1;
	assert_int_equal(wfpatch_open(&handle, &opts), -EINVAL);
}

static void close_gives_the_page_and_the_descriptor_back(void **state)
{
	struct wfpatch *handle = fake_open();
	void *page = (void *)(uintptr_t)wfpatch_status(handle);

	(void)state;
	errno = EXDEV;
	wfpatch_close(handle);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(fake_open_handles(), 0);
	assert_int_equal(msync(page, 4096, MS_ASYNC), -1);
	wfpatch_close(NULL);
}

/* What a call sends: its number, and its struct byte for byte. */
#define SENDS(call, result, name, type, ...)                                                       \
	do {                                                                                       \
		struct type sent = { .size = sizeof(sent), __VA_ARGS__ };                          \
		unsigned int before = fake_requests(WFPATCH_IOC_##name);                           \
		assert_int_equal(call, result);                                                    \
		assert_int_equal(fake_requests(WFPATCH_IOC_##name), before + 1);                   \
		assert_memory_equal(fake_last_request(), &sent, sizeof(sent));                     \
	} while (0)

static void each_call_sends_its_request(void **state)
{
	struct wfpatch *h = fake_open();
	struct wfpatch_span spans[2] = { 0 };
	WFPATCH_OPTS(wfpatch_map_opts, near, .distance = 1 << 30, .flags = WFPATCH_MAP_NEAR);
	void *addr = (void *)0x7f0000001000;
	struct wfpatch_blocked_info blocked;
	struct wfpatch_info info;
	unsigned int view, total;

	(void)state;
	memset(&info, 0xff, sizeof(info));
	SENDS(wfpatch_info(h, &info), 0, INFO, wfpatch_info,
	      .caller_version = WFPATCH_API_VERSION);
	SENDS(wfpatch_pin(h, addr, 8192), 0, PIN, wfpatch_range, .addr = (uintptr_t)addr,
	      .len = 8192);
	SENDS(wfpatch_unpin(h, addr, 4096), 0, UNPIN, wfpatch_range, .addr = (uintptr_t)addr,
	      .len = 4096);
	SENDS(wfpatch_view_create(h, 0, &view), 0, VIEW_CREATE, wfpatch_view_create, .parent = 0);
	SENDS(wfpatch_view_create(h, view, &view), 0, VIEW_CREATE, wfpatch_view_create,
	      .parent = 1);
	SENDS(wfpatch_view_migrate(h, view, NULL), 0, VIEW_MIGRATE, wfpatch_view_migrate,
	      .view = 2);
	SENDS(wfpatch_view_delete(h, 1), 0, VIEW_DELETE, wfpatch_view_delete, .view = 1);
	SENDS(wfpatch_view_current(h, &view), 0, VIEW_CURRENT, wfpatch_view_current, .view = 0);
	SENDS(wfpatch_view_commit(h, 2), -EOPNOTSUPP, VIEW_COMMIT, wfpatch_view_commit, .view = 2);
	SENDS(wfpatch_transition(h, 2, 0, NULL, 0), 0, TRANSITION, wfpatch_transition, .view = 2);
	SENDS(wfpatch_transition(h, 2, WFPATCH_TRANSITION_AUTO, spans, 2), -EOPNOTSUPP, TRANSITION,
	      wfpatch_transition, .flags = WFPATCH_TRANSITION_AUTO, .view = 2, .nr_ranges = 2,
	      .ranges = (uintptr_t)spans);
	SENDS(wfpatch_map(h, 5, &addr, 4096, PROT_EXEC, 1ULL << 40, NULL), 0, MAP, wfpatch_map,
	      .fd = 5, .prot = PROT_EXEC, .addr = (uintptr_t)addr, .len = 4096,
	      .offset = 1ULL << 40);
	assert_ptr_equal(addr, (void *)0x7f0000001000);
	SENDS(wfpatch_map(h, 5, &addr, 4096, PROT_READ, 0, &near), 0, MAP, wfpatch_map,
	      .flags = WFPATCH_MAP_NEAR, .fd = 5, .prot = PROT_READ, .addr = 0x7f0000001000,
	      .len = 4096, .distance = 1 << 30);
	assert_ptr_equal(addr, (void *)0x7f0000002000);
	SENDS(wfpatch_unmap(h, addr, 8192), 0, UNMAP, wfpatch_unmap, .addr = (uintptr_t)addr,
	      .len = 8192);
	SENDS(wfpatch_list_blocked(h, &blocked, 1, &total), 0, LIST_BLOCKED, wfpatch_list, .nr = 1,
	      .entries = (uintptr_t)&blocked);
	wfpatch_view_migrate(h, 0, NULL);
	wfpatch_close(h);
}

static void a_handle_is_attached_before_it_is_used(void **state)
{
	WFPATCH_OPTS(wfpatch_open_opts, opts, .flags = WFPATCH_OPEN_NO_QUIESCE);
	struct wfpatch_info info;
	unsigned int view;
	struct wfpatch *h;

	(void)state;
	h = fake_open();
	assert_int_equal(wfpatch_attach(h, 7), -EINVAL);
	assert_int_equal(fake_requests(WFPATCH_IOC_ATTACH), 0);
	wfpatch_close(h);

	assert_int_equal(wfpatch_open(&h, &opts), 0);
	assert_int_equal(wfpatch_info(h, &info), 0);
	SENDS(wfpatch_attach(h, 7), 0, ATTACH, wfpatch_attach, .pidfd = 7);
	assert_int_equal(wfpatch_attach(h, 7), -EBUSY);
	assert_int_equal(wfpatch_view_create(h, 0, &view), 0);
	assert_int_equal(wfpatch_view_migrate(h, view, NULL), -EOPNOTSUPP);
	wfpatch_close(h);

	assert_int_equal(wfpatch_open(&h, &opts), 0);
	assert_non_null(wfpatch_status(h));
	assert_int_equal(wfpatch_attach(h, 7), -EBUSY);
	wfpatch_close(h);
}

/* The patcher's threads are not the process's: they are not waited for, and follow nothing. */
static void the_patcher_of_another_process_stays_where_it_is(void **state)
{
	WFPATCH_OPTS(wfpatch_open_opts, opts, .flags = WFPATCH_OPEN_NO_QUIESCE);
	WFPATCH_OPTS(wfpatch_wait_opts, soon, .timeout_ms = 20);
	char message[100] = "";
	WFPATCH_OPTS(wfpatch_redirect_opts, redirect, .err = message, .err_size = sizeof(message));
	unsigned int view;
	struct wfpatch *h;

	(void)state;
	assert_int_equal(wfpatch_open(&h, &opts), 0);
	assert_int_equal(wfpatch_attach(h, 7), 0);
	assert_int_equal(wfpatch_begin(h, &view), 0);
	fake_add_thread(1000, 0);
	assert_int_equal(wfpatch_switch(h, view, &soon), -ETIMEDOUT);
	assert_int_equal(wfpatch_switch(h, 0, &soon), 0);
	assert_int_equal(fake_requests(WFPATCH_IOC_VIEW_MIGRATE), 0);
	assert_int_equal(wfpatch_redirect(h, view, (void *)fake_open, (void *)fake_reset,
					  &redirect),
			 -EOPNOTSUPP);
	assert_non_null(strstr(message, "another process"));
	wfpatch_close(h);
}

static void a_status_page_that_cannot_be_mapped_is_none(void **state)
{
	WFPATCH_OPTS(wfpatch_open_opts, opts, .flags = WFPATCH_OPEN_NO_QUIESCE);
	struct wfpatch *h;
	unsigned int view;

	(void)state;
	fake_fail_mmap(ENOMEM, 0);
	assert_int_equal(wfpatch_open(&h, &opts), 0);
	assert_null(wfpatch_status(h));
	assert_non_null(wfpatch_status(h));
	wfpatch_close(h);
	fake_fail_mmap(ENOMEM, 0);
	assert_int_equal(wfpatch_open(&h, &opts), 0);
	assert_int_equal(wfpatch_begin(h, &view), -ENOMEM);
	wfpatch_close(h);
}

static void answers_arrive(void **state)
{
	struct wfpatch *h = fake_open();
	unsigned int view, current, previous;
	struct wfpatch_info info;

	(void)state;
	assert_int_equal(wfpatch_info(h, &info), 0);
	assert_int_equal(info.api_version, WFPATCH_API_VERSION);
	assert_int_equal(info.max_views, 31);
	assert_int_equal(wfpatch_view_create(h, 0, &view), 0);
	assert_int_equal(view, 1);
	assert_int_equal(wfpatch_view_migrate(h, view, &previous), 0);
	assert_int_equal(previous, 0);
	assert_int_equal(wfpatch_view_current(h, &current), 0);
	assert_int_equal(current, view);
	assert_int_equal(wfpatch_view_migrate(h, 0, &previous), 0);
	assert_int_equal(previous, view);
	wfpatch_close(h);
}

static void errors_leave_answers_alone(void **state)
{
	struct wfpatch *h = fake_open();
	unsigned int answer = 77;

	(void)state;
	assert_int_equal(wfpatch_view_create(h, 9, &answer), -ENOENT);
	assert_int_equal(wfpatch_view_migrate(h, 9, &answer), -ENOENT);
	fake_fail(WFPATCH_IOC_VIEW_CURRENT, ESRCH, 1);
	assert_int_equal(wfpatch_view_current(h, &answer), -ESRCH);
	fake_fail(WFPATCH_IOC_LIST_THREADS, ENOMEM, 1);
	assert_int_equal(wfpatch_list_threads(h, NULL, 0, &answer), -ENOMEM);
	assert_int_equal(answer, 77);
	wfpatch_close(h);
}

static void memory_of_a_view_is_written_and_read(void **state)
{
	static char text[10] = "base base";
	struct wfpatch *h = fake_open();
	char a[5] = "", b[5] = "";
	struct wfpatch_seg segs[2] = {
		{ (uintptr_t)text, (uintptr_t)"VIEW", 4 },
		{ (uintptr_t)text + 5, (uintptr_t)"view", 4 },
	};
	unsigned int view;

	(void)state;
	assert_int_equal(wfpatch_view_create(h, 0, &view), 0);
	assert_int_equal(wfpatch_view_writev(h, view, segs, 2), 0);
	segs[0].data = (uintptr_t)a;
	segs[1].data = (uintptr_t)b;
	assert_int_equal(wfpatch_view_readv(h, view, segs, 2), 0);
	assert_string_equal(a, "VIEW");
	assert_string_equal(b, "view");
	assert_int_equal(wfpatch_view_write(h, view, text + 4, "-", 1), 0);
	assert_int_equal(wfpatch_view_read(h, view, text + 2, a, 4), 0);
	assert_string_equal(a, "EW-v");
	assert_int_equal(wfpatch_view_read(h, 0, text + 2, a, 4), 0);
	assert_string_equal(a, "se b");
	assert_int_equal(wfpatch_view_write(h, view, text, "", 0), -EINVAL);
	assert_int_equal(wfpatch_view_read(h, view, text, a, 0), -EINVAL);
	wfpatch_close(h);
}

static void lists_say_how_much_there_is_when_they_are_cut(void **state)
{
	struct wfpatch_view_info views[4];
	struct wfpatch_thread_info threads[4];
	struct wfpatch *h = fake_open();
	unsigned int view, total = 0;

	(void)state;
	fake_add_thread(10, 0);
	fake_add_thread(11, 0);
	wfpatch_view_create(h, 0, &view);
	wfpatch_view_create(h, view, &view);
	assert_int_equal(wfpatch_list_views(h, views, 4, &total), 0);
	assert_int_equal(total, 3);
	assert_int_equal(views[2].view, 2);
	assert_int_equal(views[2].parent, 1);
	memset(views, 0xff, sizeof(views));
	assert_int_equal(wfpatch_list_views(h, views, 1, &total), 0);
	assert_int_equal(total, 3);
	assert_int_equal(views[1].view, ~0U);
	assert_int_equal(wfpatch_list_threads(h, threads, 4, &total), 0);
	assert_int_equal(total, 2);
	assert_int_equal(threads[1].tid, 11);
	total = 0;
	assert_int_equal(wfpatch_list_threads(h, NULL, 0, &total), 0);
	assert_int_equal(total, 2);
	wfpatch_close(h);
}

static void events_come_in_order_and_to_every_handle(void **state)
{
	struct wfpatch *a = fake_open(), *b = fake_open();
	struct wfpatch_event event;
	int i;

	(void)state;
	for (i = 1; i <= 3; i++)
		fake_send((struct wfpatch_event){ .type = WFPATCH_EVENT_FREED, .view = i });
	for (i = 1; i <= 3; i++) {
		assert_int_equal(wfpatch_next_event(a, &event, 0), 0);
		assert_int_equal(event.view, i);
	}
	assert_int_equal(wfpatch_next_event(a, &event, 0), -EAGAIN);
	assert_int_equal(wfpatch_next_event(b, &event, -1), 0);
	assert_int_equal(event.view, 1);
	wfpatch_close(a);
	wfpatch_close(b);
}

static void send_one(void)
{
	fake_send((struct wfpatch_event){ .type = WFPATCH_EVENT_FREED, .view = 5 });
}

static void waiting_for_an_event_ends_with_it_or_in_time(void **state)
{
	struct wfpatch *h = fake_open();
	struct wfpatch_event event;
	int64_t start = now_ms();

	(void)state;
	assert_int_equal(wfpatch_next_event(h, &event, 30), -EAGAIN);
	assert_true(now_ms() - start >= 29);
	fake_on_poll(send_one);
	assert_int_equal(wfpatch_next_event(h, &event, -1), 0);
	assert_int_equal(event.view, 5);
	wfpatch_close(h);
}

static void send_and_steal(void)
{
	send_one();
	fake_steal_event();
}

static void another_reader_may_be_faster_but_time_goes_on(void **state)
{
	struct wfpatch *h = fake_open();
	struct wfpatch_event event;
	int64_t start;

	(void)state;
	send_and_steal();
	fake_on_poll(send_one);
	assert_int_equal(wfpatch_next_event(h, &event, 1000), 0);
	fake_on_poll(send_and_steal);
	start = now_ms();
	assert_int_equal(wfpatch_next_event(h, &event, 30), -EAGAIN);
	assert_true(now_ms() - start >= 29);
	wfpatch_close(h);
}

static void waiting_for_an_event_of_a_process_that_is_gone_ends(void **state)
{
	struct wfpatch *h = fake_open();
	struct wfpatch_event event;

	(void)state;
	fake_hang_up();
	assert_int_equal(wfpatch_next_event(h, &event, -1), -ESRCH);
	/* What is still there is read first. */
	send_one();
	assert_int_equal(wfpatch_next_event(h, &event, -1), 0);
	wfpatch_close(h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_reset, fake_check)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_takes_the_device_without_blocking_and_not_across_exec),
		TEST(open_of_a_missing_device_fails_and_leaves_nothing),
		TEST(open_says_what_is_wrong),
		TEST(library_and_module_compare_their_versions),
		TEST(open_without_a_status_page_fails_and_leaves_nothing),
		TEST(options_of_another_size_are_understood_or_refused),
		TEST(unknown_flags_are_refused),
		TEST(close_gives_the_page_and_the_descriptor_back),
		TEST(each_call_sends_its_request),
		TEST(a_handle_is_attached_before_it_is_used),
		TEST(the_patcher_of_another_process_stays_where_it_is),
		TEST(a_status_page_that_cannot_be_mapped_is_none),
		TEST(answers_arrive),
		TEST(errors_leave_answers_alone),
		TEST(memory_of_a_view_is_written_and_read),
		TEST(lists_say_how_much_there_is_when_they_are_cut),
		TEST(events_come_in_order_and_to_every_handle),
		TEST(waiting_for_an_event_ends_with_it_or_in_time),
		TEST(another_reader_may_be_faster_but_time_goes_on),
		TEST(waiting_for_an_event_of_a_process_that_is_gone_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
