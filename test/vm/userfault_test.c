// SPDX-License-Identifier: GPL-2.0
/* Memory whose faults the program itself handles (userfaultfd), under views. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "view.h"

#define NR	8

struct pager {
	int fd;
	char *area;
	struct worker worker;
	unsigned int missing;
	unsigned int protected;
	unsigned int stop;
};

static void resolve_missing(struct pager *p, uint64_t address)
{
	static long page[PAGE / sizeof(long)];
	struct uffdio_copy copy = { .dst = address & ~(PAGE - 1), .src = (uintptr_t)page,
				    .len = PAGE };

	page[0] = (long)(copy.dst - (uintptr_t)p->area) / (long)PAGE + 100;
	p->missing++;
	if (ioctl(p->fd, UFFDIO_COPY, &copy) && errno != EEXIST)
		FAIL("UFFDIO_COPY: %s", last_error());
}

static void resolve_protected(struct pager *p, uint64_t address)
{
	struct uffdio_writeprotect allow = { .range = { address & ~(PAGE - 1), PAGE } };

	p->protected++;
	if (ioctl(p->fd, UFFDIO_WRITEPROTECT, &allow))
		FAIL("UFFDIO_WRITEPROTECT: %s", last_error());
}

/* Runs in the base. */
static long do_page(void *arg)
{
	struct pager *p = arg;

	while (!LOAD(p->stop)) {
		struct pollfd poller = { .fd = p->fd, .events = POLLIN };
		struct uffd_msg message;

		if (poll(&poller, 1, 20) != 1 ||
		    read(p->fd, &message, sizeof(message)) != sizeof(message))
			continue;
		if (message.event != UFFD_EVENT_PAGEFAULT)
			FAIL("expected a fault, seen event %d", message.event);
		if (message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
			resolve_protected(p, message.arg.pagefault.address);
		else
			resolve_missing(p, message.arg.pagefault.address);
	}
	return 0;
}

/* The area is aligned to a huge page; a page far behind it makes its table a view's own. */
static void pager_start(struct pager *p, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = mode };

	memset(p, 0, sizeof(*p));
	p->area = map_aligned(HUGE);
	madvise(p->area, HUGE, MADV_NOHUGEPAGE);
	p->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (p->fd < 0)
		skip_test("no userfaultfd: %s", last_error());
	if (mode & UFFDIO_REGISTER_MODE_WP)
		api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	if (ioctl(p->fd, UFFDIO_API, &api))
		skip_test("no such userfaultfd: %s", last_error());
	area.range.start = (uintptr_t)p->area;
	area.range.len = NR * PAGE;
	if (ioctl(p->fd, UFFDIO_REGISTER, &area))
		skip_test("the memory cannot be registered: %s", last_error());
	worker_start(&p->worker);
	worker_begin(&p->worker, do_page, p);
}

static void pager_stop(struct pager *p)
{
	STORE(p->stop, 1);
	CHECK_EQ(worker_end(&p->worker), 0);
	close(p->fd);
}

TEST(faults_of_a_view_in_missing_memory_go_to_the_program)
{
	uint32_t shared = new_view(0), own = new_view(0);
	struct pager p;
	int i;

	pager_start(&p, UFFDIO_REGISTER_MODE_MISSING);
	put_long(own, p.area + 100 * PAGE, 1);
	for (i = 0; i < NR; i++) {
		enter(i & 1 ? own : shared);
		CHECK_EQ(LOAD(*page_of(p.area, i)), i + 100);
		STORE(*page_of(p.area, i), -i);
	}
	CHECK_EQ(p.missing, NR);
	enter(0);
	for (i = 0; i < NR; i++)
		CHECK_EQ(LOAD(*page_of(p.area, i)), -i);
	CHECK_EQ(p.missing, NR);
	pager_stop(&p);
}

TEST(a_write_to_missing_memory_asks_the_program_first)
{
	uint32_t view = new_view(0);
	struct pager p;

	pager_start(&p, UFFDIO_REGISTER_MODE_MISSING);
	put_long(view, p.area + 3 * PAGE + 8, 7);
	CHECK_EQ(p.missing, 1);
	enter(view);
	CHECK_EQ(LOAD(page_of(p.area, 3)[0]), 103);
	CHECK_EQ(LOAD(page_of(p.area, 3)[1]), 7);
	enter(0);
	CHECK_EQ(LOAD(page_of(p.area, 3)[0]), 103);
	CHECK_EQ(LOAD(page_of(p.area, 3)[1]), 0);
	pager_stop(&p);
}

TEST(stores_of_a_view_to_protected_memory_go_to_the_program)
{
	uint32_t shared = new_view(0), own = new_view(0);
	struct uffdio_writeprotect protect = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct pager p;
	int i;

	pager_start(&p, UFFDIO_REGISTER_MODE_WP);
	put_long(own, p.area + 100 * PAGE, 1);
	for (i = 0; i < NR; i++) {
		enter(i & 1 ? own : shared);
		STORE(*page_of(p.area, i), i);
	}
	CHECK_EQ(p.protected, 0);
	protect.range.start = (uintptr_t)p.area;
	protect.range.len = NR * PAGE;
	CHECK_EQ(ioctl(p.fd, UFFDIO_WRITEPROTECT, &protect), 0);
	for (i = 0; i < NR; i++) {
		enter(i & 1 ? own : shared);
		CHECK_EQ(LOAD(*page_of(p.area, i)), i);
		CHECK_EQ(p.protected, i);
		STORE(*page_of(p.area, i), i + 10);
		CHECK_EQ(p.protected, i + 1);
		CHECK_EQ(LOAD(*page_of(p.area, i)), i + 10);
	}
	enter(0);
	for (i = 0; i < NR; i++)
		CHECK_EQ(LOAD(*page_of(p.area, i)), i + 10);
	pager_stop(&p);
}
