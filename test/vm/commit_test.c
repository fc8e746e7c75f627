// SPDX-License-Identifier: GPL-2.0
/* Making a view the base. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auto.h"

static void commit(uint32_t view)
{
	CHECK_OK(try_commit(device, view));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_COMMITTED).view, view);
}

/* What the base has, whatever view the caller is in. */
static int base_fd(void)
{
	return CHECK_LIBC(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
}

static unsigned char base_byte(const volatile void *addr)
{
	int fd = base_fd();
	unsigned char byte;

	CHECK_EQ(pread(fd, &byte, 1, (off_t)(uintptr_t)addr), 1);
	close(fd);
	return byte;
}

static void base_put(const volatile void *addr, unsigned char byte)
{
	int fd = base_fd();

	CHECK_EQ(pwrite(fd, &byte, 1, (off_t)(uintptr_t)addr), 1);
	close(fd);
}

static long call_old(void *unused)
{
	(void)unused;
	return old_code(NULL, NULL);
}

static long read_byte(void *fd)
{
	char byte;

	return read((int)(long)fd, &byte, 1) == 1 ? old_code(NULL, NULL) : -errno;
}

TEST(a_committed_view_is_the_base)
{
	uint32_t view = auto_view();
	struct worker w, asleep;
	int pipes[2], status;
	pid_t child;

	CHECK_LIBC(pipe(pipes));
	worker_start(&w);
	worker_start(&asleep);
	worker_begin(&asleep, read_byte, (void *)(long)pipes[0]);
	go(view);
	CHECK(base_byte((void *)old_code) != 0xe9);
	commit(view);
	CHECK_EQ(base_byte((void *)old_code), 0xe9);
	CHECK_EQ(current_view(), 0);
	CHECK_EQ(nr_views(), 0);
	CHECK_EQ(old_code(NULL, NULL), 2);
	CHECK_EQ(worker_call(&w, call_old, NULL), 2);
	child = CHECK_LIBC(fork());
	if (!child)
		_exit(old_pair());
	CHECK_LIBC(waitpid(child, &status, 0));
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 2);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(worker_end(&asleep), 2);
}

TEST(a_view_that_a_thread_is_not_in_is_not_committed)
{
	uint32_t view = auto_view();
	struct worker w;

	CHECK_EQ(try_commit(device, view), -EBUSY);
	go(view);
	worker_start(&w);
	worker_enter(&w, 0);
	CHECK_EQ(try_commit(device, view), -EBUSY);
	CHECK_EQ(try_commit(device, 0), -EINVAL);
	CHECK_EQ(try_commit(device, view + 1), -ENOENT);
	CHECK(base_byte((void *)old_code) != 0xe9);
	CHECK_EQ(worker_call(&w, call_old, NULL), 1);
	worker_enter(&w, view);
	commit(view);
	CHECK_EQ(worker_call(&w, call_old, NULL), 2);
}

TEST(of_code_only_the_bytes_that_were_written_are_committed)
{
	unsigned char *page = (unsigned char *)make_code(7);
	uint32_t view = new_view(0);

	patch_code(view, page, 9);
	/* A breakpoint that a debugger has set since, in the same page. */
	base_put(page + 2000, 0xcc);
	enter(view);
	commit(view);
	CHECK_EQ(((code_fn)(void *)page)(), 9);
	CHECK_EQ(page[2000], 0xcc);
}

struct counter {
	volatile long *word;
	int stop;
	long count;
};

static long count_up(void *arg)
{
	struct counter *c = arg;

	while (!LOAD(c->stop)) {
		(*c->word)++;
		c->count++;
	}
	return *c->word;
}

TEST(no_store_is_lost_while_a_page_is_committed)
{
	long *page = map_pages(2, PROT_READ | PROT_WRITE);
	struct counter c = { .word = page };
	struct worker w;
	int round;

	worker_start(&w);
	pin(page, 2 * PAGE);
	for (round = 0; round < 20; round++) {
		uint32_t view = new_view(0);

		worker_enter(&w, view);
		enter(view);
		STORE(c.stop, 0);
		worker_begin(&w, count_up, &c);
		usleep(5000);
		commit(view);
		usleep(1000);
		STORE(c.stop, 1);
		worker_end(&w);
		CHECK_EQ(page[0], c.count);
	}
}

TEST(commits_follow_each_other_under_load)
{
	struct worker w[3];
	struct counter c[3] = { };
	code_fn code = make_code(1);
	int i, round;

	for (i = 0; i < 3; i++) {
		c[i].word = map_pages(1, PROT_READ | PROT_WRITE);
		worker_start(&w[i]);
		worker_begin(&w[i], count_up, &c[i]);
	}
	for (round = 2; round < 40; round++) {
		uint32_t view = new_view(0);

		patch_code(view, code, round);
		go(view);
		CHECK_EQ(code(), round);
		commit(view);
		CHECK_EQ(code(), round);
	}
	for (i = 0; i < 3; i++) {
		STORE(c[i].stop, 1);
		CHECK_EQ(worker_end(&w[i]), c[i].count);
	}
}

TEST(a_page_that_cannot_be_written_stops_the_commit)
{
	char path[] = "/tmp/commit_XXXXXX";
	int fd = CHECK_LIBC(mkstemp(path));
	uint32_t view = new_view(0);
	char *page;

	CHECK_LIBC(unlink(path));
	CHECK_LIBC(ftruncate(fd, 2 * PAGE));
	page = CHECK_LIBC(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	put(view, page, "a", 1);
	put(view, page + PAGE, "b", 1);
	enter(view);
	CHECK_LIBC(ftruncate(fd, PAGE));
	CHECK_EQ(try_commit(device, view), -EFAULT);
	/* All is as it was: of the first page nothing is in the base. */
	CHECK_EQ(base_byte(page), 0);
	CHECK_EQ(page[0], 'a');
	CHECK_EQ(current_view(), view);
	CHECK_LIBC(ftruncate(fd, 2 * PAGE));
	put(view, page + PAGE, "b", 1);
	commit(view);
	CHECK_EQ(page[0], 'a');
	CHECK_EQ(page[PAGE], 'b');
}

TEST(a_process_may_die_while_it_is_committed)
{
	int round, status;

	for (round = 0; round < 30; round++) {
		pid_t child = CHECK_LIBC(fork());

		if (!child) {
			code_fn code = make_code(1);

			srand(round);
			close(device);
			device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
			for (;;) {
				uint32_t view = new_view(0);

				patch_code(view, code, rand());
				go(view);
				commit(view);
			}
		}
		usleep(10000 + 5000 * round);
		kill(child, SIGKILL);
		CHECK_LIBC(waitpid(child, &status, 0));
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}
