// SPDX-License-Identifier: GPL-2.0
/*
 * What the fake kernel knows: handles, views with their overlay pages, threads, events. A process is
 * told from another by its id, so that a forked child is one of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fake.h"
#include "fake_model.h"

#define PAGE 4096
#define MAX_HANDLES 8
#define MAX_VIEWS 32
#define MAX_THREADS 16
#define MAX_PAGES 16
#define MAX_EVENTS 64

struct page {
	uintptr_t addr;
	unsigned char data[PAGE];
};

struct view {
	bool exists;
	unsigned int parent, nr_pages;
	struct page *pages[MAX_PAGES];
};

static struct {
	pid_t pid;
	int memfd;
	struct wfpatch_status *status;
	struct view views[MAX_VIEWS];
	unsigned int nr_ids;
	bool in_transition;
	struct {
		int tid;
		unsigned int view;
	} threads[MAX_THREADS];
	unsigned int nr_threads;
} process;

static struct handle {
	bool open;
	int fd;
	pid_t owner;
	bool used, attached;
	struct wfpatch_event events[MAX_EVENTS];
	unsigned int nr_events;
} handles[MAX_HANDLES];

/* The calling thread's view. The main thread is one of the process's; others are the tests' own. */
static __thread unsigned int current_view;
static unsigned int api_version;

static struct handle *find_handle(int fd)
{
	unsigned int i;

	for (i = 0; i < MAX_HANDLES; i++) {
		if (handles[i].open && handles[i].fd == fd)
			return &handles[i];
	}
	return NULL;
}

bool model_is_handle(int fd)
{
	return fd >= 0 && find_handle(fd);
}

/* Only a handle that nobody has used can be attached. */
void model_use(int fd)
{
	find_handle(fd)->used = true;
}

static int attach(struct handle *handle)
{
	if (handle->used)
		return -EBUSY;
	handle->used = handle->attached = true;
	return 0;
}

/* Near a wanted address there is room on the next page. */
static int map(struct wfpatch_map *arg)
{
	if (arg->flags & WFPATCH_MAP_NEAR)
		arg->addr += PAGE;
	return 0;
}

static void begin_process(void)
{
	memset(&process, 0, sizeof(process));
	process.pid = getpid();
	process.memfd = memfd_create("status", MFD_CLOEXEC);
	assert_true(process.memfd >= 0);
	assert_int_equal(ftruncate(process.memfd, PAGE), 0);
	process.status = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, process.memfd, 0);
	assert_ptr_not_equal(process.status, MAP_FAILED);
	process.status->seq = 1;
	process.views[0].exists = true;
}

static void end_process(void)
{
	unsigned int i, j;

	for (i = 0; i < MAX_VIEWS; i++) {
		for (j = 0; j < process.views[i].nr_pages; j++)
			free(process.views[i].pages[j]);
	}
	if (process.status)
		munmap(process.status, PAGE);
	if (process.pid)
		close(process.memfd);
	process.pid = 0;
}

int model_reset(void)
{
	unsigned int i;

	for (i = 0; i < MAX_HANDLES; i++)
		handles[i].open = false;
	end_process();
	begin_process();
	current_view = 0;
	api_version = WFPATCH_API_VERSION;
	return 0;
}

unsigned int fake_open_handles(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < MAX_HANDLES; i++)
		nr += handles[i].open && handles[i].owner == getpid();
	return nr;
}

int model_open(void)
{
	unsigned int i;
	int fd;

	/* A process whose last handle was closed, or a new one, begins anew. */
	if (process.pid != getpid()) {
		memset(&process, 0, sizeof(process));
		begin_process();
	} else if (!fake_open_handles() && process.status->seq != 1) {
		end_process();
		begin_process();
	}
	fd = fcntl(process.memfd, F_DUPFD_CLOEXEC, 100);
	for (i = 0; handles[i].open && handles[i].fd != fd; i++)
		assert_true(i + 1 < MAX_HANDLES);
	handles[i] = (struct handle){ .open = true, .fd = fd, .owner = getpid() };
	return fd;
}

void model_close(int fd)
{
	struct handle *handle = find_handle(fd);

	if (handle)
		handle->open = false;
}

struct wfpatch_status *fake_status(void)
{
	return process.status;
}

unsigned int fake_current_view(void)
{
	return current_view;
}

bool fake_view_exists(unsigned int view)
{
	return view < MAX_VIEWS && process.views[view].exists;
}

void fake_send(struct wfpatch_event event)
{
	unsigned int i;

	for (i = 0; i < MAX_HANDLES; i++) {
		if (handles[i].open && handles[i].owner == process.pid) {
			assert_true(handles[i].nr_events < MAX_EVENTS);
			handles[i].events[handles[i].nr_events++] = event;
		}
	}
}

bool model_has_event(int fd)
{
	return find_handle(fd)->nr_events;
}

bool model_next_event(int fd, struct wfpatch_event *event)
{
	struct handle *handle = find_handle(fd);

	if (!handle->nr_events)
		return false;
	*event = handle->events[0];
	handle->nr_events--;
	memmove(handle->events, handle->events + 1, handle->nr_events * sizeof(*event));
	return true;
}

static unsigned int threads_in(unsigned int view)
{
	unsigned int i, nr = current_view == view;

	for (i = 0; i < process.nr_threads; i++)
		nr += process.threads[i].view == view;
	return nr;
}

static void check_transition(void)
{
	struct wfpatch_event done = { .type = WFPATCH_EVENT_DONE };
	unsigned int target = process.status->target, all = process.nr_threads + 1;

	if (!process.in_transition)
		return;
	process.status->pending = all - threads_in(target);
	if (process.status->pending)
		return;
	process.in_transition = false;
	done.view = target;
	done.count = all;
	fake_send(done);
}

static void moved(int tid, unsigned int from, unsigned int to)
{
	struct wfpatch_event event = {
		.type = WFPATCH_EVENT_MIGRATED,
		.view = to,
		.previous = from,
		.tid = tid,
	};

	if (from != to)
		fake_send(event);
	check_transition();
}

void fake_add_thread(int tid, unsigned int view)
{
	assert_true(process.nr_threads < MAX_THREADS);
	process.threads[process.nr_threads].tid = tid;
	process.threads[process.nr_threads++].view = view;
}

void fake_move_thread(int tid, unsigned int view)
{
	unsigned int i, from;

	for (i = 0; process.threads[i].tid != tid; i++)
		assert_true(i + 1 < process.nr_threads);
	from = process.threads[i].view;
	process.threads[i].view = view;
	moved(tid, from, view);
}

void fake_transition(unsigned int view)
{
	process.status->target = view;
	process.in_transition = true;
	__atomic_add_fetch(&process.status->seq, 1, __ATOMIC_RELEASE);
	check_transition();
}

static struct page *find_page(struct view *view, uintptr_t addr)
{
	unsigned int i;

	for (i = 0; i < view->nr_pages; i++) {
		if (view->pages[i]->addr == (addr & -PAGE))
			return view->pages[i];
	}
	return NULL;
}

/* The base's memory, which is the test program's own, readable or not. */
static int read_base(uintptr_t addr, void *data, size_t len)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	ssize_t done = pread(fd, data, len, (off_t)addr);

	close(fd);
	return done == (ssize_t)len ? 0 : -EFAULT;
}

static struct page *add_page(struct view *view, uintptr_t addr)
{
	struct page *page = malloc(sizeof(*page));

	assert_non_null(page);
	assert_true(view->nr_pages < MAX_PAGES);
	page->addr = addr & -PAGE;
	if (read_base(page->addr, page->data, PAGE)) {
		free(page);
		return NULL;
	}
	return view->pages[view->nr_pages++] = page;
}

/* One byte after the other: nothing here is fast, and no border needs thought. */
static int view_io(unsigned int id, const struct wfpatch_seg *seg, bool write)
{
	struct view *view = &process.views[id];
	unsigned char *data = (unsigned char *)(uintptr_t)seg->data;
	struct page *page;
	uintptr_t addr;
	size_t i;

	for (i = 0; i < seg->len; i++) {
		addr = seg->addr + i;
		page = find_page(view, addr);
		if (write && !page)
			page = add_page(view, addr);
		if (write && !page)
			return -EFAULT;
		if (write)
			page->data[addr % PAGE] = data[i];
		else if (page)
			data[i] = page->data[addr % PAGE];
		else if (read_base(addr, data + i, 1))
			return -EFAULT;
	}
	return 0;
}

void fake_read_view(unsigned int view, const void *addr, void *data, size_t len)
{
	struct wfpatch_seg seg = { (uintptr_t)addr, (uintptr_t)data, len };

	assert_int_equal(view_io(view, &seg, false), 0);
}

static int create(struct wfpatch_view_create *arg)
{
	struct view *parent = &process.views[arg->parent], *view;
	unsigned int i;

	if (!fake_view_exists(arg->parent))
		return -ENOENT;
	assert_true(process.nr_ids + 1 < MAX_VIEWS);
	view = &process.views[++process.nr_ids];
	view->exists = true;
	view->parent = arg->parent;
	for (i = 0; i < parent->nr_pages; i++)
		*add_page(view, parent->pages[i]->addr) = *parent->pages[i];
	arg->view = process.nr_ids;
	return 0;
}

static int delete(const struct wfpatch_view_delete *arg)
{
	if (!arg->view)
		return -EINVAL;
	if (!fake_view_exists(arg->view))
		return -ENOENT;
	if (process.in_transition && process.status->target == arg->view)
		return -EBUSY;
	process.views[arg->view].exists = false;
	return 0;
}

static int migrate(struct wfpatch_view_migrate *arg)
{
	if (!fake_view_exists(arg->view))
		return -ENOENT;
	arg->previous = current_view;
	current_view = arg->view;
	moved(gettid(), arg->previous, arg->view);
	return 0;
}

static int io(const struct wfpatch_view_io *arg, bool write)
{
	const struct wfpatch_seg *segs = (const void *)(uintptr_t)arg->segs;
	unsigned int i;
	int err = 0;

	if (!fake_view_exists(arg->view))
		return -ENOENT;
	for (i = 0; !err && i < arg->nr_segs; i++)
		err = view_io(arg->view, &segs[i], write);
	return err;
}

static int list_views(struct wfpatch_list *arg)
{
	struct wfpatch_view_info *info = (void *)(uintptr_t)arg->entries;
	unsigned int i, nr = 0;

	arg->total = 0;
	for (i = 0; i < MAX_VIEWS; i++) {
		/* Views that were deleted are there while threads are in them. */
		if (!fake_view_exists(i) && !threads_in(i))
			continue;
		arg->total++;
		if (nr == arg->nr)
			continue;
		info[nr++] = (struct wfpatch_view_info){
			.view = i,
			.parent = process.views[i].parent,
			.flags = fake_view_exists(i) ? 0 : WFPATCH_VIEW_DELETED,
			.nr_threads = threads_in(i),
			.nr_overlays = process.views[i].nr_pages,
		};
	}
	arg->nr = nr;
	return 0;
}

static int list_threads(struct wfpatch_list *arg)
{
	struct wfpatch_thread_info *info = (void *)(uintptr_t)arg->entries;
	unsigned int i;

	arg->total = process.nr_threads;
	for (i = 0; i < process.nr_threads && i < arg->nr; i++)
		info[i] = (struct wfpatch_thread_info){ process.threads[i].tid,
							process.threads[i].view };
	arg->nr = i;
	return 0;
}

/* All that are not where a transition is going; the kernel has not looked at them yet. */
static int list_blocked(struct wfpatch_list *arg)
{
	struct wfpatch_blocked_info *info = (void *)(uintptr_t)arg->entries;
	unsigned int i, nr = 0;

	arg->total = 0;
	for (i = 0; process.in_transition && i < process.nr_threads; i++) {
		if (process.threads[i].view == process.status->target)
			continue;
		arg->total++;
		if (nr < arg->nr)
			info[nr++] = (struct wfpatch_blocked_info){
				.tid = process.threads[i].tid,
				.view = process.threads[i].view,
			};
	}
	arg->nr = nr;
	return 0;
}

void fake_api_version(unsigned int version)
{
	api_version = version;
}

int model_request(int fd, unsigned long cmd, void *arg)
{
	struct wfpatch_transition *transition = arg;
	struct handle *handle = find_handle(fd);
	struct wfpatch_info *info = arg;

	if (handle->owner != getpid())
		return -EPERM;
	if (cmd == WFPATCH_IOC_ATTACH)
		return attach(handle);
	if (cmd != WFPATCH_IOC_INFO)
		handle->used = true;
	switch (cmd) {
	case WFPATCH_IOC_INFO:
		info->api_version = api_version;
		info->max_views = MAX_VIEWS - 1;
		return 0;
	case WFPATCH_IOC_PIN:
	case WFPATCH_IOC_UNPIN:
		return 0;
	case WFPATCH_IOC_VIEW_CREATE:
		return create(arg);
	case WFPATCH_IOC_VIEW_DELETE:
		return delete(arg);
	case WFPATCH_IOC_VIEW_MIGRATE:
		return handle->attached ? -EOPNOTSUPP : migrate(arg);
	case WFPATCH_IOC_VIEW_CURRENT:
		((struct wfpatch_view_current *)arg)->view = current_view;
		return 0;
	case WFPATCH_IOC_VIEW_WRITE:
		return io(arg, true);
	case WFPATCH_IOC_VIEW_READ:
		return io(arg, false);
	case WFPATCH_IOC_TRANSITION:
		if (!fake_view_exists(transition->view))
			return -ENOENT;
		if (transition->flags)
			return -EOPNOTSUPP;
		fake_transition(transition->view);
		return 0;
	case WFPATCH_IOC_MAP:
		return map(arg);
	case WFPATCH_IOC_UNMAP:
		return 0;
	case WFPATCH_IOC_LIST_BLOCKED:
		return list_blocked(arg);
	case WFPATCH_IOC_LIST_VIEWS:
		return list_views(arg);
	case WFPATCH_IOC_LIST_THREADS:
		return list_threads(arg);
	}
	return -EOPNOTSUPP;
}
