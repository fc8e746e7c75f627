// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "auto.h"

/* Each on a page of its own, so that its size is known. */
#ifdef __clang__
#define REPLACED __attribute__((noinline, aligned(4096), section(".text.replaced")))
#else
#define REPLACED __attribute__((noinline, noclone, aligned(4096), section(".text.replaced")))
#endif

#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

REPLACED long old_code(long (*call)(void *arg), void *arg)
{
	if (call)
		call(arg);
	KEEP_FRAME();
	return 1;
}

REPLACED long new_code(long (*call)(void *arg), void *arg)
{
	if (call)
		call(arg);
	KEEP_FRAME();
	return 2;
}

REPLACED long old_pair(void)
{
	long inner = old_code(NULL, NULL);

	KEEP_FRAME();
	return inner == 1 ? 1 : -1;
}

REPLACED long new_pair(void)
{
	long inner = old_code(NULL, NULL);

	KEEP_FRAME();
	return inner == 2 ? 2 : -2;
}

REPLACED long old_deep(int depth, int *flag)
{
	long deeper = 1;

	if (depth)
		deeper = old_deep(depth - 1, flag);
	else
		while (!LOAD(*flag))
			usleep(1000);
	KEEP_FRAME();
	return deeper == 1 ? 1 : -1;
}

REPLACED long new_deep(int depth, int *flag)
{
	long deeper = 2;

	if (depth)
		deeper = old_deep(depth - 1, flag);
	KEEP_FRAME();
	return deeper == 2 ? 2 : -2;
}

REPLACED long old_vforks(int *flag)
{
	if (!vfork()) {
		while (!LOAD(*flag))
			;
		_exit(0);
	}
	KEEP_FRAME();
	return 1;
}

REPLACED long new_vforks(int *flag)
{
	KEEP_FRAME();
	return flag ? 2 : -2;
}

__attribute__((noreturn, noinline)) static void end_here(int *flag)
{
	while (!LOAD(*flag))
		usleep(1000);
	pthread_exit(NULL);
}

/* The call is its last instruction: the return address is that of whatever comes behind it. */
REPLACED void old_last(void *flag)
{
	end_here(flag);
}

REPLACED __attribute__((used)) static void end_of_replaced(void)
{
}

#define PAIRS	4

static const struct {
	void *old;
	void *new;
} pairs[PAIRS] = {
	{ (void *)old_code, (void *)new_code },
	{ (void *)old_pair, (void *)new_pair },
	{ (void *)old_deep, (void *)new_deep },
	{ (void *)old_vforks, (void *)new_vforks },
};

/* Exactly as long as its code: from the call of end_here() nothing follows. */
static uint64_t last_end(void)
{
	const unsigned char *code = (const unsigned char *)(void *)old_last;
	int at;

	for (at = 0; at < 256; at++) {
		int offset;

		memcpy(&offset, code + at + 1, sizeof(offset));
		if (code[at] == 0xe8 && (void *)(code + at + 5 + offset) == (void *)end_here)
			return (uint64_t)(uintptr_t)(code + at + 5);
	}
	FAIL("old_last() does not call end_here()");
}

unsigned int auto_spans(struct wfpatch_span *spans)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		spans[2 * i] = (struct wfpatch_span){
			.start = (uintptr_t)pairs[i].old,
			.end = (uintptr_t)pairs[i].old + 256,
			.flags = WFPATCH_SPAN_ENTRY,
		};
		spans[2 * i + 1] = (struct wfpatch_span){
			.start = (uintptr_t)pairs[i].new,
			.end = (uintptr_t)pairs[i].new + 256,
		};
	}
	spans[2 * PAIRS] = (struct wfpatch_span){
		.start = (uintptr_t)old_last,
		.end = last_end(),
		.flags = WFPATCH_SPAN_ENTRY,
	};
	return 2 * PAIRS + 1;
}

/*
 * Addresses of code must not be left on the stack of a thread that is to be moved: what follows is done
 * on stacks of threads that end.
 */
static void elsewhere(void *(*run)(void *arg), void *arg)
{
	pthread_t thread;

	start_small_thread(&thread, run, arg);
	join_thread(thread);
}

static void *make_view(void *view)
{
	unsigned int i;

	*(uint32_t *)view = new_view(0);
	for (i = 0; i < PAIRS; i++) {
		unsigned char jump[5] = { 0xe9 };
		int offset = (int)((char *)pairs[i].new - ((char *)pairs[i].old + 5));

		memcpy(jump + 1, &offset, sizeof(offset));
		put(*(uint32_t *)view, pairs[i].old, jump, sizeof(jump));
	}
	return NULL;
}

uint32_t auto_view(void)
{
	uint32_t view;

	elsewhere(make_view, &view);
	return view;
}

/* The spans are not on its stack, but may be in its registers until it has called something else. */
long try_auto_here(int fd, uint32_t view)
{
	static struct wfpatch_span spans[2 * PAIRS + 1];
	static struct wfpatch_transition transition;

	transition = (struct wfpatch_transition){
		.size = sizeof(transition),
		.flags = WFPATCH_TRANSITION_AUTO,
		.view = view,
		.nr_ranges = auto_spans(spans),
		.ranges = (uintptr_t)spans,
	};
	return request(fd, WFPATCH_IOC_TRANSITION, &transition);
}

struct auto_request {
	int fd;
	uint32_t view;
	long result;
};

static void *make_request(void *arg)
{
	struct auto_request *request_ = arg;
	struct wfpatch_span spans[2 * PAIRS + 1];
	struct wfpatch_transition transition = {
		.size = sizeof(transition),
		.flags = WFPATCH_TRANSITION_AUTO,
		.view = request_->view,
		.nr_ranges = auto_spans(spans),
		.ranges = (uintptr_t)spans,
	};

	request_->result = request(request_->fd, WFPATCH_IOC_TRANSITION, &transition);
	return NULL;
}

long try_auto(int fd, uint32_t view)
{
	struct auto_request request_ = { .fd = fd, .view = view };

	elsewhere(make_request, &request_);
	return request_.result;
}

long try_commit(int fd, uint32_t view)
{
	struct wfpatch_view_commit commit = { .size = sizeof(commit), .view = view };

	return request(fd, WFPATCH_IOC_VIEW_COMMIT, &commit);
}

long try_list_blocked(int fd, struct wfpatch_blocked_info *infos, uint32_t room, uint32_t *total)
{
	struct wfpatch_list list = {
		.size = sizeof(list), .nr = room, .entries = (uintptr_t)infos,
	};
	long ret = request(fd, WFPATCH_IOC_LIST_BLOCKED, &list);

	if (total)
		*total = list.total;
	return ret;
}

uint32_t view_of(pid_t tid)
{
	struct wfpatch_thread_info infos[64];
	uint32_t total, i;

	CHECK_OK(try_list_threads(device, infos, 64, &total));
	for (i = 0; i < total && i < 64; i++)
		if (infos[i].tid == tid)
			return infos[i].view;
	FAIL("thread %d is not listed", tid);
}

void wait_view(pid_t tid, uint32_t view)
{
	int tries;

	for (tries = 0; tries < 1000 && view_of(tid) != view; tries++)
		usleep(10000);
	CHECK_EQ(view_of(tid), view);
}

void go(uint32_t view)
{
	CHECK_OK(try_auto(device, view));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
}

/*
 * What is found out about a thread that is in the way. Addresses of code must not be left on the stack of a
 * thread that is to be moved; so this is not there.
 */
static struct wfpatch_blocked_info blocked[64];

const struct wfpatch_blocked_info *find_blocked(pid_t tid)
{
	uint32_t total, i;

	CHECK_OK(try_list_blocked(device, blocked, 64, &total));
	for (i = 0; i < total && i < 64; i++)
		if (blocked[i].tid == tid)
			return &blocked[i];
	return NULL;
}

const struct wfpatch_blocked_info *wait_blocked(pid_t tid, uint32_t reason)
{
	const struct wfpatch_blocked_info *info;
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		info = find_blocked(tid);
		if (info && info->reason == reason)
			return info;
		usleep(10000);
	}
	FAIL("thread %d is not blocked for reason %u", tid, reason);
}

bool in_old_code(uint64_t word)
{
	return word > (uintptr_t)old_code && word < (uintptr_t)old_code + 256;
}

long wait_flag(void *flag)
{
	while (!LOAD(*(int *)flag))
		usleep(1000);
	return 0;
}

long be_inside(void *flag)
{
	return old_code(wait_flag, flag);
}
