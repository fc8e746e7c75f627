// SPDX-License-Identifier: GPL-2.0
/* Another process, which does what it is told; see target.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

struct question {
	enum target_question what;
	const volatile void *arg;
};

static long enter_view(uint32_t view)
{
	static int own = -1;

	if (own < 0)
		own = open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return own < 0 ? -errno : try_migrate(own, view, NULL);
}

static long answer(struct target *t, const struct question *q)
{
	char ask[16], reply[16];
	code_fn code = (code_fn)(uintptr_t)q->arg;
	long loaded;
	int value, caught;

	switch (q->what) {
	case TARGET_CALL:
		caught = probe_call(code, &value);
		return caught ? -caught : value;
	case TARGET_RUN:
		return code();
	case TARGET_LOAD:
		caught = probe_read(q->arg, &loaded);
		return caught ? -caught : loaded;
	case TARGET_STORE:
		return -probe_write((volatile void *)q->arg, 4711);
	case TARGET_ENTER:
		return enter_view((uint32_t)(uintptr_t)q->arg);
	case TARGET_EXEC:
		snprintf(ask, sizeof(ask), "%d", t->ask[0]);
		snprintf(reply, sizeof(reply), "%d", t->answer[1]);
		exec_self(ask, reply, NULL);
		return -errno;
	case TARGET_QUIT:
		break;
	}
	_exit(0);
}

void target_serve(struct target *t)
{
	struct question question;
	long result;

	while (read(t->ask[0], &question, sizeof(question)) == sizeof(question)) {
		result = answer(t, &question);
		if (write(t->answer[1], &result, sizeof(result)) != sizeof(result))
			break;
	}
	/* Allowed even to those that seccomp confines to almost nothing. */
	syscall(SYS_exit, 0);
}

/* The target after exec: says that it is there, and waits for its end. */
int exec_main(int argc, char **argv)
{
	long result = 0;
	char byte;

	if (argc < 3 || write(atoi(argv[2]), &result, sizeof(result)) != sizeof(result))
		return 1;
	while (read(atoi(argv[1]), &byte, 1) > 0)
		;
	return 0;
}

static void run_target(void *arg)
{
	struct target *t = arg;

	close(device);
	close(t->ask[1]);
	close(t->answer[0]);
	if (t->prepare)
		t->prepare(t->arg);
	target_serve(t);
}

void target_start(struct target *t, void (*prepare)(void *arg), void *arg)
{
	long ready = 0;

	t->prepare = prepare;
	t->arg = arg;
	CHECK_LIBC(pipe(t->ask));
	CHECK_LIBC(pipe(t->answer));
	t->pid = child_start(run_target, t);
	t->pidfd = (int)CHECK_LIBC(syscall(SYS_pidfd_open, t->pid, 0));
	close(t->ask[0]);
	close(t->answer[1]);
	/* It is ready when it answers. */
	CHECK_EQ(target_ask(t, TARGET_LOAD, &ready), 0);
}

long target_ask(struct target *t, enum target_question what, const volatile void *arg)
{
	struct question question = { what, arg };
	long result;

	CHECK_EQ(write(t->ask[1], &question, sizeof(question)), sizeof(question));
	if (what == TARGET_QUIT)
		return 0;
	if (read(t->answer[0], &result, sizeof(result)) != sizeof(result))
		FAIL("the target does not answer");
	return result;
}

void target_kill(struct target *t)
{
	int status;

	kill(t->pid, SIGKILL);
	while (waitpid(t->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(t->pidfd);
	close(t->ask[1]);
	close(t->answer[0]);
}

int try_attach_with(int fd, int pidfd)
{
	struct wfpatch_attach arg = { .size = sizeof(arg), .pidfd = pidfd };

	return (int)request(fd, WFPATCH_IOC_ATTACH, &arg);
}

int try_attach(int pidfd)
{
	int fd = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK)), err;

	err = try_attach_with(fd, pidfd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static long map_request(int fd, struct wfpatch_map *map, void **addr)
{
	long err = request(fd, WFPATCH_IOC_MAP, map);

	if (!err)
		*addr = (void *)(uintptr_t)map->addr;
	return err;
}

long try_map(int fd, int file, unsigned int prot, void **addr, size_t len, uint64_t offset)
{
	struct wfpatch_map map = {
		.size = sizeof(map), .fd = file, .prot = prot,
		.addr = (uintptr_t)*addr, .len = len, .offset = offset,
	};

	return map_request(fd, &map, addr);
}

long try_map_near(int fd, int file, unsigned int prot, void **addr, size_t len, uint64_t distance)
{
	struct wfpatch_map map = {
		.size = sizeof(map), .flags = WFPATCH_MAP_NEAR, .fd = file, .prot = prot,
		.addr = (uintptr_t)*addr, .len = len, .distance = distance,
	};

	return map_request(fd, &map, addr);
}

long try_unmap(int fd, const volatile void *addr, size_t len)
{
	struct wfpatch_unmap arg = { .size = sizeof(arg), .addr = (uintptr_t)addr, .len = len };

	return request(fd, WFPATCH_IOC_UNMAP, &arg);
}
