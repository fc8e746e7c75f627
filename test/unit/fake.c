// SPDX-License-Identifier: GPL-2.0
/* The fake kernel's side of system calls: which file, which failure; the answers are in fake_model.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "fake.h"
#include "fake_model.h"

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_ioctl(int fd, unsigned long cmd, ...);
ssize_t __real_read(int fd, void *data, size_t len);
int __real_poll(struct pollfd *fds, nfds_t nr, int timeout);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_ioctl(int fd, unsigned long cmd, ...);
ssize_t __wrap_read(int fd, void *data, size_t len);
int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

#define NR_CMDS 17

static struct {
	unsigned int requests[NR_CMDS];
	struct {
		int error;
		unsigned int times;
	} fail[NR_CMDS];
	void (*before[NR_CMDS])(void);
	void (*on_poll)(void);
	char last_path[64];
	int last_flags;
	unsigned char last_request[128];
	int mmap_error;
	unsigned int mmap_after;
	bool steal, hung_up;
	int (*serve)(unsigned long cmd, void *arg);
} fake;

int fake_reset(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	return model_reset();
}

int fake_check(void **state)
{
	(void)state;
	assert_int_equal(fake_open_handles(), 0);
	return 0;
}

unsigned int fake_requests(unsigned long cmd)
{
	return fake.requests[_IOC_NR(cmd)];
}

const void *fake_last_request(void)
{
	return fake.last_request;
}

const char *fake_last_path(void)
{
	return fake.last_path;
}

int fake_last_flags(void)
{
	return fake.last_flags;
}

void fake_fail(unsigned long cmd, int error, unsigned int times)
{
	fake.fail[_IOC_NR(cmd)].error = error;
	fake.fail[_IOC_NR(cmd)].times = times;
}

void fake_fail_mmap(int error, unsigned int after)
{
	fake.mmap_error = error;
	fake.mmap_after = after;
}

void fake_before(unsigned long cmd, void (*hook)(void))
{
	fake.before[_IOC_NR(cmd)] = hook;
}

void fake_serve(int (*serve)(unsigned long cmd, void *arg))
{
	fake.serve = serve;
}

void fake_on_poll(void (*hook)(void))
{
	fake.on_poll = hook;
}

void fake_steal_event(void)
{
	fake.steal = true;
}

void fake_hang_up(void)
{
	fake.hung_up = true;
}

struct wfpatch *fake_open(void)
{
	struct wfpatch *handle = NULL;

	assert_int_equal(wfpatch_open(&handle, NULL), 0);
	assert_non_null(handle);
	return handle;
}

int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	if (flags & O_CREAT) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	if (strncmp(path, FAKE_PATH, strlen(FAKE_PATH)))
		return __real_open(path, flags, mode);
	snprintf(fake.last_path, sizeof(fake.last_path), "%s", path);
	fake.last_flags = flags;
	if (strcmp(path, FAKE_PATH)) {
		errno = ENOENT;
		return -1;
	}
	return model_open();
}

int __wrap_close(int fd)
{
	model_close(fd);
	return __real_close(fd);
}

/* No request reads or writes more than its struct says. */
int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	unsigned int nr = _IOC_NR(cmd), size;
	void (*hook)(void);
	va_list args;
	void *arg;
	int err;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	if (!model_is_handle(fd))
		return __real_ioctl(fd, cmd, arg);

	assert_true(_IOC_TYPE(cmd) == WFPATCH_IOC_MAGIC && nr < NR_CMDS);
	memcpy(&size, arg, sizeof(size));
	assert_int_equal(size, _IOC_SIZE(cmd));
	__atomic_add_fetch(&fake.requests[nr], 1, __ATOMIC_SEQ_CST);
	assert_true(size <= sizeof(fake.last_request));
	memset(fake.last_request, 0, sizeof(fake.last_request));
	memcpy(fake.last_request, arg, size);
	hook = fake.before[nr];
	fake.before[nr] = NULL;
	if (hook)
		hook();
	if (fake.fail[nr].times) {
		fake.fail[nr].times--;
		err = -fake.fail[nr].error;
	} else {
		err = fake.serve ? fake.serve(cmd, arg) : -ENOTTY;
		if (err == -ENOTTY)
			err = model_request(fd, cmd, arg);
	}
	if (!err)
		return 0;
	errno = -err;
	return -1;
}

ssize_t __wrap_read(int fd, void *data, size_t len)
{
	if (!model_is_handle(fd))
		return __real_read(fd, data, len);
	assert_true(len >= sizeof(struct wfpatch_event));
	if (model_next_event(fd, data) && !fake.steal)
		return sizeof(struct wfpatch_event);
	fake.steal = false;
	errno = EAGAIN;
	return -1;
}

int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	struct timespec nap = { timeout / 1000, timeout % 1000 * 1000000L };

	/* A pause, in which threads go on. */
	if (!nr && fake.on_poll)
		fake.on_poll();
	if (nr != 1 || !model_is_handle(fds->fd))
		return __real_poll(fds, nr, timeout);
	fds->revents = 0;
	if (!model_has_event(fds->fd) && fake.on_poll && timeout)
		fake.on_poll();
	if (model_has_event(fds->fd))
		fds->revents |= POLLIN;
	if (fake.hung_up)
		fds->revents |= POLLHUP;
	if (fds->revents)
		return 1;
	/* It would sleep without end, and the test too. */
	assert_true(timeout >= 0);
	nanosleep(&nap, NULL);
	return 0;
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (!model_is_handle(fd))
		return __real_mmap(addr, len, prot, flags, fd, offset);
	assert_int_equal(prot, PROT_READ);
	assert_int_equal(flags & MAP_TYPE, MAP_SHARED);
	assert_int_equal(offset, 0);
	assert_int_equal(len, 4096);
	model_use(fd);
	if (fake.mmap_error && !fake.mmap_after--) {
		if (flags & MAP_FIXED)
			munmap(addr, len);
		errno = fake.mmap_error;
		fake.mmap_error = 0;
		return MAP_FAILED;
	}
	return __real_mmap(addr, len, prot, flags, fd, offset);
}
