// SPDX-License-Identifier: GPL-2.0
/*
 * Handles: several of one process, closed ones, those that came with fork, exec or over a socket,
 * and threads that race on what one handle gives them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "view.h"

static int open_device(void)
{
	return CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

#define WANT(call)										\
	do {											\
		long want_ = (call);								\
		if (want_ != -error) {								\
			snprintf(text, sizeof(text), "%s: expected %s, seen %s", #call,		\
				 error_name(error), error_name(-want_));			\
			return text;								\
		}										\
	} while (0)

/* Those whose argument does not matter here. */
static long try_any(int fd, unsigned long cmd)
{
	uint32_t arg[16] = { _IOC_SIZE(cmd) };

	return request(fd, cmd, arg);
}

static long try_event(int fd)
{
	struct wfpatch_event event;

	return read(fd, &event, sizeof(event)) < 0 ? -errno : 0;
}

static long try_status_page(int fd)
{
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	return page == MAP_FAILED ? -errno : 0;
}

/* What poll() shows whether it was asked for or not. */
static short polled(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	return poll(&poller, 1, 0) == 1 ? poller.revents : 0;
}

/*
 * Every request of a handle that is not the caller's gives the same error, whether its argument is
 * good or not. Returns the first that does not, or NULL.
 */
static const char *find_usable(int fd, int error)
{
	static long data[2] = { 1, 2 };
	static char text[200];
	struct wfpatch_info info;
	uint32_t id;
	unsigned int nr;

	WANT(try_info(fd, &info));
	WANT(try_any(fd, WFPATCH_IOC_ATTACH));
	WANT(try_range(fd, WFPATCH_IOC_PIN, data, PAGE));
	WANT(try_range(fd, WFPATCH_IOC_UNPIN, data, PAGE));
	WANT(try_create(fd, 0, &id));
	WANT(try_delete(fd, 1));
	WANT(try_migrate(fd, 1, NULL));
	WANT(try_migrate(fd, 0, NULL));
	WANT(try_current(fd, &id));
	WANT(try_write(fd, 1, data, data, 8));
	WANT(try_read(fd, 1, data, data, 8));
	WANT(try_any(fd, WFPATCH_IOC_VIEW_COMMIT));
	WANT(try_transition(fd, 1));
	WANT(try_any(fd, WFPATCH_IOC_MAP));
	WANT(try_list_views(fd, NULL, 0, NULL));
	WANT(try_list_threads(fd, NULL, 0, NULL));
	WANT(try_any(fd, WFPATCH_IOC_UNMAP));
	WANT(try_any(fd, WFPATCH_IOC_LIST_BLOCKED));
	for (nr = 0; nr <= _IOC_NR(WFPATCH_IOC_LIST_BLOCKED); nr++)
		WANT(request(fd, _IOWR(WFPATCH_IOC_MAGIC, nr, struct wfpatch_info), NULL));
	WANT(try_event(fd));
	WANT(try_status_page(fd));
	/* A process that shares the handle must not wait for events that it cannot read. */
	if (polled(fd) != (error == EPERM ? POLLERR : POLLHUP)) {
		snprintf(text, sizeof(text), "poll: seen %#x", polled(fd));
		return text;
	}
	return NULL;
}

static void check_foreign(int fd, int error)
{
	const char *wrong = find_usable(fd, error);

	if (wrong)
		FAIL("%s", wrong);
}

static void use_inherited_handle(void *unused)
{
	(void)unused;
	check_foreign(device, EPERM);
}

TEST(a_forked_child_cannot_use_the_handle)
{
	uint32_t view = new_view(0);

	child_run(use_inherited_handle, NULL);
	CHECK_EQ(nr_views(), 1);
	CHECK_EQ(current_view(), 0);
	enter(view);
	child_run(use_inherited_handle, NULL);
	CHECK_EQ(current_view(), view);
}

static void close_and_open(void *unused)
{
	(void)unused;
	close(device);
	device = open_device();
	CHECK_EQ(nr_views(), 0);
	CHECK_EQ(new_view(0), 1);
}

TEST(a_forked_child_has_views_of_its_own)
{
	code_fn code = make_code(1);
	uint32_t view = new_view(0);

	patch_code(view, code, 2);
	child_run(close_and_open, NULL);
	CHECK_EQ(nr_views(), 1);
	enter(view);
	child_run(close_and_open, NULL);
	CHECK_EQ(code(), 2);
}

static void use_after_the_owner_is_gone(void *arg)
{
	char gone;

	close(((int *)arg)[1]);
	CHECK_EQ(read(((int *)arg)[0], &gone, 1), 0);
	/* The other end closes before the address space goes. */
	for (int i = 0; i < 3000; i++) {
		struct wfpatch_info info;

		if (try_info(device, &info) == -ESRCH)
			break;
		sleep_ms(10);
	}
	check_foreign(device, ESRCH);
}

static void own_and_end(void *arg)
{
	pid_t *user = *(pid_t **)arg;
	int *ends = (int *)(user + 1);

	close(device);
	device = open_device();
	new_view(0);
	*user = child_start(use_after_the_owner_is_gone, ends);
}

TEST(a_handle_whose_process_has_ended_gives_ESRCH)
{
	pid_t *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			     0);

	CHECK(shared != MAP_FAILED);
	CHECK_EQ(pipe((int *)(shared + 1)), 0);
	CHECK_LIBC(syscall(SYS_prctl, 36 /* PR_SET_CHILD_SUBREAPER */, 1, 0, 0, 0));
	child_run(own_and_end, &shared);
	close(((int *)(shared + 1))[1]);
	child_finish(*shared);
}

int exec_main(int argc, char **argv)
{
	int fd = argc > 1 ? atoi(argv[1]) : -1, fresh;
	const char *wrong = find_usable(fd, ESRCH);
	uint32_t view;

	/* A failed check cannot be heard across exec, but its status and what is printed can. */
	if (wrong) {
		printf("# after exec: %s\n", wrong);
		return 12;
	}
	fresh = open(DEVICE_PATH, O_RDWR);
	if (fresh < 0 || try_current(fresh, &view) || view != 0)
		return 13;
	if (try_create(fresh, 0, &view) || view != 1 || try_migrate(fresh, 1, NULL))
		return 14;
	return 0;
}

static void exec_with_the_handle(void *arg)
{
	char number[16];
	int fd;

	close(device);
	fd = CHECK_LIBC(open(DEVICE_PATH, O_RDWR));
	device = fd;
	new_view(0);
	if (arg)
		enter(1);
	snprintf(number, sizeof(number), "%d", fd);
	exec_self(number, NULL);
	FAIL("exec: %s", last_error());
}

TEST(a_handle_used_after_exec_gives_ESRCH)
{
	CHECK_EQ(child_status(child_start(exec_with_the_handle, NULL)), 0);
	CHECK_EQ(child_status(child_start(exec_with_the_handle, "in a view")), 0);
}

struct parcel {
	struct msghdr message;
	struct iovec part;
	char byte;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
};

static struct cmsghdr *pack(struct parcel *p)
{
	memset(p, 0, sizeof(*p));
	p->part = (struct iovec){ &p->byte, 1 };
	p->message.msg_iov = &p->part;
	p->message.msg_iovlen = 1;
	p->message.msg_control = &p->control;
	p->message.msg_controllen = sizeof(p->control);
	p->control.header.cmsg_level = SOL_SOCKET;
	p->control.header.cmsg_type = SCM_RIGHTS;
	p->control.header.cmsg_len = CMSG_LEN(sizeof(int));
	return &p->control.header;
}

static void receive_a_handle(void *arg)
{
	struct parcel p;
	int fd;

	close(device);
	device = open_device();
	new_view(0);
	pack(&p);
	CHECK_EQ(recvmsg(((int *)arg)[1], &p.message, 0), 1);
	memcpy(&fd, CMSG_DATA(&p.control.header), sizeof(fd));
	check_foreign(fd, EPERM);
	close(fd);
	CHECK_EQ(nr_views(), 1);
}

TEST(a_handle_sent_over_a_socket_is_useless_to_the_receiver)
{
	struct parcel p;
	int ends[2];
	pid_t pid;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	new_view(0);
	pid = child_start(receive_a_handle, ends);
	memcpy(CMSG_DATA(pack(&p)), &device, sizeof(device));
	CHECK_EQ(sendmsg(ends[0], &p.message, 0), 1);
	child_finish(pid);
	CHECK_EQ(nr_views(), 1);
}

TEST(several_handles_show_the_same_views)
{
	struct wfpatch_view_info info;
	int other = open_device();
	code_fn code = make_code(1);
	uint32_t a = new_view(0), b;

	CHECK_OK(try_create(other, a, &b));
	CHECK_EQ(nr_views(), 2);
	patch_code(b, code, 2);
	CHECK_OK(try_migrate(other, b, NULL));
	CHECK_EQ(code(), 2);
	CHECK_EQ(current_view(), b);
	CHECK_OK(try_delete(other, a));
	CHECK(!view_info(device, a, &info));
	/* One of two: nothing happens. */
	close(device);
	device = other;
	CHECK_EQ(code(), 2);
	CHECK_EQ(nr_views(), 1);
}

TEST(closing_the_last_handle_deletes_views_that_nobody_uses)
{
	code_fn code = make_code(1);
	struct wfpatch_view_info info;
	uint32_t used = new_view(0), unused = new_view(0);
	struct worker w;

	patch_code(used, code, 2);
	worker_start(&w);
	worker_enter(&w, used);
	close(device);
	CHECK_EQ(worker_code(&w, code), 2);
	CHECK_EQ(code(), 1);
	device = open_device();
	CHECK_EQ(nr_views(), 0);
	CHECK(!view_info(device, unused, &info));
	CHECK(view_info(device, used, &info));
	CHECK_EQ(info.flags & WFPATCH_VIEW_DELETED, WFPATCH_VIEW_DELETED);
	CHECK_EQ(info.nr_threads, 1);
	CHECK_EQ(worker_call(&w, do_current, NULL), used);
	CHECK_ERROR(try_migrate(device, used, NULL), ENOENT);
	/* Ids of views that live on are not given away. */
	CHECK(new_view(0) > unused);
	worker_enter(&w, 0);
	CHECK_EQ(worker_code(&w, code), 1);
	WAIT_FOR(!view_info(device, used, &info));
}

TEST(threads_end_in_views_whose_last_handle_is_closed)
{
	enum { NR = 20 };
	struct worker workers[NR];
	code_fn code = make_code(1);
	uint32_t view = new_view(0);
	int i;

	patch_code(view, code, 2);
	for (i = 0; i < NR; i++) {
		worker_start(&workers[i]);
		worker_enter(&workers[i], view);
	}
	enter(view);
	close(device);
	for (i = 0; i < NR; i++) {
		CHECK_EQ(worker_code(&workers[i], code), 2);
		if (i % 2)
			worker_stop(&workers[i]);
	}
	/* The others end with the process. */
}

TEST(a_closed_handle_is_no_handle)
{
	struct wfpatch_info info;
	int fd = dup(device);

	new_view(0);
	close(device);
	CHECK_ERROR(try_info(device, &info), EBADF);
	device = fd;
	CHECK_EQ(nr_views(), 1);
}

/* --- races ----------------------------------------------------------------------------------- */

struct racers {
	long *data;
	unsigned int stop;
	unsigned int calls;
};

static bool allowed(long result, const int *errors)
{
	if (!result)
		return true;
	for (; *errors; errors++)
		if (result == -*errors)
			return true;
	return false;
}

#define RACE(call, ...)									\
	do {										\
		static const int errors_[] = { __VA_ARGS__, 0 };			\
		long race_ = (call);							\
		if (!allowed(race_, errors_))						\
			FAIL("%s: seen %s", #call, error_name(-race_));			\
	} while (0)

/* All threads do everything to the same few views and pages. */
static void *racer(void *arg)
{
	struct racers *racers = arg;
	unsigned int seed = (unsigned int)gettid();
	long value = 5, seen;

	while (!LOAD(racers->stop)) {
		uint32_t id = (uint32_t)rand_r(&seed) % 6 + LOAD(racers->calls) / 200 % 1000;
		long *page = page_of(racers->data, rand_r(&seed) % 4);

		__atomic_add_fetch(&racers->calls, 1, __ATOMIC_RELAXED);
		switch (rand_r(&seed) % 9) {
		case 0:
			RACE(try_create(device, 0, NULL), ENOSPC);
			break;
		case 1:
			RACE(try_create(device, id, NULL), ENOSPC, ENOENT);
			break;
		case 2:
			RACE(try_delete(device, id), ENOENT, EINVAL, EBUSY);
			break;
		case 3:
			RACE(try_migrate(device, id, NULL), ENOENT);
			break;
		case 4:
			RACE(try_write(device, id, page, &value, sizeof(value)), ENOENT, EINVAL);
			break;
		case 5:
			RACE(try_read(device, id, page, &seen, sizeof(seen)), ENOENT);
			break;
		case 6:
			RACE(try_pin(page, PAGE), EEXIST);
			break;
		case 7:
			RACE(try_unpin(page, PAGE), ENOENT);
			break;
		case 8:
			RACE(try_transition(device, id), ENOENT);
			break;
		}
		seen = LOAD(page[0]);
		if (seen != 5 && seen != 9)
			FAIL("expected 5 or 9, seen %ld", seen);
	}
	enter(0);
	return NULL;
}

TEST(threads_race_on_the_same_views)
{
	enum { NR = 4 };
	struct wfpatch_view_info views[64];
	struct racers racers = { .data = map_pages(4, PROT_READ | PROT_WRITE) };
	pthread_t threads[NR];
	long nr;
	int i;

	for (i = 0; i < 4; i++)
		STORE(*page_of(racers.data, i), 9);
	for (i = 0; i < NR; i++)
		start_thread(&threads[i], racer, &racers);
	sleep_ms(2000);
	STORE(racers.stop, 1);
	for (i = 0; i < NR; i++)
		join_thread(threads[i]);
	CHECK(racers.calls > 0);
	CHECK_OK(try_transition(device, 0));
	while ((nr = try_list_views(device, views, 64, NULL)) > 1)
		for (i = 1; i < nr; i++)
			RACE(try_delete(device, views[i].view), ENOENT);
	CHECK_EQ(nr, 1);
	WAIT_FOR(counter("freed") == counter("created"));
	CHECK_EQ(counter("overlays"), 0);
}

/* --- 32-bit callers -------------------------------------------------------------------------- */

static long call_32bit(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

TEST(requests_of_32_bit_callers_have_the_same_layout)
{
	enum { NR_IOCTL_32 = 54 };
	char *low = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct wfpatch_info *info = (void *)low;
	struct wfpatch_view_create *create = (void *)(low + 64);
	struct wfpatch_view_io *io = (void *)(low + 128);
	struct wfpatch_seg *seg = (void *)(low + 192);
	struct wfpatch_list *list = (void *)(low + 256);
	struct wfpatch_view_info *views = (void *)(low + 512);

	CHECK(low != MAP_FAILED);
	*info = (struct wfpatch_info){ .size = sizeof(*info) };
	if (call_32bit(NR_IOCTL_32, device, (long)WFPATCH_IOC_INFO, (long)info) == -ENOSYS)
		skip_test("the kernel runs no 32-bit system calls");
	CHECK_EQ(info->api_version, WFPATCH_API_VERSION);
	*create = (struct wfpatch_view_create){ .size = sizeof(*create) };
	CHECK_OK(call_32bit(NR_IOCTL_32, device, (long)WFPATCH_IOC_VIEW_CREATE, (long)create));
	CHECK_EQ(create->view, 1);
	*(long *)(void *)(low + PAGE) = 4711;
	*seg = (struct wfpatch_seg){ (uintptr_t)low + 2 * PAGE, (uintptr_t)low + PAGE, 8 };
	*io = (struct wfpatch_view_io){ .size = sizeof(*io), .view = 1, .nr_segs = 1,
					.segs = (uintptr_t)seg };
	CHECK_OK(call_32bit(NR_IOCTL_32, device, (long)WFPATCH_IOC_VIEW_WRITE, (long)io));
	*list = (struct wfpatch_list){ .size = sizeof(*list), .nr = 8,
				       .entries = (uintptr_t)views };
	CHECK_OK(call_32bit(NR_IOCTL_32, device, (long)WFPATCH_IOC_LIST_VIEWS, (long)list));
	CHECK_EQ(list->nr, 2);
	CHECK_EQ(views[1].view, 1);
	CHECK_EQ(views[1].nr_overlays, 1);
	enter(1);
	CHECK_EQ(LOAD(*(long *)(void *)(low + 2 * PAGE)), 4711);
}
