// SPDX-License-Identifier: GPL-2.0
/*
 * The memory that the fuzzer's calls work on: areas of all kinds, each followed by a page without
 * access, and a canary that nothing but views may ever change. A thread of its own unmaps, maps and
 * protects the areas all the time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_pool.h"

#define POOL_BASE 0x200000000000UL
#define AREA_STRIDE ((AREA_PAGES + 1) * PAGE)

enum { AREA_WRITABLE, AREA_READONLY, AREA_CODE, AREA_SHARED, AREA_FILE, AREA_OTHER };

struct pool pool;

static __thread sigjmp_buf touching;
static __thread volatile sig_atomic_t is_touching;
static __thread int bounce = -1;

static unsigned char *area_start(unsigned int area)
{
	return pool.base + area * AREA_STRIDE;
}

static void map_area(unsigned int area)
{
	static const int prots[NR_AREAS] = { PROT_READ | PROT_WRITE, PROT_READ,
					     PROT_READ | PROT_EXEC,  PROT_READ | PROT_WRITE,
					     PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE };
	int flags = MAP_FIXED | MAP_ANONYMOUS | (area == AREA_SHARED ? MAP_SHARED : MAP_PRIVATE),
	    fd = -1;

	if (area == AREA_FILE) {
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		flags = MAP_FIXED | MAP_PRIVATE;
	}
	mmap(area_start(area), AREA_PAGES * PAGE, prots[area], flags, fd, 0);
	if (fd >= 0)
		close(fd);
}

static void handle_fault(int nr)
{
	if (is_touching)
		siglongjmp(touching, 1);
	signal(nr, SIG_DFL);
	raise(nr);
}

void pool_init(void)
{
	struct sigaction action = { .sa_handler = handle_fault, .sa_flags = SA_NODEFER };
	unsigned long i;
	void *area;

	area = mmap((void *)POOL_BASE, NR_AREAS * AREA_STRIDE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	pool.base = area;
	for (i = 0; i < NR_AREAS; i++)
		map_area((unsigned int)i);
	pool.canary = POOL_BASE + NR_AREAS * AREA_STRIDE;
	area = mmap((void *)pool.canary, CANARY_PAGES * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (area == MAP_FAILED)
		_exit(0);
	for (i = 0; i < CANARY_PAGES * PAGE / 8; i++)
		((uint64_t *)pool.canary)[i] = 0xba5eba5e00000000ULL + i;
	pool.vdso = getauxval(AT_SYSINFO_EHDR);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static uint64_t special_address(uint64_t word)
{
	static const uint64_t addresses[] = {
		0,
		1,
		PAGE - 1,
		0x7ffffffff000,
		0x7ffffffffff8,
		0x800000000000,
		0xffffffffff600000,
		0xffff888000000000,
		0xffffffff81000000,
		0xfffffffffffff000,
		~0ULL,
		1ULL << 56,
		1ULL << 63,
		0xffffc90000000000,
	};

	switch (word % 4) {
	case 0:
		return pool.vdso + (word >> 8) % 3 * PAGE;
	case 1:
		return pool.vdso - (1 + (word >> 8) % 4) * PAGE;
	default:
		return addresses[(word >> 8) % (sizeof(addresses) / sizeof(*addresses))];
	}
}

static uint64_t offset_in_page(uint64_t word)
{
	switch (word % 4) {
	case 0:
		return (word >> 8) % PAGE;
	case 1:
		return PAGE - 1 - (word >> 8) % 64;
	case 2:
		return (word >> 8) % 64 * 8;
	default:
		return 0;
	}
}

uint64_t pick_target(uint64_t word, bool aligned)
{
	uint64_t page, offset = aligned ? 0 : offset_in_page(word >> 40);

	switch (word % 16) {
	case 0:
		return special_address(word >> 8);
	case 1:
		return word >> 4;
	case 2:
		return (uint64_t)(uintptr_t)area_start((word >> 8) % NR_AREAS) + AREA_PAGES * PAGE +
		       offset;
	case 3:
	case 4:
	case 5:
		return pool.canary + (word >> 8) % CANARY_PAGES * PAGE + offset;
	default:
		page = (word >> 8) % AREA_PAGES;
		return (uint64_t)(uintptr_t)area_start((word >> 16) % NR_AREAS) + page * PAGE +
		       offset;
	}
}

uint64_t pick_buffer(uint64_t word)
{
	if (word % 16 == 0)
		return special_address(word >> 8);
	return (uint64_t)(uintptr_t)area_start((word >> 8) % NR_AREAS) +
	       (word >> 16) % AREA_PAGES * PAGE + offset_in_page(word >> 32);
}

uint64_t pick_length(uint64_t word, bool aligned)
{
	switch (word % 16) {
	case 0:
		return 0;
	case 1:
		return word >> 4;
	case 2:
		return ~0ULL - (word >> 8) % (2 * PAGE);
	case 3:
		return (word >> 8) % (1 << 20);
	case 4:
		return (word >> 8) % (4 * PAGE);
	default:
		return aligned ? (1 + (word >> 8) % 3) * PAGE : 1 + (word >> 8) % 200;
	}
}

uint64_t pick_end(uint64_t word, size_t size)
{
	uint64_t end = (uint64_t)(uintptr_t)area_start((word >> 8) % NR_AREAS) + AREA_PAGES * PAGE;

	return end - size + (word % 4 ? 0 : (word >> 16) % 16);
}

/* A file of the thread's own, so that the kernel does the copying and only gives an error. */
static int bounce_file(void)
{
	if (bounce < 0)
		bounce = memfd_create("bounce", MFD_CLOEXEC);
	return bounce;
}

void copy_surely(uint64_t to, const void *from, size_t size)
{
	int fd = bounce_file();

	if (pwrite(fd, from, size, 0) != (ssize_t)size)
		return;
	if (pread(fd, (void *)to, size, 0) < 0)
		return;
}

void copy_out(const void *from, size_t size)
{
	if (pwrite(bounce_file(), from, size, 0) != (ssize_t)size)
		fault_found("the status page cannot be read");
}

static void touch_one(volatile uint64_t *at, bool store, uint64_t value)
{
	if (!sigsetjmp(touching, 0)) {
		is_touching = 1;
		if (store)
			*at = value;
		else
			(void)*at;
	}
	is_touching = 0;
}

long touch(const uint64_t *words)
{
	volatile uint64_t *at = (uint64_t *)(pick_buffer(words[2] | 1) & ~7ULL);
	bool canary = words[1] % 4 == 0;
	unsigned int i;

	if (canary)
		at = (uint64_t *)(pool.canary + words[3] % CANARY_PAGES * PAGE);
	for (i = 0; i < 1 + words[4] % 8; i++)
		touch_one(at + i * 64, !canary && words[5] >> i & 1, words[6]);
	return 0;
}

void pool_disturb(uint64_t *state)
{
	uint64_t word = random_next(state);
	unsigned int area = (unsigned int)(word >> 8) % NR_AREAS, first = (word >> 16) % AREA_PAGES;
	unsigned int nr = 1 + (word >> 24) % (AREA_PAGES - first);
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_EXEC };
	unsigned char *start = area_start(area) + first * PAGE;

	switch (word % 8) {
	case 0:
		munmap(start, nr * PAGE);
		break;
	case 1:
		mprotect(start, nr * PAGE, prots[(word >> 32) % 4]);
		break;
	case 2:
		madvise(start, nr * PAGE, MADV_DONTNEED);
		break;
	case 3:
		madvise(start, nr * PAGE, MADV_PAGEOUT);
		break;
	case 4:
		madvise(start, nr * PAGE, MADV_FREE);
		break;
	default:
		map_area(area);
		break;
	}
	/* Leave the calls some time in which things are as they should be. */
	nanosleep(&(struct timespec){ .tv_nsec = (long)(word >> 40) % 4000000 }, NULL);
}
