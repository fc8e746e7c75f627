// SPDX-License-Identifier: GPL-2.0
/* What the fake kernel knows of a process that is patched from outside. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "fake_target.h"

#define PAGE 4096UL
#define MAX_THREADS 64
#define MAX_VIEWS 128
#define MAX_WRITES 32
#define MAX_SPANS 64

struct write {
	uint64_t addr, len;
	unsigned char data[16];
};

static struct {
	unsigned int views[MAX_THREADS]; /* of each thread */
	enum target_hold hold[MAX_THREADS];
	unsigned int nr_threads;

	bool exists[MAX_VIEWS];
	unsigned int last_view, target;
	bool in_transition, no_events, intrude;
	struct write writes[MAX_WRITES];
	unsigned int nr_writes;
	struct wfpatch_span spans[MAX_SPANS];
	unsigned int nr_spans, flags;

	unsigned int mapped, requests, fail_at, born, taken, commits;
	int error;
	unsigned long failed, interrupt;
	unsigned int interrupts, interrupted, slow;
	void (*before_commit)(void);
} target;

static void check_done(void)
{
	struct wfpatch_event done = { .type = WFPATCH_EVENT_DONE, .view = target.target };

	if (!target.in_transition || target_threads_in(target.target) < target.nr_threads)
		return;
	target.in_transition = false;
	if (!target.no_events)
		fake_send(done);
}

static bool held(unsigned int thread, unsigned int view)
{
	switch (target.hold[thread]) {
	case TARGET_MOVES:
		return false;
	case TARGET_STAYS_OLD:
		return view;
	default:
		return !view;
	}
}

/* One thread comes over each time that the library sleeps. */
static void move_one(void)
{
	struct wfpatch_event event = { .type = WFPATCH_EVENT_MIGRATED, .view = target.target };
	unsigned int i;

	if (!target.in_transition)
		return;
	for (i = 0; i < target.nr_threads; i++) {
		if (target.views[i] == target.target || held(i, target.target))
			continue;
		target.views[i] = target.target;
		event.tid = (int)i + 1;
		if (!target.no_events)
			fake_send(event);
		break;
	}
	check_done();
}

unsigned int target_threads_in(unsigned int view)
{
	unsigned int i, nr = 0;

	for (i = 0; i < target.nr_threads; i++)
		nr += target.views[i] == view;
	return nr;
}

static int create(struct wfpatch_view_create *arg)
{
	if (target.intrude)
		target.exists[++target.last_view] = true;
	target.intrude = false;
	assert_int_equal(arg->parent, 0);
	assert_true(target.last_view + 1 < MAX_VIEWS);
	arg->view = ++target.last_view;
	target.exists[arg->view] = true;
	target.nr_writes = 0;
	return 0;
}

static int remove_view(const struct wfpatch_view_delete *arg)
{
	if (!target.exists[arg->view])
		return -ENOENT;
	if (target.in_transition && target.target == arg->view)
		return -EBUSY;
	assert_int_equal(target_threads_in(arg->view), 0);
	target.exists[arg->view] = false;
	return 0;
}

static int write_view(const struct wfpatch_view_io *arg)
{
	const struct wfpatch_seg *segs = (const void *)(uintptr_t)arg->segs;
	struct write *write;
	unsigned int i;

	assert_true(arg->view && target.exists[arg->view]);
	assert_int_equal(target_threads_in(arg->view), 0);
	for (i = 0; i < arg->nr_segs; i++) {
		assert_true(target.nr_writes < MAX_WRITES);
		write = &target.writes[target.nr_writes++];
		assert_true(segs[i].len && segs[i].len <= sizeof(write->data));
		write->addr = segs[i].addr;
		write->len = segs[i].len;
		memcpy(write->data, (void *)(uintptr_t)segs[i].data, segs[i].len);
	}
	return 0;
}

static int read_base(const struct wfpatch_view_io *arg)
{
	const struct wfpatch_seg *segs = (const void *)(uintptr_t)arg->segs;
	unsigned int i;

	assert_int_equal(arg->view, 0);
	for (i = 0; i < arg->nr_segs; i++)
		memcpy((void *)(uintptr_t)segs[i].data, (void *)(uintptr_t)segs[i].addr,
		       segs[i].len);
	return 0;
}

static int transition(const struct wfpatch_transition *arg)
{
	const struct wfpatch_span *spans = (const void *)(uintptr_t)arg->ranges;
	unsigned int i;

	assert_true(target.exists[arg->view]);
	assert_true(arg->nr_ranges <= MAX_SPANS);
	assert_int_equal(!!arg->nr_ranges, !!(arg->flags & WFPATCH_TRANSITION_AUTO));
	for (i = 1; i < arg->nr_ranges; i++)
		assert_true(spans[i].start >= spans[i - 1].end);
	memcpy(target.spans, spans, arg->nr_ranges * sizeof(*spans));
	target.nr_spans = arg->nr_ranges;
	target.flags = arg->flags;
	target.target = arg->view;
	target.in_transition = true;
	check_done();
	return 0;
}

static int commit(const struct wfpatch_view_commit *arg)
{
	struct wfpatch_event event = { .type = WFPATCH_EVENT_COMMITTED, .view = arg->view };
	unsigned int i;

	if (target.before_commit)
		target.before_commit();
	target.before_commit = NULL;
	assert_true(target.exists[arg->view]);
	if (target.born) {
		target.born--;
		target.views[0] = 0;
	}
	if (target.in_transition || target_threads_in(arg->view) < target.nr_threads)
		return -EBUSY;
	if (target.slow) {
		target.slow--;
		return -EBUSY;
	}
	for (i = 0; i < target.nr_writes; i++)
		memcpy((void *)(uintptr_t)target.writes[i].addr, target.writes[i].data,
		       target.writes[i].len);
	memset(target.views, 0, sizeof(target.views));
	target.exists[arg->view] = false;
	target.target = 0;
	target.commits++;
	fake_send(event);
	return 0;
}

static int map(const struct wfpatch_map *arg)
{
	void *place;

	if (target.taken) {
		target.taken--;
		return -EEXIST;
	}
	assert_int_equal(arg->flags, 0);
	place = mmap((void *)(uintptr_t)arg->addr, arg->len, (int)arg->prot,
		     MAP_PRIVATE | MAP_FIXED_NOREPLACE, arg->fd, (off_t)arg->offset);
	if (place == MAP_FAILED)
		return -errno;
	target.mapped += arg->len / PAGE;
	return 0;
}

static int unmap(const struct wfpatch_unmap *arg)
{
	assert_int_equal(munmap((void *)(uintptr_t)arg->addr, arg->len), 0);
	target.mapped -= arg->len / PAGE;
	return 0;
}

static int list_views(struct wfpatch_list *arg)
{
	struct wfpatch_view_info *info = (void *)(uintptr_t)arg->entries;
	unsigned int i;

	arg->total = 0;
	for (i = 0; i < MAX_VIEWS; i++) {
		if (!target.exists[i])
			continue;
		if (arg->total < arg->nr)
			info[arg->total] = (struct wfpatch_view_info){
				.view = i,
				.nr_threads = target_threads_in(i),
			};
		arg->total++;
	}
	return 0;
}

static int list_blocked(struct wfpatch_list *arg)
{
	struct wfpatch_blocked_info *info = (void *)(uintptr_t)arg->entries;
	unsigned int i;

	arg->total = 0;
	if (!target.in_transition)
		return 0;
	for (i = 0; i < target.nr_threads; i++) {
		if (target.views[i] == target.target)
			continue;
		if (arg->total < arg->nr)
			info[arg->total] = (struct wfpatch_blocked_info){
				.tid = (int)i + 1,
				.view = target.views[i],
				.reason = WFPATCH_BLOCKED_IP,
				.ip = 0x1000 + i,
				.comm = "worker",
			};
		arg->total++;
	}
	return 0;
}

static int serve(unsigned long cmd, void *arg)
{
	struct wfpatch_info *info = arg;

	if (target.requests++ == target.fail_at) {
		target.failed = cmd;
		return -target.error;
	}
	if (target.interrupts && cmd == target.interrupt) {
		target.interrupts--;
		target.interrupted++;
		return -EINTR;
	}
	switch (cmd) {
	case WFPATCH_IOC_INFO:
		info->api_version = WFPATCH_API_VERSION;
		info->max_segs = 2;
		return 0;
	case WFPATCH_IOC_ATTACH:
		return 0;
	case WFPATCH_IOC_MAP:
		return map(arg);
	case WFPATCH_IOC_UNMAP:
		return unmap(arg);
	case WFPATCH_IOC_VIEW_CREATE:
		return create(arg);
	case WFPATCH_IOC_VIEW_DELETE:
		return remove_view(arg);
	case WFPATCH_IOC_VIEW_WRITE:
		return write_view(arg);
	case WFPATCH_IOC_VIEW_READ:
		return read_base(arg);
	case WFPATCH_IOC_VIEW_COMMIT:
		return commit(arg);
	case WFPATCH_IOC_TRANSITION:
		return transition(arg);
	case WFPATCH_IOC_LIST_VIEWS:
		return list_views(arg);
	case WFPATCH_IOC_LIST_THREADS:
		((struct wfpatch_list *)arg)->total = target.nr_threads;
		return 0;
	case WFPATCH_IOC_LIST_BLOCKED:
		return list_blocked(arg);
	}
	return -EOPNOTSUPP;
}

void target_begin(unsigned int nr_threads)
{
	memset(&target, 0, sizeof(target));
	target.nr_threads = nr_threads;
	target.exists[0] = true;
	target.fail_at = ~0U;
	fake_serve(serve);
	fake_on_poll(move_one);
}

void target_fail(unsigned int after, int error)
{
	target.fail_at = target.requests + after;
	target.error = error;
}

void target_interrupt(unsigned long cmd, unsigned int times)
{
	target.interrupt = cmd;
	target.interrupts = times;
}

unsigned int target_interrupted(void)
{
	return target.interrupted;
}

unsigned int target_requests(void)
{
	return target.requests;
}

unsigned long target_failed(void)
{
	return target.failed;
}

void target_hold(unsigned int thread, enum target_hold how)
{
	target.hold[thread - 1] = how;
}

void target_born(unsigned int times)
{
	target.born = times;
}

void target_slow(unsigned int times)
{
	target.slow = times;
}

void target_taken(unsigned int times)
{
	target.taken = times;
}

void target_intrude(void)
{
	target.intrude = true;
}

void target_lose_events(void)
{
	target.no_events = true;
}

void target_before_commit(void (*hook)(void))
{
	target.before_commit = hook;
}

unsigned int target_views(void)
{
	unsigned int i, nr = 0;

	for (i = 1; i < MAX_VIEWS; i++)
		nr += target.exists[i];
	return nr;
}

unsigned int target_mapped(void)
{
	return target.mapped;
}

unsigned int target_commits(void)
{
	return target.commits;
}

const struct wfpatch_span *target_spans(unsigned int *nr, unsigned int *flags)
{
	*nr = target.nr_spans;
	*flags = target.flags;
	return target.spans;
}

bool target_was_span(const void *start, bool entry)
{
	unsigned int i;

	for (i = 0; i < target.nr_spans; i++) {
		if (target.spans[i].start == (uintptr_t)start &&
		    !!(target.spans[i].flags & WFPATCH_SPAN_ENTRY) == entry)
			return true;
	}
	return false;
}
