// SPDX-License-Identifier: GPL-2.0
/* Failures that the kernel injects; see inject.h. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "inject.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define COPIES		DEBUGFS "fail_usercopy/"
#define MAKE_IT_FAIL	"/proc/thread-self/make-it-fail"

#define MOST	3000	/* that one call may have */

void inject_prepare(void)
{
	if (access("/proc/thread-self/fail-nth", W_OK))
		skip_test("the kernel injects no failures");
	guest_set(DEBUGFS "failslab/ignore-gfp-wait", "N");
	guest_set(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	guest_set(DEBUGFS "fail_page_alloc/min-order", "0");
	guest_set(DEBUGFS "failslab/verbose", "0");
	guest_set(DEBUGFS "fail_page_alloc/verbose", "0");
	guest_set(COPIES "verbose", "0");
	/* Those of others must never fail, nor those by which this is set and put back. */
	guest_set(COPIES "task-filter", "Y");
	guest_set(COPIES "space", "0");
	guest_set(COPIES "times", "0");
	guest_set(COPIES "probability", "100");
}

void injector_add(struct injector *injector, pid_t pid, pid_t tid)
{
	char path[64];
	int fd;

	CHECK(injector->nr < INJECT_TASKS);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fail-nth", pid, tid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	/* A worker may have ended. */
	if (fd < 0 && injector->what == INJECT_WORKERS)
		return;
	if (fd < 0)
		FAIL("%s: %s", path, last_error());
	injector->tids[injector->nr] = tid;
	injector->fds[injector->nr++] = fd;
}

struct injector injector_of_caller(void)
{
	struct injector injector = { .what = INJECT_TASK };

	injector_add(&injector, getpid(), gettid());
	return injector;
}

/* Add the workers that are not known yet; returns whether there are any. */
static bool add_workers(struct injector *injector)
{
	unsigned int known = injector->nr, i;
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[64], name[32];

	CHECK(dir);
	while ((entry = readdir(dir))) {
		int pid = atoi(entry->d_name);

		for (i = 0; i < injector->nr && injector->tids[i] != pid; i++)
			;
		if (pid <= 0 || i < injector->nr)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (file_read(path, name, sizeof(name)) > 0 && !strncmp(name, "kworker/u", 9))
			injector_add(injector, pid, pid);
	}
	closedir(dir);
	return injector->nr > known;
}

struct injector injector_of_workers(void)
{
	struct injector injector = { .what = INJECT_WORKERS };

	CHECK(add_workers(&injector));
	return injector;
}

struct injector injector_of_copies(void)
{
	return (struct injector){ .what = INJECT_COPIES };
}

/* --- one failure ------------------------------------------------------------------------------ */

/* The write itself may be what fails. */
static void write_surely(int fd, const char *text)
{
	while (pwrite(fd, text, strlen(text), 0) < 0 && errno == EFAULT)
		;
}

static void arm(struct injector *injector, unsigned int nth)
{
	char number[16];
	unsigned int i;

	snprintf(number, sizeof(number), "%u", nth);
	if (injector->what == INJECT_COPIES) {
		/* It passes as long as it is more than one, and counts down. */
		CHECK(file_write(COPIES "space", number));
		CHECK(file_write(COPIES "times", "1"));
		CHECK(file_write(MAKE_IT_FAIL, "1"));
		return;
	}
	for (i = 0; i < injector->nr; i++)
		write_surely(injector->fds[i], number);
}

/* Returns whether something has failed. If that comes just now, it had not. */
static bool disarm(struct injector *injector)
{
	char left[16] = "";
	bool failed = false;
	unsigned int i;

	if (injector->what == INJECT_COPIES) {
		if (!file_write(MAKE_IT_FAIL, "0")) {
			CHECK(file_write(MAKE_IT_FAIL, "0"));
			return false;
		}
		CHECK(file_read(COPIES "times", left, sizeof(left)) > 0);
		return !atoi(left);
	}
	for (i = 0; i < injector->nr; i++) {
		ssize_t n = pread(injector->fds[i], left, sizeof(left) - 1, 0);

		left[n > 0 ? n : 0] = 0;
		failed |= n > 0 && !atoi(left);
		write_surely(injector->fds[i], "0");
	}
	return failed;
}

/* --- all of them ------------------------------------------------------------------------------ */

static char before[1 << 16], after[1 << 16];

/* The line in which the pictures begin to differ. */
static void fail_of_change(unsigned int nth)
{
	size_t same = 0;

	while (before[same] && before[same] == after[same])
		same++;
	while (same && before[same - 1] != '\n')
		same--;
	before[same + strcspn(before + same, "\n")] = 0;
	after[same + strcspn(after + same, "\n")] = 0;
	FAIL("failure %u changed something: \"%s\" before, \"%s\" after", nth, before + same,
	     after + same);
}

static void check_failure(const struct trial *trial, unsigned int nth, long result, size_t size)
{
	if (result != -ENOMEM && result != -EFAULT && result != -EAGAIN)
		FAIL("failure %u: expected ENOMEM, seen %s", nth, error_name(-result));
	if (!trial->picture)
		return;
	if (trial->picture(after, sizeof(after)) != size || memcmp(before, after, size))
		fail_of_change(nth);
}

struct trial_result inject_all(struct injector *injector, const struct trial *trial)
{
	struct trial_result all = { };
	unsigned int nth;

	/* All of the first, fewer of the later ones. */
	for (nth = 1; nth <= MOST; nth += 1 + nth / 24) {
		size_t size = trial->picture ? trial->picture(before, sizeof(before)) : 0;
		long result;
		bool injected;

		arm(injector, nth);
		result = trial->call();
		injected = disarm(injector);
		all.injected += injected;
		if (result)
			check_failure(trial, nth, result, size);
		else if (trial->undo)
			trial->undo();
		if (injected && result)
			all.failed++;
		if (injected && (!trial->enough || nth < trial->enough))
			continue;
		if (!injected && result != trial->plain)
			FAIL("without failure %u: expected %s, seen %s", nth,
			     error_name(-trial->plain), error_name(-result));
		/* A worker that is new has not been asked to fail. */
		if (injected || injector->what != INJECT_WORKERS || !add_workers(injector))
			break;
		nth--;
	}
	CHECK(nth <= MOST);
	for (nth = 0; nth < injector->nr; nth++)
		close(injector->fds[nth]);
	return all;
}
