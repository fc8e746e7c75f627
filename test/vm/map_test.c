// SPDX-License-Identifier: GPL-2.0
/*
 * MAP and UNMAP: an image comes into a process that goes on, with the caller's rights and within the
 * process's limits, and goes again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "target.h"

#define MIB	(1UL << 20)
#define GIB	(1UL << 30)
#define SEALS	(F_SEAL_WRITE | F_SEAL_SHRINK)

/* How long a race is run at most: debug kernels are slow. */
#define RACE_MS	60000

/* mov $value, %eax; ret */
static void make_function(unsigned char *page, int value)
{
	memset(page, 0xcc, PAGE);
	page[0] = 0xb8;
	memcpy(page + 1, &value, sizeof(value));
	page[5] = 0xc3;
}

/* A memfd with @pages functions, of which number i returns 100 + i. */
static int make_image(unsigned int pages, int seals)
{
	int fd = CHECK_LIBC(memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	unsigned char page[PAGE];

	for (unsigned int i = 0; i < pages; i++) {
		make_function(page, 100 + (int)i);
		CHECK_EQ(write(fd, page, PAGE), PAGE);
	}
	if (seals)
		CHECK_LIBC(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

/* Addresses that are free here, and in a child that is forked later, until somebody takes them. */
static void *free_place(size_t size)
{
	char *place = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(place != MAP_FAILED);
	CHECK_LIBC(munmap(place, size));
	return place;
}

/* Mappings of a process, as lines of its maps. */
static unsigned int count_mappings(pid_t pid)
{
	char path[64], line[512];
	unsigned int n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	CHECK(file);
	while (fgets(line, sizeof(line), file))
		n++;
	fclose(file);
	return n;
}

/* What /proc/PID/maps says of an address, such as "r-xp"; "----" if it is not mapped. */
static const char *permissions_in(pid_t pid, const void *addr)
{
	static char found[8];
	unsigned long start, end;
	char path[64], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	CHECK(file);
	strcpy(found, "----");
	while (fgets(line, sizeof(line), file)) {
		char text[8];

		if (sscanf(line, "%lx-%lx %7s", &start, &end, text) == 3 &&
		    start <= (unsigned long)addr && (unsigned long)addr < end)
			strcpy(found, text);
	}
	fclose(file);
	return found;
}

#define CHECK_PERMISSIONS(pid, addr, expected)							\
	do {											\
		const char *seen_ = permissions_in(pid, addr);					\
		if (strcmp(seen_, expected))							\
			FAIL("%s: expected %s, seen %s", #addr, expected, seen_);		\
	} while (0)

/* --- what it does ---------------------------------------------------------------------------- */

TEST(code_of_a_sealed_memfd_runs_in_another_process)
{
	void *place = free_place(4 * PAGE), *addr = place;
	int image = make_image(4, SEALS), fd;
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_EQ(target_ask(&t, TARGET_CALL, place), -SIGSEGV);
	CHECK_OK(try_map(fd, image, PROT_READ | PROT_EXEC, &addr, 2 * PAGE, PAGE));
	CHECK_EQ(addr, place);
	close(image);
	CHECK_PERMISSIONS(t.pid, place, "r-xp");
	CHECK_EQ(target_ask(&t, TARGET_CALL, place), 101);
	CHECK_EQ(target_ask(&t, TARGET_CALL, (char *)place + PAGE), 102);
	CHECK_EQ(target_ask(&t, TARGET_STORE, place), -SIGSEGV);
	/* Nothing of it is here. */
	CHECK(!strcmp(permissions(place), "----"));
	CHECK_OK(try_unmap(fd, place, PAGE));
	CHECK_EQ(target_ask(&t, TARGET_CALL, place), -SIGSEGV);
	CHECK_EQ(target_ask(&t, TARGET_CALL, (char *)place + PAGE), 102);
	CHECK_OK(try_unmap(fd, place, 4 * PAGE));
	CHECK_PERMISSIONS(t.pid, (char *)place + PAGE, "----");
	target_kill(&t);
}

TEST(a_writable_image_is_the_processs_own)
{
	void *place = free_place(2 * PAGE), *addr = place;
	int image = make_image(2, SEALS), fd;
	struct target t;
	long word = 0;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_map(fd, image, PROT_READ | PROT_WRITE, &addr, 2 * PAGE, 0));
	CHECK_PERMISSIONS(t.pid, place, "rw-p");
	CHECK_OK(target_ask(&t, TARGET_STORE, place));
	CHECK_EQ(target_ask(&t, TARGET_LOAD, place), 4711);
	CHECK_EQ(pread(image, &word, sizeof(word), 0), sizeof(word));
	CHECK(word != 4711);
	CHECK_EQ(target_ask(&t, TARGET_CALL, place), -SIGSEGV);
	target_kill(&t);
}

TEST(an_image_can_be_read_only_or_from_a_file)
{
	void *place = free_place(2 * PAGE), *addr = place;
	int exe = CHECK_LIBC(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), fd;
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_map(fd, exe, PROT_READ, &addr, PAGE, 0));
	CHECK_PERMISSIONS(t.pid, place, "r--p");
	CHECK_EQ(target_ask(&t, TARGET_LOAD, place) & 0xffffffff, 0x464c457f);
	addr = (char *)place + PAGE;
	CHECK_OK(try_map(fd, exe, PROT_READ | PROT_EXEC, &addr, PAGE, 0));
	CHECK_PERMISSIONS(t.pid, addr, "r-xp");
	target_kill(&t);
}

TEST(an_image_can_be_mapped_into_the_caller)
{
	void *place = free_place(PAGE), *addr = place;
	int image = make_image(1, SEALS), value;

	CHECK_OK(try_map(device, image, PROT_READ | PROT_EXEC, &addr, PAGE, 0));
	CHECK_EQ(probe_call((code_fn)(uintptr_t)place, &value), 0);
	CHECK_EQ(value, 100);
	CHECK_OK(try_unmap(device, place, PAGE));
	CHECK_EQ(probe_call((code_fn)(uintptr_t)place, &value), SIGSEGV);
}

TEST(a_thread_in_a_view_sees_what_is_mapped_and_unmapped)
{
	/* The view has a page of its own, so tables of its own, beside the new image. */
	char *data = (char *)map_pages(4, PROT_READ | PROT_WRITE);
	void *place = data + 2 * PAGE, *addr = place;
	int image = make_image(1, SEALS), fd;
	long value = 5;
	struct target t;
	uint32_t view;

	CHECK_LIBC(munmap(place, PAGE));
	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_OK(try_write(fd, view, data, &value, sizeof(value)));
	CHECK_OK(target_ask(&t, TARGET_ENTER, (void *)(uintptr_t)view));
	CHECK_EQ(target_ask(&t, TARGET_LOAD, data), 5);
	CHECK_OK(try_map(fd, image, PROT_READ | PROT_EXEC, &addr, PAGE, 0));
	CHECK_EQ(target_ask(&t, TARGET_CALL, place), 100);
	CHECK_OK(try_unmap(fd, place, PAGE));
	CHECK_EQ(target_ask(&t, TARGET_CALL, place), -SIGSEGV);
	CHECK_EQ(target_ask(&t, TARGET_LOAD, data), 5);
	target_kill(&t);
}

/* --- where ----------------------------------------------------------------------------------- */

TEST(a_place_that_is_taken_gives_EEXIST)
{
	char *data = (char *)map_pages(3, PROT_READ | PROT_WRITE);
	int image = make_image(2, SEALS), fd;
	struct target t;
	void *addr;

	CHECK_LIBC(munmap(data, PAGE));
	target_start(&t, NULL, NULL);
	fd = attach(&t);
	addr = data;
	CHECK_ERROR(try_map(fd, image, PROT_READ, &addr, 2 * PAGE, 0), EEXIST);
	addr = data + PAGE;
	CHECK_ERROR(try_map(fd, image, PROT_READ, &addr, PAGE, 0), EEXIST);
	CHECK_OK(target_ask(&t, TARGET_STORE, addr));
	addr = data;
	CHECK_OK(try_map(fd, image, PROT_READ, &addr, PAGE, 0));
	target_kill(&t);
}

/* Is [addr, addr + len) within @distance of @wanted? */
static void check_near(const void *addr, size_t len, const void *wanted, uint64_t distance)
{
	uintptr_t start = (uintptr_t)addr, middle = (uintptr_t)wanted;

	if (start % PAGE || start + distance < middle || start + len > middle + distance)
		FAIL("expected within %#lx of %p, seen %p", (unsigned long)distance, wanted, addr);
}

TEST(near_an_address_the_nearest_free_place_is_taken)
{
	enum { NR = 64 };
	char *area = mmap(NULL, NR * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int image = make_image(2, SEALS), fd;
	struct target t;
	void *addr;

	CHECK(area != MAP_FAILED);
	/* Holes of one page at 10, two at 20, four at 40. */
	CHECK_LIBC(munmap(area + 10 * PAGE, PAGE));
	CHECK_LIBC(munmap(area + 20 * PAGE, 2 * PAGE));
	CHECK_LIBC(munmap(area + 40 * PAGE, 4 * PAGE));
	target_start(&t, NULL, NULL);
	fd = attach(&t);
	/* Right there, if it is free. */
	addr = area + 41 * PAGE;
	CHECK_OK(try_map_near(fd, image, PROT_READ | PROT_EXEC, &addr, 2 * PAGE, MIB));
	CHECK_EQ(addr, area + 41 * PAGE);
	CHECK_EQ(target_ask(&t, TARGET_CALL, addr), 100);
	/* The hole at 10 is too small, the rest of that at 40 as well. */
	addr = area + 11 * PAGE;
	CHECK_OK(try_map_near(fd, image, PROT_READ | PROT_EXEC, &addr, 2 * PAGE, 16 * PAGE));
	CHECK_EQ(addr, area + 20 * PAGE);
	addr = area + 11 * PAGE;
	CHECK_ERROR(try_map_near(fd, image, PROT_READ, &addr, 2 * PAGE, 10 * PAGE), ENOSPC);
	CHECK_EQ(addr, area + 11 * PAGE);
	addr = area + 11 * PAGE;
	CHECK_OK(try_map_near(fd, image, PROT_READ, &addr, PAGE, 10 * PAGE));
	CHECK_EQ(addr, area + 10 * PAGE);
	/* Not even one byte may be farther away. */
	addr = area + 30 * PAGE;
	CHECK_ERROR(try_map_near(fd, image, PROT_READ, &addr, PAGE, 10 * PAGE), ENOSPC);
	CHECK_OK(try_map_near(fd, image, PROT_READ, &addr, PAGE, 11 * PAGE));
	CHECK_EQ(addr, area + 40 * PAGE);
	CHECK_ERROR(try_map_near(fd, image, PROT_READ, &addr, PAGE, 0), ENOSPC);
	target_kill(&t);
}

TEST(near_the_programs_code_there_is_room_that_is_not_the_heaps)
{
	int image = make_image(2, SEALS), fd;
	void *code = (void *)&check_near, *addr = code, *low;
	char *heap_end = sbrk(0);
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	addr = (void *)((uintptr_t)code & -PAGE);
	for (int i = 0; i < 50; i++) {
		void *wanted = addr;

		CHECK_OK(try_map_near(fd, image, PROT_READ | PROT_EXEC, &addr, 2 * PAGE, 2 * GIB));
		check_near(addr, 2 * PAGE, wanted, 2 * GIB);
		if ((char *)addr >= heap_end - MIB && (char *)addr < heap_end + GIB - 16 * MIB)
			FAIL("expected room for the heap above %p, seen an image at %p", heap_end,
			     addr);
		CHECK_EQ(target_ask(&t, TARGET_CALL, addr), 100);
		addr = wanted;
	}
	/* If there is no other room, the heap's is taken. */
	low = (void *)(((uintptr_t)heap_end & -PAGE) + 256 * MIB);
	addr = low;
	CHECK_OK(try_map_near(fd, image, PROT_READ, &addr, 2 * PAGE, 2 * PAGE));
	CHECK_EQ(addr, low);
	target_kill(&t);
}

TEST(near_a_stack_there_is_room_for_it_to_grow)
{
	int image = make_image(1, SEALS), fd;
	unsigned long stack = (uintptr_t)&image & -PAGE;
	void *addr = (void *)(stack - 64 * MIB);
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_ERROR(try_map_near(fd, image, PROT_READ, &addr, PAGE, 32 * MIB), ENOSPC);
	CHECK_OK(try_map_near(fd, image, PROT_READ, &addr, PAGE, 2 * GIB));
	if ((uintptr_t)addr < stack && stack - (uintptr_t)addr < 128 * MIB)
		FAIL("expected room below the stack at %#lx, seen an image at %p", stack, addr);
	target_kill(&t);
}

TEST(near_the_first_address_nothing_is_mapped_that_may_not_be)
{
	int image = make_image(1, SEALS), fd;
	void *addr = NULL;
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_map_near(fd, image, PROT_READ, &addr, PAGE, GIB));
	CHECK((uintptr_t)addr >= 65536);
	addr = NULL;
	CHECK_ERROR(try_map_near(fd, image, PROT_READ, &addr, PAGE, 65536), ENOSPC);
	target_kill(&t);
}

/* --- what it refuses ------------------------------------------------------------------------- */

TEST(what_is_not_sealed_or_cannot_be_read_is_refused)
{
	static const int too_few[] = { 0, F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW | F_SEAL_SEAL };
	void *place = free_place(PAGE), *addr = place;
	int fd, other, ends[2];
	unsigned int before;
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	before = count_mappings(t.pid);
	for (size_t i = 0; i < sizeof(too_few) / sizeof(too_few[0]); i++)
		CHECK_ERROR(try_map(fd, make_image(1, too_few[i]), PROT_READ, &addr, PAGE, 0),
			    EACCES);
	CHECK_ERROR(try_map(fd, CHECK_LIBC(memfd_create("unsealable", MFD_CLOEXEC)), PROT_READ,
			    &addr, PAGE, 0), EACCES);
	other = CHECK_LIBC(open("/tmp/wfpatch-image", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	unlink("/tmp/wfpatch-image");
	CHECK_EQ(ftruncate(other, PAGE), 0);
	CHECK_ERROR(try_map(fd, other, PROT_READ, &addr, PAGE, 0), EACCES);
	CHECK_ERROR(try_map(fd, -1, PROT_READ, &addr, PAGE, 0), EBADF);
	CHECK_ERROR(try_map(fd, 1000, PROT_READ, &addr, PAGE, 0), EBADF);
	CHECK_LIBC(pipe(ends));
	CHECK_ERROR(try_map(fd, ends[0], PROT_READ, &addr, PAGE, 0), ENODEV);
	CHECK_ERROR(try_map(fd, fd, PROT_READ, &addr, PAGE, 0), ENODEV);
	other = CHECK_LIBC(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	CHECK_ERROR(try_map(fd, other, PROT_READ, &addr, PAGE, 0), ENODEV);
	other = CHECK_LIBC(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
	CHECK_ERROR(try_map(fd, other, PROT_READ, &addr, PAGE, 0), ENODEV);
	CHECK_EQ(count_mappings(t.pid), before);
	target_kill(&t);
}

TEST(bad_arguments_give_EINVAL)
{
	void *place = free_place(4 * PAGE);
	int image = make_image(2, SEALS), fd;
	struct target t;
	struct wfpatch_map good = {
		.size = sizeof(good), .fd = image, .prot = PROT_READ, .addr = (uintptr_t)place,
		.len = PAGE,
	};
	struct wfpatch_map bad[16];
	size_t i, nr = 0;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	for (i = 0; i < 16; i++)
		bad[i] = good;
	bad[nr++].addr += 1;
	bad[nr++].len = 0;
	bad[nr++].len = 5;
	bad[nr++].offset = 512;
	bad[nr++].offset = -PAGE;
	bad[nr++].prot = 0;
	bad[nr++].prot = PROT_EXEC;
	bad[nr++].prot = PROT_WRITE;
	bad[nr++].prot = PROT_READ | PROT_WRITE | PROT_EXEC;
	bad[nr++].prot = PROT_READ | 0x100;
	bad[nr++].flags = 2;
	bad[nr++].distance = MIB;
	bad[nr++].offset = INT64_MAX & -PAGE;
	for (i = 0; i < nr; i++) {
		long result = request(fd, WFPATCH_IOC_MAP, &bad[i]);

		if (result != -EINVAL)
			FAIL("number %zu: expected EINVAL, seen %s", i, error_name(-result));
	}
	good.addr = 1UL << 63;
	CHECK_ERROR(request(fd, WFPATCH_IOC_MAP, &good), ENOMEM);
	good.addr = -PAGE;
	CHECK_ERROR(request(fd, WFPATCH_IOC_MAP, &good), ENOMEM);
	good.addr = (uintptr_t)place;
	good.len = 1UL << 62;
	CHECK_ERROR(request(fd, WFPATCH_IOC_MAP, &good), ENOMEM);
	CHECK_ERROR(try_unmap(fd, (char *)place + 1, PAGE), EINVAL);
	CHECK_ERROR(try_unmap(fd, place, 1), EINVAL);
	CHECK_ERROR(try_unmap(fd, place, 0), EINVAL);
	CHECK_ERROR(try_unmap(fd, (void *)(1UL << 63), PAGE), EINVAL);
	CHECK_OK(try_unmap(fd, place, PAGE));
	target_kill(&t);
}

TEST(code_on_a_file_system_without_execution_gives_EPERM)
{
	void *place = free_place(PAGE), *addr = place;
	unsigned char page[PAGE];
	struct target t;
	int fd, file;

	/* Mounts of this process only. */
	CHECK_LIBC(unshare(CLONE_NEWNS));
	CHECK_LIBC(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK_LIBC(mount("none", "/mnt", "tmpfs", MS_NOEXEC, NULL));
	file = CHECK_LIBC(open("/mnt/image", O_RDWR | O_CREAT | O_CLOEXEC, 0700));
	make_function(page, 3);
	CHECK_EQ(write(file, page, PAGE), PAGE);
	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_ERROR(try_map(fd, file, PROT_READ | PROT_EXEC, &addr, PAGE, 0), EPERM);
	CHECK_PERMISSIONS(t.pid, place, "----");
	CHECK_OK(try_map(fd, file, PROT_READ, &addr, PAGE, 0));
	target_kill(&t);
}

static void be_nobody(void *unused)
{
	(void)unused;
	become_nobody();
	CHECK_LIBC(prctl(PR_SET_DUMPABLE, 1));
}

static void map_the_first_page(void *arg)
{
	int fd = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC)), image = make_image(1, SEALS);
	void *addr = (void *)PAGE;

	be_nobody(NULL);
	CHECK_OK(try_attach_with(fd, *(int *)arg));
	CHECK_ERROR(try_map(fd, image, PROT_READ, &addr, PAGE, 0), EPERM);
}

TEST(the_kernel_asks_for_the_callers_rights)
{
	int image = make_image(1, SEALS), fd;
	void *addr = (void *)PAGE;
	struct target t;
	long least = 0;
	char text[32];

	if (file_read("/proc/sys/vm/mmap_min_addr", text, sizeof(text)) > 0)
		least = strtol(text, NULL, 10);
	if (least <= (long)PAGE)
		skip_test("the kernel lets everybody map the first pages");
	guest_set("/proc/sys/kernel/yama/ptrace_scope", "0");
	target_start(&t, be_nobody, NULL);
	child_run(map_the_first_page, &t.pidfd);
	/* The process may not, but root may. */
	fd = attach(&t);
	CHECK_OK(try_map(fd, image, PROT_READ, &addr, PAGE, 0));
	CHECK_PERMISSIONS(t.pid, (void *)PAGE, "r--p");
	target_kill(&t);
}

/* --- the process's limits -------------------------------------------------------------------- */

static void set_limit(pid_t pid, int which, unsigned long bytes)
{
	struct rlimit limit = { bytes, bytes };

	CHECK_LIBC(prlimit(pid, (__rlimit_resource_t)which, &limit, NULL));
}

static unsigned long status_bytes(pid_t pid, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return (unsigned long)file_value(path, key) << 10;
}

TEST(the_limits_of_the_process_are_kept)
{
	void *place = free_place(8 * PAGE), *addr = place;
	int image = make_image(8, SEALS), fd;
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	set_limit(t.pid, RLIMIT_AS, status_bytes(t.pid, "VmSize") + 4 * PAGE);
	CHECK_ERROR(try_map(fd, image, PROT_READ, &addr, 8 * PAGE, 0), ENOMEM);
	CHECK_OK(try_map(fd, image, PROT_READ, &addr, 4 * PAGE, 0));
	CHECK_OK(try_unmap(fd, place, 4 * PAGE));
	set_limit(t.pid, RLIMIT_AS, RLIM_INFINITY);
	set_limit(t.pid, RLIMIT_DATA, status_bytes(t.pid, "VmData") + 4 * PAGE);
	CHECK_ERROR(try_map(fd, image, PROT_READ | PROT_WRITE, &addr, 8 * PAGE, 0), ENOMEM);
	CHECK_OK(try_map(fd, image, PROT_READ | PROT_WRITE, &addr, 4 * PAGE, 0));
	CHECK_OK(try_unmap(fd, place, 4 * PAGE));
	CHECK_OK(try_map(fd, image, PROT_READ | PROT_EXEC, &addr, 8 * PAGE, 0));
	target_kill(&t);
}

TEST(the_callers_limits_do_not_count)
{
	void *place = free_place(8 * PAGE), *addr = place;
	int image = make_image(8, SEALS), fd;
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	set_limit(0, RLIMIT_AS, status_bytes(getpid(), "VmSize"));
	set_limit(0, RLIMIT_DATA, PAGE);
	CHECK_OK(try_map(fd, image, PROT_READ | PROT_WRITE, &addr, 8 * PAGE, 0));
	target_kill(&t);
}

static void lock_all_later(void *unused)
{
	set_limit(0, RLIMIT_MEMLOCK, 64 * MIB);
	be_nobody(unused);
	CHECK_LIBC(mlockall(MCL_FUTURE));
}

struct locked {
	pid_t pid;
	int pidfd;
	void *place;
};

static void map_locked(void *arg)
{
	int fd = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC)), image = make_image(8, SEALS);
	struct locked *locked = arg;
	void *addr = locked->place;

	set_limit(locked->pid, RLIMIT_MEMLOCK, 4 * PAGE);
	be_nobody(NULL);
	CHECK_OK(try_attach_with(fd, locked->pidfd));
	CHECK_ERROR(try_map(fd, image, PROT_READ, &addr, 8 * PAGE, 0), ENOMEM);
	CHECK_OK(try_map(fd, image, PROT_READ, &addr, 4 * PAGE, 0));
}

TEST(a_process_that_locks_its_memory_gets_locked_images_within_its_limit)
{
	struct locked locked = { .place = free_place(8 * PAGE) };
	struct target t;

	guest_set("/proc/sys/kernel/yama/ptrace_scope", "0");
	target_start(&t, lock_all_later, NULL);
	locked.pid = t.pid;
	locked.pidfd = t.pidfd;
	CHECK_EQ(status_bytes(t.pid, "VmLck"), 0);
	child_run(map_locked, &locked);
	CHECK_EQ(status_bytes(t.pid, "VmLck"), 4 * PAGE);
	target_kill(&t);
}

TEST(too_many_mappings_give_ENOMEM)
{
	void *place = free_place(PAGE), *addr = place;
	int image = make_image(1, SEALS), fd;
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	guest_need("/proc/sys/vm/max_map_count", "5");
	CHECK_ERROR(try_map(fd, image, PROT_READ, &addr, PAGE, 0), ENOMEM);
	target_kill(&t);
}

/* --- undoing --------------------------------------------------------------------------------- */

TEST(a_mapping_whose_address_cannot_be_told_is_not_there)
{
	struct wfpatch_map *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *place = free_place(PAGE);
	int image = make_image(1, SEALS), fd;
	struct target t;

	CHECK(map != MAP_FAILED);
	target_start(&t, NULL, NULL);
	fd = attach(&t);
	*map = (struct wfpatch_map){
		.size = sizeof(*map), .fd = image, .prot = PROT_READ, .addr = (uintptr_t)place,
		.len = PAGE,
	};
	CHECK_LIBC(mprotect(map, PAGE, PROT_READ));
	CHECK_ERROR(request(fd, WFPATCH_IOC_MAP, map), EFAULT);
	CHECK_PERMISSIONS(t.pid, place, "----");
	CHECK_LIBC(mprotect(map, PAGE, PROT_READ | PROT_WRITE));
	CHECK_OK(request(fd, WFPATCH_IOC_MAP, map));
	CHECK_PERMISSIONS(t.pid, place, "r--p");
	target_kill(&t);
}

TEST(a_struct_of_version_1_is_served)
{
	struct wfpatch_map map = { 0 };
	int image = make_image(1, SEALS), fd;
	void *place = free_place(PAGE);
	struct target t;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	map.size = offsetof(struct wfpatch_map, distance);
	map.fd = image;
	map.prot = PROT_READ;
	map.addr = (uintptr_t)place;
	map.len = PAGE;
	map.distance = 77;
	CHECK_OK(request(fd, WFPATCH_IOC_MAP, &map));
	/* What the caller does not know is left alone. */
	CHECK_EQ(map.distance, 77);
	CHECK_PERMISSIONS(t.pid, place, "r--p");
	target_kill(&t);
}

struct patcher {
	struct target *t;
	void *place;
};

static void map_for_ever(void *arg)
{
	struct patcher *patcher = arg;
	int fd = attach(patcher->t), image = make_image(4, SEALS);

	for (;;) {
		void *addr = patcher->place;

		CHECK_OK(try_map_near(fd, image, PROT_READ | PROT_EXEC, &addr, 4 * PAGE, GIB));
		CHECK_OK(try_unmap(fd, addr, 4 * PAGE));
	}
}

TEST(a_caller_is_killed_while_it_maps)
{
	uint64_t end = now_ms() + RACE_MS;
	struct patcher patcher;
	unsigned int seed = 3, round, before;
	struct target t;
	int status;

	target_start(&t, NULL, NULL);
	patcher.t = &t;
	patcher.place = free_place(64 * PAGE);
	before = count_mappings(t.pid);
	for (round = 0; round < 200 && now_ms() < end; round++) {
		pid_t pid = child_start(map_for_ever, &patcher);

		usleep((unsigned int)rand_r(&seed) % 10000);
		kill(pid, SIGKILL);
		status = child_status(pid);
		if (!WIFSIGNALED(status))
			FAIL("a child ended with status %#x", status);
	}
	/* At most what was mapped and not unmapped again in each round. */
	CHECK(count_mappings(t.pid) <= before + round);
	CHECK_EQ(target_ask(&t, TARGET_LOAD, &seed), 3);
	target_kill(&t);
}

TEST(a_process_is_killed_while_images_come_and_go)
{
	uint64_t end = now_ms() + RACE_MS;
	int image = make_image(4, SEALS), fd, status;
	unsigned int seed = 4, round, mapped = 0;
	void *place = free_place(64 * PAGE), *addr;
	struct target t;
	long result;
	pid_t killer;

	for (round = 0; round < 200 && now_ms() < end; round++) {
		target_start(&t, NULL, NULL);
		fd = attach(&t);
		killer = fork();
		if (!killer) {
			usleep((unsigned int)rand_r(&seed) % 10000);
			kill(t.pid, SIGKILL);
			_exit(0);
		}
		rand_r(&seed);
		do {
			addr = place;
			result = try_map_near(fd, image, PROT_READ | PROT_EXEC, &addr, 4 * PAGE,
					      GIB);
			mapped += !result;
			if (!result)
				result = try_unmap(fd, addr, 4 * PAGE);
		} while (!result);
		CHECK_ERROR(result, ESRCH);
		close(fd);
		target_kill(&t);
		CHECK_EQ(waitpid(killer, &status, 0), killer);
	}
	CHECK(mapped > 0);
}

/* Takes and gives back the places that MAP has just found free. */
static void *take_places(void *arg)
{
	char *place = arg;
	unsigned int seed = 5;

	for (;;) {
		char *page = place + (unsigned long)rand_r(&seed) % 8 * PAGE;

		if (mmap(page, PAGE, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == page)
			munmap(page, PAGE);
	}
	return NULL;
}

static void start_taking_places(void *place)
{
	pthread_t thread;

	start_thread(&thread, take_places, place);
}

TEST(near_an_address_a_lost_race_for_a_place_is_run_again)
{
	/* A hole in which nothing else finds room. */
	char *area = (char *)map_pages(64, PROT_READ), *place = area + 16 * PAGE;
	int image = make_image(1, SEALS), fd;
	struct target t;
	void *addr;

	CHECK_LIBC(munmap(place, 16 * PAGE));
	target_start(&t, start_taking_places, place);
	fd = attach(&t);
	for (int i = 0; i < 500; i++) {
		addr = place + 3 * PAGE;
		CHECK_OK(try_map_near(fd, image, PROT_READ, &addr, PAGE, 16 * PAGE));
		/* Mapped over in the middle by nobody: the mapping is ours alone. */
		CHECK_OK(try_unmap(fd, addr, PAGE));
	}
	target_kill(&t);
}
