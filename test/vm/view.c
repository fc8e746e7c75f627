// SPDX-License-Identifier: GPL-2.0
/* Requests, memory and threads for the tests; see view.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "view.h"

long request(int fd, unsigned long cmd, void *arg)
{
	int result = ioctl(fd, cmd, arg);

	return result < 0 ? -errno : result;
}

long try_info(int fd, struct wfpatch_info *info)
{
	*info = (struct wfpatch_info){ .size = sizeof(*info) };
	return request(fd, WFPATCH_IOC_INFO, info);
}

long try_create(int fd, uint32_t parent, uint32_t *view)
{
	struct wfpatch_view_create arg = { .size = sizeof(arg), .parent = parent };
	long result = request(fd, WFPATCH_IOC_VIEW_CREATE, &arg);

	if (view)
		*view = arg.view;
	return result;
}

long try_delete(int fd, uint32_t view)
{
	struct wfpatch_view_delete arg = { .size = sizeof(arg), .view = view };

	return request(fd, WFPATCH_IOC_VIEW_DELETE, &arg);
}

long try_migrate(int fd, uint32_t view, uint32_t *previous)
{
	struct wfpatch_view_migrate arg = { .size = sizeof(arg), .view = view };
	long result = request(fd, WFPATCH_IOC_VIEW_MIGRATE, &arg);

	if (previous)
		*previous = arg.previous;
	return result;
}

long try_current(int fd, uint32_t *view)
{
	struct wfpatch_view_current arg = { .size = sizeof(arg) };
	long result = request(fd, WFPATCH_IOC_VIEW_CURRENT, &arg);

	*view = arg.view;
	return result;
}

long try_segs(int fd, unsigned long cmd, uint32_t view, const struct wfpatch_seg *segs,
	      uint32_t nr)
{
	struct wfpatch_view_io arg = {
		.size = sizeof(arg), .view = view, .nr_segs = nr, .segs = (uintptr_t)segs,
	};

	return request(fd, cmd, &arg);
}

long try_write(int fd, uint32_t view, const volatile void *addr, const void *data, size_t len)
{
	struct wfpatch_seg seg = { (uintptr_t)addr, (uintptr_t)data, len };

	return try_segs(fd, WFPATCH_IOC_VIEW_WRITE, view, &seg, 1);
}

long try_read(int fd, uint32_t view, const volatile void *addr, void *data, size_t len)
{
	struct wfpatch_seg seg = { (uintptr_t)addr, (uintptr_t)data, len };

	return try_segs(fd, WFPATCH_IOC_VIEW_READ, view, &seg, 1);
}

long try_range(int fd, unsigned long cmd, const volatile void *addr, size_t len)
{
	struct wfpatch_range arg = { .size = sizeof(arg), .addr = (uintptr_t)addr, .len = len };

	return request(fd, cmd, &arg);
}

long try_transition(int fd, uint32_t view)
{
	struct wfpatch_transition arg = { .size = sizeof(arg), .view = view };

	return request(fd, WFPATCH_IOC_TRANSITION, &arg);
}

static long try_list(int fd, unsigned long cmd, void *entries, uint32_t room, uint32_t *total)
{
	struct wfpatch_list arg = {
		.size = sizeof(arg), .nr = room, .entries = (uintptr_t)entries,
	};
	long result = request(fd, cmd, &arg);

	if (total)
		*total = arg.total;
	return result ? result : (long)arg.nr;
}

long try_list_views(int fd, struct wfpatch_view_info *views, uint32_t room, uint32_t *total)
{
	return try_list(fd, WFPATCH_IOC_LIST_VIEWS, views, room, total);
}

long try_list_threads(int fd, struct wfpatch_thread_info *threads, uint32_t room, uint32_t *total)
{
	return try_list(fd, WFPATCH_IOC_LIST_THREADS, threads, room, total);
}

uint32_t new_view_at(const char *file, int line, uint32_t parent)
{
	uint32_t view = 0;
	long result = try_create(device, parent, &view);

	if (result)
		fail_at(file, line, "a view of parent %u: expected success, seen %s", parent,
			error_name(-result));
	return view;
}

long get_long_at(const char *file, int line, uint32_t view, const volatile void *addr)
{
	long value = 0, result = try_read(device, view, addr, &value, sizeof(value));

	if (result)
		fail_at(file, line, "a read of view %u: expected success, seen %s", view,
			error_name(-result));
	return value;
}

uint32_t current_view_at(const char *file, int line)
{
	uint32_t view = 0;
	long result = try_current(device, &view);

	if (result)
		fail_at(file, line, "the current view: expected success, seen %s",
			error_name(-result));
	return view;
}

bool view_info(int fd, uint32_t view, struct wfpatch_view_info *info)
{
	const uint32_t room = 2100;
	struct wfpatch_view_info *views = calloc(room, sizeof(*views));
	bool found = false;
	long i, nr;

	CHECK(views);
	nr = try_list_views(fd, views, room, NULL);
	CHECK_OK(nr);
	for (i = 0; i < nr; i++) {
		if (views[i].view == view) {
			*info = views[i];
			found = true;
		}
	}
	free(views);
	return found;
}

long view_overlays(uint32_t view)
{
	struct wfpatch_view_info info;

	return view_info(device, view, &info) ? (long)info.nr_overlays : -1;
}

long view_threads(uint32_t view)
{
	struct wfpatch_view_info info;

	return view_info(device, view, &info) ? (long)info.nr_threads : -1;
}

uint32_t nr_views(void)
{
	struct wfpatch_info info;

	CHECK_OK(try_info(device, &info));
	return info.nr_views;
}

bool any_event(int fd, struct wfpatch_event *event)
{
	return read(fd, event, sizeof(*event)) == sizeof(*event);
}

struct wfpatch_event next_event_at(const char *file, int line, int fd, uint32_t type)
{
	uint64_t end = now_ms() + 30000;
	struct wfpatch_event event;

	while (now_ms() < end) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };

		if (poll(&poller, 1, 1000) == 1 && any_event(fd, &event) && event.type == type)
			return event;
	}
	fail_at(file, line, "expected an event of type %u within half a minute, seen none", type);
}

long *map_pages(unsigned long nr, int prot)
{
	long *pages = mmap(NULL, nr * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(pages != MAP_FAILED);
	return pages;
}

long *map_filled(unsigned long nr)
{
	long *pages = map_pages(nr, PROT_READ | PROT_WRITE);
	unsigned long i;

	for (i = 0; i < nr; i++) {
		page_of(pages, i)[0] = (long)i * 1000;
		page_of(pages, i)[1] = (long)i * 1000 + 1;
	}
	return pages;
}

char *map_aligned(size_t size)
{
	size_t whole = size + 2 * HUGE;
	char *start = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
	char *aligned = (char *)(((uintptr_t)start + HUGE) & ~(HUGE - 1));

	CHECK(start != MAP_FAILED);
	CHECK_EQ(munmap(start, whole), 0);
	aligned = mmap(aligned, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(aligned != MAP_FAILED);
	return aligned;
}

code_fn make_codes(unsigned int nr, int value)
{
	/* mov $value, %eax; ret */
	unsigned char text[] = { 0xb8, 0, 0, 0, 0, 0xc3 };
	char *pages = (char *)map_pages(nr, PROT_READ | PROT_WRITE);
	unsigned int i;

	for (i = 0; i < nr; i++, value++) {
		memcpy(text + 1, &value, sizeof(value));
		memcpy(pages + i * PAGE, text, sizeof(text));
	}
	CHECK_EQ(mprotect(pages, nr * PAGE, PROT_READ | PROT_EXEC), 0);
	return (code_fn)(void *)pages;
}

code_fn make_code(int value)
{
	return make_codes(1, value);
}

const char *permissions(const volatile void *addr)
{
	static __thread char found[5];
	unsigned long start, end;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], bits[5];

	CHECK(maps);
	strcpy(found, "----");
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %4s", &start, &end, bits) == 3 &&
		    (uintptr_t)addr >= start && (uintptr_t)addr < end)
			memcpy(found, bits, sizeof(found));
	fclose(maps);
	return found;
}

long smaps_kb(const volatile void *addr, const char *key)
{
	unsigned long start, end;
	FILE *smaps = fopen("/proc/self/smaps", "re");
	bool inside = false;
	long value = -1;
	char line[512];

	CHECK(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)addr >= start && (uintptr_t)addr < end;
		else if (inside && !strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = strtol(line + strlen(key) + 1, NULL, 10);
	}
	fclose(smaps);
	return value;
}

/* Where an access that faults goes on, in the thread that makes it. */
static __thread sigjmp_buf probe_return;
static __thread bool probing;

static void probe_failed(int number)
{
	if (!probing) {
		signal(number, SIG_DFL);
		return;
	}
	probing = false;
	siglongjmp(probe_return, number);
}

static void probe_prepare(void)
{
	struct sigaction action = { .sa_handler = probe_failed, .sa_flags = SA_NODEFER };

	CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
	CHECK_EQ(sigaction(SIGBUS, &action, NULL), 0);
	probing = true;
}

int probe_read(const volatile void *addr, long *value)
{
	int signal;
	long seen;

	probe_prepare();
	signal = sigsetjmp(probe_return, 1);
	if (!signal) {
		seen = *(const volatile long *)addr;
		if (value)
			*value = seen;
	}
	probing = false;
	return signal;
}

int probe_write(volatile void *addr, long value)
{
	int signal;

	probe_prepare();
	signal = sigsetjmp(probe_return, 1);
	if (!signal)
		*(volatile long *)addr = value;
	probing = false;
	return signal;
}

int probe_call(code_fn code, int *value)
{
	int signal;

	probe_prepare();
	signal = sigsetjmp(probe_return, 1);
	if (!signal)
		*value = code();
	probing = false;
	return signal;
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	w->tid = gettid();
	sem_post(&w->done);
	for (;;) {
		while (sem_wait(&w->go))
			;
		if (w->quit)
			return NULL;
		w->result = w->call(w->arg);
		sem_post(&w->done);
	}
}

void worker_start(struct worker *w)
{
	w->quit = false;
	sem_init(&w->go, 0, 0);
	sem_init(&w->done, 0, 0);
	start_thread(&w->thread, worker_run, w);
	while (sem_wait(&w->done))
		;
}

void worker_begin(struct worker *w, long (*call)(void *arg), void *arg)
{
	w->call = call;
	w->arg = arg;
	sem_post(&w->go);
}

long worker_end(struct worker *w)
{
	while (sem_wait(&w->done))
		;
	return w->result;
}

long worker_call(struct worker *w, long (*call)(void *arg), void *arg)
{
	worker_begin(w, call, arg);
	return worker_end(w);
}

void worker_stop(struct worker *w)
{
	w->quit = true;
	sem_post(&w->go);
	join_thread(w->thread);
}

long do_enter(void *view)
{
	return try_migrate(device, (uint32_t)(uintptr_t)view, NULL);
}

long do_load(void *addr)
{
	return *(volatile long *)addr;
}

long do_code(void *code)
{
	return ((code_fn)code)();
}

long do_current(void *unused)
{
	uint32_t view;
	long result = try_current(device, &view);

	(void)unused;
	return result ? result : (long)view;
}

void start_thread(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	int error = pthread_create(thread, NULL, run, arg);

	if (error)
		FAIL("pthread_create: %s", error_name(error));
}

void start_small_thread(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	pthread_attr_t attributes;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 32768);
	error = pthread_create(thread, &attributes, run, arg);
	pthread_attr_destroy(&attributes);
	if (error)
		FAIL("pthread_create: %s", error_name(error));
}

void join_thread(pthread_t thread)
{
	int error = pthread_join(thread, NULL);

	if (error)
		FAIL("pthread_join: %s", error_name(error));
}
