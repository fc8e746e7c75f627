// SPDX-License-Identifier: GPL-2.0
/*
 * What views themselves cost: creating one in processes of several sizes, migrating, running in
 * one, and the memory that one takes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "microbench.h"

/*
 * Of a process that has no handle yet, each time: what the handle sets up belongs to its first view.
 * The second view is what a process with views pays.
 */
static void time_creation(const char *name)
{
	struct batch begin = { 0 }, first = { 0 }, next = { 0 };
	char label[64];

	for (int i = 0; i < BATCHES; i++) {
		uint64_t start = now_ns(), opened, created, end;
		int fd = device_open();

		opened = now_ns();
		view_create(fd);
		created = now_ns();
		view_create(fd);
		end = now_ns();
		batch_add(&begin, (double)(created - start));
		batch_add(&first, (double)(created - opened));
		batch_add(&next, (double)(end - created));
		close(fd);
	}
	snprintf(label, sizeof(label), "open_create_%s", name);
	sample_batch(label, &begin);
	snprintf(label, sizeof(label), "create_%s", name);
	sample_batch(label, &first);
	snprintf(label, sizeof(label), "create_next_%s", name);
	sample_batch(label, &next);
}

/* As the parent sees it: until fork() returns. The child ends before the next one. */
static void time_fork(const char *name)
{
	struct batch batch = { 0 };

	for (int i = 0; i < BATCHES; i++) {
		uint64_t start = now_ns();
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0)
			_exit(0);
		batch_add(&batch, (double)(now_ns() - start));
		if (waitpid(pid, NULL, 0) != pid)
			fail("waitpid");
	}
	sample_batch(name, &batch);
}

static void create_4_mib(void)
{
	resident_memory(4 * MIB);
	time_creation("4_mib");
}

static void create_256_mib(void)
{
	resident_memory(256 * MIB);
	time_creation("256_mib");
	time_fork("fork_256_mib");
}

static void create_1_gib(void)
{
	resident_memory(1024 * MIB);
	time_creation("1_gib");
}

static void create_10_mappings(void)
{
	many_mappings(10);
	time_creation("10_mappings");
}

static void create_10000_mappings(void)
{
	many_mappings(10000);
	time_creation("10000_mappings");
}

void case_create(void)
{
	in_child(create_4_mib);
	in_child(create_256_mib);
	in_child(create_1_gib);
	in_child(create_10_mappings);
	in_child(create_10000_mappings);
}

void case_first(void)
{
	int fd = device_open();
	uint64_t start = now_ns();

	view_create(fd);
	sample("create_first", (double)(now_ns() - start));
}

void case_migrate(void)
{
	const int rounds = 500;
	struct batch batch = { 0 };
	int fd = device_open();
	uint32_t view = view_create(fd);

	view_overlay(fd, view, program_code());
	for (int i = 0; i < BATCHES; i++) {
		uint64_t start = now_ns();

		for (int j = 0; j < rounds; j++) {
			view_migrate(fd, view);
			view_migrate(fd, 0);
		}
		batch_add(&batch, (double)(now_ns() - start) / (2 * rounds));
	}
	sample_batch("migrate", &batch);
}

/* Faults of a program whose heap has the overlay in its midst, in the same 2 MiB. */
static double measure_fault_beside(char *area, size_t bytes)
{
	struct batch batch = { 0 };

	for (int i = 0; i < BATCHES; i++) {
		uint64_t start;

		if (madvise(area, bytes, MADV_DONTNEED))
			fail("madvise");
		start = now_ns();
		for (size_t j = 0; j < bytes; j += PAGE)
			area[j] = 1;
		batch_add(&batch, (double)(now_ns() - start) / (double)(bytes / PAGE));
	}
	return batch_median(&batch);
}

static void measure_here(const char *where)
{
	char label[64];

	snprintf(label, sizeof(label), "%s_fault", where);
	sample(label, measure_page_fault());
	snprintf(label, sizeof(label), "%s_mmap", where);
	sample(label, measure_mmap_munmap());
	snprintf(label, sizeof(label), "%s_mmap_touch", where);
	sample(label, measure_mmap_touch_munmap());
}

void case_in_view(void)
{
	char *area = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t program, library, heap;
	int fd = device_open();

	if (area == MAP_FAILED)
		fail("mmap");
	madvise(area, 4 * MIB, MADV_NOHUGEPAGE);
	/* A page that faults stay away from, in the middle of 2 MiB that they fill. */
	area = (char *)(((uintptr_t)area + 2 * MIB - 1) & ~(2 * MIB - 1));
	memset(area + MIB, 1, PAGE);

	program = view_create(fd);
	view_overlay(fd, program, program_code());
	library = view_create(fd);
	view_overlay(fd, library, library_code());
	heap = view_create(fd);
	view_overlay(fd, heap, area + MIB);

	measure_here("base");
	sample("base_fault_beside", measure_fault_beside(area, MIB));
	view_migrate(fd, program);
	measure_here("program");
	view_migrate(fd, library);
	measure_here("library");
	view_migrate(fd, heap);
	sample("heap_fault_beside", measure_fault_beside(area, MIB));
	view_migrate(fd, 0);
}

void case_keeper(void)
{
	int fd = device_open();

	for (int i = 0; i < 4; i++) {
		uint32_t view = view_create(fd);

		view_overlay(fd, view, program_code());
		view_migrate(fd, view);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

static double number_in_file(const char *path, const char *key)
{
	char line[256];
	double value = -1;
	FILE *file = fopen(path, "r");

	if (!file)
		fail("%s", path);
	while (value < 0 && fgets(line, sizeof(line), file)) {
		size_t length = strlen(key);

		if (strncmp(line, key, length) == 0)
			value = strtod(line + length, NULL);
	}
	fclose(file);
	if (value < 0) {
		errno = ENOENT;
		fail("%s has no line '%s'", path, key);
	}
	return value;
}

/* What the carrier's mm_struct takes of it: name, objects in use, objects, bytes of an object. */
static double mm_struct_bytes(void)
{
	char line[256];
	unsigned long bytes = 0;
	FILE *file = fopen("/proc/slabinfo", "r");

	if (!file)
		fail("/proc/slabinfo");
	while (bytes == 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "mm_struct %*u %*u %lu", &bytes) != 1)
			bytes = 0;
	}
	fclose(file);
	if (bytes == 0) {
		errno = ENOENT;
		fail("/proc/slabinfo has no mm_struct");
	}
	return (double)bytes;
}

static double cgroup_bytes(void)
{
	const char *group = getenv("BENCH_CGROUP");
	char path[256];

	if (!group) {
		errno = EINVAL;
		fail("BENCH_CGROUP is not set");
	}
	snprintf(path, sizeof(path), "%s/memory.current", group);
	return number_in_file(path, "");
}

/*
 * Bytes that each of many views takes, counted by the process's memory cgroup, and, as a check that
 * nothing escapes it, from the machine's free memory.
 */
static void measure_memory(const char *where)
{
	int fd = device_open();
	unsigned int nr = device_max_views(fd);
	uint32_t view = view_create(fd);
	double charged, available;
	char label[64];

	if (nr > 1000)
		nr = 1000;
	view_overlay(fd, view, program_code());
	nr--;
	charged = cgroup_bytes();
	available = number_in_file("/proc/meminfo", "MemFree:") * 1024;
	for (unsigned int i = 0; i < nr; i++) {
		view = view_create(fd);
		view_overlay(fd, view, program_code());
		/* What is only made when a thread runs there belongs to it. */
		view_migrate(fd, view);
	}
	view_migrate(fd, 0);
	available -= number_in_file("/proc/meminfo", "MemFree:") * 1024;
	charged = cgroup_bytes() - charged;
	snprintf(label, sizeof(label), "charged_%s", where);
	sample(label, charged / nr);
	snprintf(label, sizeof(label), "taken_%s", where);
	sample(label, available / nr);
	sample("views_counted", nr);
}

static void memory_small(void)
{
	resident_memory(4 * MIB);
	measure_memory("small");
}

static void memory_large(void)
{
	resident_memory(1024 * MIB);
	measure_memory("large");
}

void case_memory(void)
{
	sample("mm_struct", mm_struct_bytes());
	in_child(memory_small);
	in_child(memory_large);
}
