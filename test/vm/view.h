/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The requests of /dev/wfpatch as the tests make them, threads that do what they are told, code and
 * data to change, and accesses that may fault.
 */
#ifndef TEST_VIEW_H
#define TEST_VIEW_H

#include <pthread.h>
#include <semaphore.h>

#include "harness.h"
#include "wfpatch.h"

/* One request each; they return 0 or a negative errno. Pointers to results may be NULL. */
long request(int fd, unsigned long cmd, void *arg);
long try_info(int fd, struct wfpatch_info *info);
long try_create(int fd, uint32_t parent, uint32_t *view);
long try_delete(int fd, uint32_t view);
long try_migrate(int fd, uint32_t view, uint32_t *previous);
long try_current(int fd, uint32_t *view);
long try_write(int fd, uint32_t view, const volatile void *addr, const void *data, size_t len);
long try_read(int fd, uint32_t view, const volatile void *addr, void *data, size_t len);
long try_segs(int fd, unsigned long cmd, uint32_t view, const struct wfpatch_seg *segs,
	      uint32_t nr);
long try_range(int fd, unsigned long cmd, const volatile void *addr, size_t len);
long try_transition(int fd, uint32_t view);
long try_list_views(int fd, struct wfpatch_view_info *views, uint32_t room, uint32_t *total);
long try_list_threads(int fd, struct wfpatch_thread_info *threads, uint32_t room, uint32_t *total);

#define try_pin(addr, len)	try_range(device, WFPATCH_IOC_PIN, addr, len)
#define try_unpin(addr, len)	try_range(device, WFPATCH_IOC_UNPIN, addr, len)

/* The same with the test's handle; they end the test when they fail. */
#define new_view(parent)	new_view_at(__FILE__, __LINE__, parent)
#define delete_view(view)	CHECK_OK(try_delete(device, view))
#define enter(view)		CHECK_OK(try_migrate(device, view, NULL))
#define pin(addr, len)		CHECK_OK(try_pin(addr, len))
#define unpin(addr, len)	CHECK_OK(try_unpin(addr, len))
#define put(view, addr, data, len) CHECK_OK(try_write(device, view, addr, data, len))
#define put_long(view, addr, value)								\
	do {											\
		long put_ = (value);								\
		put(view, addr, &put_, sizeof(put_));						\
	} while (0)
#define get_long(view, addr)	get_long_at(__FILE__, __LINE__, view, addr)
#define current_view()		current_view_at(__FILE__, __LINE__)

uint32_t new_view_at(const char *file, int line, uint32_t parent);
long get_long_at(const char *file, int line, uint32_t view, const volatile void *addr);
uint32_t current_view_at(const char *file, int line);

/* An entry of LIST_VIEWS; false if there is no such view. */
bool view_info(int fd, uint32_t view, struct wfpatch_view_info *info);
long view_overlays(uint32_t view);	/* -1 if there is no such view */
long view_threads(uint32_t view);
uint32_t nr_views(void);

/* The next event of the wanted type within half a minute; others are dropped. */
#define next_event(fd, type)	next_event_at(__FILE__, __LINE__, fd, type)
struct wfpatch_event next_event_at(const char *file, int line, int fd, uint32_t type);
bool any_event(int fd, struct wfpatch_event *event);

/* --- memory ---------------------------------------------------------------------------------- */

#define LOAD(object)		__atomic_load_n(&(object), __ATOMIC_RELAXED)
#define STORE(object, value)	__atomic_store_n(&(object), value, __ATOMIC_RELAXED)

/* Private anonymous memory; long number i of page p is p * 1000 + i for the first two. */
long *map_pages(unsigned long nr, int prot);
long *map_filled(unsigned long nr);
/* The same, aligned to 2 MiB; unmapped pages before and after. */
char *map_aligned(size_t size);
#define page_of(base, nr)	((long *)((char *)(base) + (nr) * PAGE))

/* A function alone on its page, r-x; returns a number. */
typedef int (*code_fn)(void);
code_fn make_code(int value);
code_fn make_codes(unsigned int nr, int value);	/* page i returns value + i */
#define code_at(code, nr)	((code_fn)(void *)((char *)(void *)(code) + (nr) * PAGE))
#define patch_code(view, code, value)								\
	do {											\
		int patch_ = (value);								\
		put(view, (char *)(void *)(code) + 1, &patch_, sizeof(patch_));			\
	} while (0)

/* What /proc/self/maps says of a page, such as "r-xp"; "----" if it is not mapped. */
const char *permissions(const volatile void *addr);
/* A number of /proc/self/smaps for the mapping at @addr, in kB; -1 if there is none. */
long smaps_kb(const volatile void *addr, const char *key);

/* Accesses that may fault: 0, or the signal. */
int probe_read(const volatile void *addr, long *value);
int probe_write(volatile void *addr, long value);
int probe_call(code_fn code, int *value);

/* --- threads --------------------------------------------------------------------------------- */

/* A thread that waits for something to do. */
struct worker {
	pthread_t thread;
	sem_t go;
	sem_t done;
	long (*call)(void *arg);
	void *arg;
	long result;
	pid_t tid;
	bool quit;
};

void worker_start(struct worker *w);
void worker_begin(struct worker *w, long (*call)(void *arg), void *arg);
long worker_end(struct worker *w);
long worker_call(struct worker *w, long (*call)(void *arg), void *arg);
void worker_stop(struct worker *w);

/* Things for a worker to do; the argument is a view's id, an address, a function. */
long do_enter(void *view);
long do_load(void *addr);
long do_code(void *code);
long do_current(void *unused);

#define worker_enter(w, view)	CHECK_OK(worker_call(w, do_enter, (void *)(uintptr_t)(view)))
#define worker_load(w, addr)	worker_call(w, do_load, (void *)(uintptr_t)(addr))
#define worker_code(w, code)	worker_call(w, do_code, (void *)(code))

void start_thread(pthread_t *thread, void *(*run)(void *arg), void *arg);
void join_thread(pthread_t thread);

/* Threads with a small stack, so that there can be thousands. */
void start_small_thread(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif /* TEST_VIEW_H */
