// SPDX-License-Identifier: GPL-2.0
/*
 * Micro-benchmarks of views. Each case prints lines 'name value'; test/bench/run calls the cases in
 * a VM before and after the module is loaded, and test/bench/report makes ratios of the values.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "microbench.h"
#include "wfpatch.h"

const char *current_case = "";

void fail(const char *format, ...)
{
	int error = errno;
	va_list args;

	fprintf(stderr, "microbench %s: ", current_case);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void batch_add(struct batch *batch, double value)
{
	if (batch->nr == sizeof(batch->values) / sizeof(batch->values[0])) {
		errno = ENOSPC;
		fail("too many values in a batch");
	}
	batch->values[batch->nr++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double batch_median(const struct batch *batch)
{
	struct batch sorted = *batch;

	if (sorted.nr == 0)
		return 0;
	qsort(sorted.values, sorted.nr, sizeof(sorted.values[0]), compare);
	return (sorted.values[(sorted.nr - 1) / 2] + sorted.values[sorted.nr / 2]) / 2;
}

void sample(const char *name, double value)
{
	printf("%s %.1f\n", name, value);
	fflush(stdout);
}

void sample_batch(const char *name, const struct batch *batch)
{
	sample(name, batch_median(batch));
}

void *resident_memory(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap of %zu bytes", bytes);
	if (madvise(memory, bytes, MADV_NOHUGEPAGE) && errno != EINVAL)
		fail("madvise");
	for (size_t i = 0; i < bytes; i += PAGE)
		memory[i] = 1;
	return memory;
}

void many_mappings(unsigned int nr)
{
	size_t bytes = (size_t)nr * PAGE;
	char *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap of %zu bytes", bytes);
	/* Neighbours with other protections cannot be merged. */
	for (size_t i = 0; i < bytes; i += 2 * PAGE) {
		if (mprotect(memory + i, PAGE, PROT_READ | PROT_WRITE))
			fail("mprotect");
		memory[i] = 1;
	}
}

void in_child(void (*body)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		body();
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	if (status != 0) {
		errno = ECHILD;
		fail("a part ended with status %#x", status);
	}
}

int device_open(void)
{
	int fd = open("/dev/wfpatch", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("/dev/wfpatch");
	return fd;
}

uint32_t view_create(int fd)
{
	struct wfpatch_view_create create = { .size = sizeof(create) };

	if (ioctl(fd, WFPATCH_IOC_VIEW_CREATE, &create))
		fail("VIEW_CREATE");
	return create.view;
}

void view_delete(int fd, uint32_t view)
{
	struct wfpatch_view_delete delete = { .size = sizeof(delete), .view = view };

	if (ioctl(fd, WFPATCH_IOC_VIEW_DELETE, &delete))
		fail("VIEW_DELETE");
}

void view_migrate(int fd, uint32_t view)
{
	struct wfpatch_view_migrate migrate = { .size = sizeof(migrate), .view = view };

	if (ioctl(fd, WFPATCH_IOC_VIEW_MIGRATE, &migrate))
		fail("VIEW_MIGRATE");
}

uint32_t device_max_views(int fd)
{
	struct wfpatch_info info = { .size = sizeof(info) };

	if (ioctl(fd, WFPATCH_IOC_INFO, &info))
		fail("INFO");
	return info.max_views;
}

void view_overlay(int fd, uint32_t view, const void *page)
{
	struct wfpatch_seg seg = {
		.addr = (uintptr_t)page,
		.data = (uintptr_t)page,
		.len = 1,
	};
	struct wfpatch_view_io io = {
		.size = sizeof(io),
		.view = view,
		.nr_segs = 1,
		.segs = (uintptr_t)&seg,
	};

	if (ioctl(fd, WFPATCH_IOC_VIEW_WRITE, &io))
		fail("VIEW_WRITE");
}

const void *program_code(void)
{
	return (const void *)((uintptr_t)&program_code & ~(PAGE - 1));
}

const void *library_code(void)
{
	return (const void *)((uintptr_t)&qsort & ~(PAGE - 1));
}

static const struct {
	const char *name;
	void (*run)(void);
	const char *what;
} cases[] = {
	{ "suite", case_suite, "system calls, switches, faults, forks of a process without views" },
	{ "create", case_create, "VIEW_CREATE and fork() in processes of several sizes" },
	{ "first", case_first, "VIEW_CREATE when no process has views" },
	{ "migrate", case_migrate, "VIEW_MIGRATE there and back" },
	{ "in-view", case_in_view, "faults and mappings of a thread in a view and in the base" },
	{ "memory", case_memory, "memory of a view, in the memory cgroup given by BENCH_CGROUP" },
	{ "keeper", case_keeper, "have views and sleep until killed" },
	{ "patched", case_patched, "what is left in a program that BENCH_PATCH patches" },
};

/* On one processor a pipe between two processes makes them take turns. */
static void stay_on_one_processor(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

int main(int argc, char **argv)
{
	const size_t nr = sizeof(cases) / sizeof(cases[0]);

	stay_on_one_processor();
	for (size_t i = 0; argc == 2 && i < nr; i++) {
		if (strcmp(argv[1], cases[i].name) == 0) {
			current_case = cases[i].name;
			cases[i].run();
			return 0;
		}
	}
	fprintf(stderr, "usage: microbench CASE\n");
	for (size_t i = 0; i < nr; i++)
		fprintf(stderr, "  %-8s %s\n", cases[i].name, cases[i].what);
	return 2;
}
