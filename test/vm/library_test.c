// SPDX-License-Identifier: GPL-2.0
/* libwfpatch against the real module: a program patches itself while its threads run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../userlib/include/wfpatch.h"
#include "target.h"

#define NR	4

/* Functions with room for a jump, at an address of their own. */
static __attribute__((noinline, aligned(64))) int old_function(int x)
{
	__asm__ volatile("" : "+r"(x) : : "memory");
	x = x * 3 + 1;
	__asm__ volatile("nop; nop; nop; nop; nop; nop; nop; nop" : "+r"(x) : : "memory");
	return x + 1000;
}

static __attribute__((noinline, aligned(64))) int new_function(int x)
{
	__asm__ volatile("" : "+r"(x) : : "memory");
	return x + 2000;
}

static __attribute__((noinline, aligned(64))) int newer_function(int x)
{
	__asm__ volatile("" : "+r"(x) : : "memory");
	return x + 3000;
}

#define OLD	1001
#define NEW	2000
#define NEWER	3000

/* Called through a pointer that the compiler knows nothing of. */
static int (*volatile call_old)(int) = old_function;

struct loop {
	unsigned int stop;
	unsigned int turns[NR];
	int last[NR];
	unsigned int wrong;
	unsigned int stuck;
};

struct member {
	struct loop *loop;
	pthread_t thread;
	int number;
};

static void *run_loop(void *arg)
{
	struct member *m = arg;
	struct loop *loop = m->loop;

	while (!LOAD(loop->stop)) {
		int first = call_old(0), second = call_old(0);

		/* Between two points all code is of one view. */
		if (first != second)
			__atomic_add_fetch(&loop->wrong, 1, __ATOMIC_RELAXED);
		STORE(loop->last[m->number], first);
		__atomic_add_fetch(&loop->turns[m->number], 1, __ATOMIC_RELAXED);
		while (m->number == 0 && LOAD(loop->stuck))
			sleep_ms(5);
		wfpatch_quiesce();
	}
	return NULL;
}

static void start_loop(struct loop *loop, struct member *members)
{
	int i;

	memset(loop, 0, sizeof(*loop));
	for (i = 0; i < NR; i++) {
		members[i] = (struct member){ .loop = loop, .number = i };
		start_thread(&members[i].thread, run_loop, &members[i]);
	}
}

static void check_all(struct loop *loop, int value)
{
	int i;

	for (i = 0; i < NR; i++) {
		unsigned int turns = LOAD(loop->turns[i]);

		WAIT_FOR(LOAD(loop->turns[i]) > turns + 1);
		CHECK_EQ(LOAD(loop->last[i]), value);
	}
	CHECK_EQ(call_old(0), value);
}

static void stop_loop(struct loop *loop, struct member *members)
{
	int i;

	STORE(loop->stop, 1);
	for (i = 0; i < NR; i++)
		join_thread(members[i].thread);
	CHECK_EQ(loop->wrong, 0);
}

static struct wfpatch *open_library(void)
{
	struct wfpatch *handle = NULL;

	CHECK_OK(wfpatch_open(&handle, NULL));
	CHECK(handle);
	return handle;
}

static int count_migrated(const struct wfpatch_event *event, void *data)
{
	if (event->type == WFPATCH_EVENT_MIGRATED)
		++*(int *)data;
	return 0;
}

TEST(a_point_without_a_handle_does_nothing)
{
	int i;

	for (i = 0; i < 1000; i++)
		wfpatch_quiesce();
	CHECK_EQ(current_view(), 0);
}

TEST(a_patch_reaches_every_thread_and_is_undone)
{
	struct wfpatch *handle = open_library();
	struct member members[NR];
	struct loop loop;
	unsigned int view;
	int migrated = 0;

	WFPATCH_OPTS(wfpatch_wait_opts, opts, .on_event = count_migrated, .data = &migrated,
		     .timeout_ms = 30000);
	start_loop(&loop, members);
	check_all(&loop, OLD);
	CHECK_OK(wfpatch_begin(handle, &view));
	CHECK_OK(wfpatch_redirect(handle, view, (void *)old_function, (void *)new_function, NULL));
	check_all(&loop, OLD);
	CHECK_OK(wfpatch_finish(handle, view, &opts));
	CHECK_EQ(migrated, NR + 1);
	check_all(&loop, NEW);
	CHECK_OK(wfpatch_switch(handle, 0, &opts));
	CHECK_EQ(migrated, 2 * (NR + 1));
	check_all(&loop, OLD);
	CHECK_OK(wfpatch_view_delete(handle, view));
	stop_loop(&loop, members);
	wfpatch_close(handle);
}

TEST(a_patch_of_a_patch_takes_the_place_of_the_first)
{
	struct wfpatch *handle = open_library();
	struct member members[NR];
	unsigned int view, total;
	struct loop loop;
	int i;

	start_loop(&loop, members);
	for (i = 0; i < 10; i++) {
		const void *to = i & 1 ? (void *)newer_function : (void *)new_function;

		CHECK_OK(wfpatch_begin(handle, &view));
		if (i)
			CHECK_OK(wfpatch_unredirect(handle, view, (void *)old_function, NULL));
		CHECK_OK(wfpatch_redirect(handle, view, (void *)old_function, to, NULL));
		CHECK_OK(wfpatch_finish(handle, view, NULL));
		check_all(&loop, i & 1 ? NEWER : NEW);
		/* The predecessor is gone. */
		CHECK_OK(wfpatch_list_views(handle, NULL, 0, &total));
		CHECK_EQ(total, 2);
	}
	CHECK_OK(wfpatch_switch(handle, 0, NULL));
	stop_loop(&loop, members);
	wfpatch_close(handle);
}

TEST(a_thread_that_comes_to_no_point_is_waited_for_in_vain)
{
	struct wfpatch *handle = open_library();
	struct member members[NR];
	struct loop loop;
	unsigned int view;

	WFPATCH_OPTS(wfpatch_wait_opts, opts, .timeout_ms = 300);
	start_loop(&loop, members);
	CHECK_OK(wfpatch_begin(handle, &view));
	CHECK_OK(wfpatch_redirect(handle, view, (void *)old_function, (void *)new_function, NULL));
	STORE(loop.stuck, 1);
	sleep_ms(50);
	CHECK_ERROR(wfpatch_finish(handle, view, &opts), ETIMEDOUT);
	CHECK_EQ(call_old(0), NEW);
	CHECK_EQ(LOAD(loop.last[0]), OLD);
	STORE(loop.stuck, 0);
	opts.timeout_ms = 30000;
	CHECK_OK(wfpatch_finish(handle, view, &opts));
	check_all(&loop, NEW);
	stop_loop(&loop, members);
	CHECK_OK(wfpatch_switch(handle, 0, NULL));
	wfpatch_close(handle);
}

TEST(what_cannot_be_redirected_is_refused_and_left)
{
	struct wfpatch *handle = open_library();
	code_fn tiny = make_code(1);
	long *data = map_filled(1);
	char text[200] = "";
	unsigned int view;

	WFPATCH_OPTS(wfpatch_redirect_opts, opts, .old_size = 3, .err = text,
		     .err_size = sizeof(text));
	CHECK_OK(wfpatch_view_create(handle, 0, &view));
	CHECK_ERROR(wfpatch_redirect(handle, view, (void *)old_function, (void *)new_function,
				     &opts), ERANGE);
	CHECK(text[0]);
	opts.old_size = 64;
	CHECK_ERROR(wfpatch_redirect(handle, view, data, (void *)new_function, &opts), ENOEXEC);
	CHECK_ERROR(wfpatch_redirect(handle, view, (void *)tiny, (void *)data, &opts), ENOEXEC);
	CHECK_ERROR(wfpatch_redirect(handle, 0, (void *)tiny, (void *)new_function, &opts), EINVAL);
	CHECK_ERROR(wfpatch_redirect(handle, view + 1, (void *)tiny, (void *)new_function, &opts),
		    ENOENT);
	CHECK_EQ(view_overlays(view), 0);
	CHECK_OK(wfpatch_redirect(handle, view, (void *)old_function, (void *)new_function, NULL));
	CHECK_OK(wfpatch_redirect(handle, view, (void *)old_function, (void *)new_function, NULL));
	CHECK_ERROR(wfpatch_redirect(handle, view, (void *)old_function, (void *)newer_function,
				     NULL), EEXIST);
	CHECK_OK(wfpatch_view_migrate(handle, view, NULL));
	CHECK_EQ(call_old(0), NEW);
	CHECK_ERROR(wfpatch_unredirect(handle, view, (void *)old_function, NULL), EBUSY);
	CHECK_OK(wfpatch_view_migrate(handle, 0, NULL));
	CHECK_EQ(call_old(0), OLD);
	wfpatch_close(handle);
}

/* A function far from all others: a long jump. */
TEST(a_function_far_away_is_jumped_to)
{
	struct wfpatch *handle = open_library();
	code_fn near = make_code(1), far;
	char *place = (char *)0x100000000000UL;
	unsigned int view;

	WFPATCH_OPTS(wfpatch_redirect_opts, opts, .old_size = 64);
	CHECK(mmap(place, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == place);
	memcpy(place, "\xb8\x07\0\0\0\xc3", 6);
	CHECK_EQ(mprotect(place, PAGE, PROT_READ | PROT_EXEC), 0);
	far = (code_fn)(void *)place;
	CHECK_EQ(far(), 7);
	CHECK_OK(wfpatch_view_create(handle, 0, &view));
	CHECK_OK(wfpatch_redirect(handle, view, (void *)near, (void *)far, &opts));
	CHECK_OK(wfpatch_view_migrate(handle, view, NULL));
	CHECK_EQ(near(), 7);
	CHECK_OK(wfpatch_view_migrate(handle, 0, NULL));
	CHECK_EQ(near(), 1);
	wfpatch_close(handle);
}

static void point_in_a_child(void *handle)
{
	int i;

	for (i = 0; i < 100; i++)
		wfpatch_quiesce();
	/* It sees what its parent saw, and goes nowhere. */
	CHECK_EQ(call_old(0), NEW);
	wfpatch_close(handle);
}

TEST(points_in_a_forked_child_do_no_harm)
{
	struct wfpatch *handle = open_library();
	unsigned int view;

	CHECK_OK(wfpatch_begin(handle, &view));
	CHECK_OK(wfpatch_redirect(handle, view, (void *)old_function, (void *)new_function, NULL));
	CHECK_OK(wfpatch_finish(handle, view, NULL));
	CHECK_EQ(call_old(0), NEW);
	child_run(point_in_a_child, handle);
	CHECK_EQ(call_old(0), NEW);
	CHECK_OK(wfpatch_switch(handle, 0, NULL));
	CHECK_EQ(call_old(0), OLD);
	wfpatch_close(handle);
}

TEST(another_process_is_patched_with_an_image_of_its_own)
{
	WFPATCH_OPTS(wfpatch_open_opts, opts, .flags = WFPATCH_OPEN_NO_QUIESCE);
	WFPATCH_OPTS(wfpatch_map_opts, near, .distance = 1 << 30, .flags = WFPATCH_MAP_NEAR);
	int image = CHECK_LIBC(memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	struct wfpatch_blocked_info blocked;
	unsigned char jump[5] = { 0xe9 };
	code_fn code = make_code(1);
	void *place = (void *)code;
	unsigned int view, total;
	struct wfpatch *handle;
	struct target t;
	int32_t distance;

	CHECK_EQ(write(image, "\xb8\x07\0\0\0\xc3", 6), 6);
	CHECK_LIBC(fcntl(image, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
	target_start(&t, NULL, NULL);
	CHECK_OK(wfpatch_open(&handle, &opts));
	CHECK_OK(wfpatch_attach(handle, t.pidfd));
	CHECK_OK(wfpatch_map(handle, image, &place, PAGE, PROT_READ | PROT_EXEC, 0, &near));
	CHECK(place != (void *)code);
	distance = (int32_t)((char *)place - ((char *)(void *)code + 5));
	memcpy(jump + 1, &distance, sizeof(distance));
	CHECK_OK(wfpatch_begin(handle, &view));
	CHECK_OK(wfpatch_view_write(handle, view, (void *)code, jump, sizeof(jump)));
	CHECK_OK(wfpatch_transition(handle, view, 0, NULL, 0));
	CHECK_OK(wfpatch_list_blocked(handle, &blocked, 1, &total));
	CHECK_EQ(wfpatch_status(handle)->target, view);
	CHECK_EQ(target_ask(&t, TARGET_CALL, (void *)code), 1);
	CHECK_OK(target_ask(&t, TARGET_ENTER, (void *)(uintptr_t)view));
	/* This thread is not one of those that are waited for. */
	CHECK_OK(wfpatch_wait(handle, view, NULL));
	CHECK_EQ(target_ask(&t, TARGET_CALL, (void *)code), 7);
	CHECK_EQ(code(), 1);
	CHECK_OK(target_ask(&t, TARGET_ENTER, NULL));
	CHECK_OK(wfpatch_unmap(handle, place, PAGE));
	CHECK_EQ(target_ask(&t, TARGET_CALL, place), -SIGSEGV);
	wfpatch_close(handle);
	target_kill(&t);
}
