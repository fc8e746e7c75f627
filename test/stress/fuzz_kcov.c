// SPDX-License-Identifier: GPL-2.0
/*
 * Coverage of the kernel by the calling thread, where the kernel has KCOV: tells whether a program
 * reached code of the module that none before had reached.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define KCOV_PATH "/sys/kernel/debug/kcov"
#define KCOV_INIT_TRACE _IOR('c', 1, unsigned long)
#define KCOV_ENABLE _IO('c', 100)
#define KCOV_DISABLE _IO('c', 101)
#define KCOV_TRACE_PC 0
#define ENTRIES (64UL << 10)

static __thread int kcov_fd = -1;
static __thread uint64_t *trace;
static uint64_t module_start, module_end;

/* Where the module's code is; without leave to see that, all kernel code counts. */
static void find_module(void)
{
	FILE *modules = fopen("/proc/modules", "re");
	unsigned long long size, start;
	char line[512];

	module_start = 0;
	module_end = ~0ULL;
	while (modules && fgets(line, sizeof(line), modules)) {
		if (sscanf(line, "wfpatch %llu %*s %*s %*s 0x%llx", &size, &start) == 2 && start) {
			module_start = start;
			module_end = start + size;
		}
	}
	if (modules)
		fclose(modules);
}

bool kcov_open(void)
{
	kcov_fd = open(KCOV_PATH, O_RDWR | O_CLOEXEC);
	if (kcov_fd < 0)
		return false;
	if (ioctl(kcov_fd, KCOV_INIT_TRACE, ENTRIES))
		return false;
	trace = mmap(NULL, ENTRIES * sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED, kcov_fd,
		     0);
	if (trace == MAP_FAILED)
		trace = NULL;
	find_module();
	return trace;
}

void kcov_start(void)
{
	if (!trace || ioctl(kcov_fd, KCOV_ENABLE, KCOV_TRACE_PC))
		return;
	__atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
}

/* Returns the number of places in the module that were not reached before. */
unsigned int kcov_stop(void)
{
	unsigned int found = 0;
	uint64_t i, nr;

	if (!trace)
		return 0;
	nr = __atomic_load_n(&trace[0], __ATOMIC_RELAXED);
	for (i = 1; i <= nr && i < ENTRIES; i++) {
		uint64_t pc = trace[i], bit;

		if (pc < module_start || pc >= module_end)
			continue;
		bit = (pc * 0x9e3779b97f4a7c15ULL) >> 46;
		if (!(atomic_fetch_or(&shared->cover[bit / 64], 1ULL << bit % 64) >> bit % 64 & 1))
			found++;
	}
	ioctl(kcov_fd, KCOV_DISABLE, 0);
	shared->covered += found;
	return found;
}
