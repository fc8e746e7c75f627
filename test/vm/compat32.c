// SPDX-License-Identifier: GPL-2.0
/*
 * A 32-bit program that uses views; compat_test runs it. It is built without a C library, so that
 * none for 32 bits need be installed: its system calls are its own, and it ends at the first thing
 * that is not as it should be.
 *
 *	compat32 int80|vdso	use views, by system calls of that kind
 *	compat32 layout		print where this compiler puts the fields of the interface
 */
#include <asm/unistd_32.h>
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/poll.h>

#include "layout.h"

#define PAGE		4096
#define ENOMEM		12
#define EFAULT		14
#define EINVAL		22

#define LOAD(object)		__atomic_load_n(&(object), __ATOMIC_RELAXED)
#define STORE(object, value)	__atomic_store_n(&(object), value, __ATOMIC_RELAXED)

/* The vdso's way into the kernel: sysenter or syscall, as the processor has it. Else int $0x80. */
static void (*vdso_entry)(void) __attribute__((used));

long kernel(long nr, long a, long b, long c, long d, long e, long f);
void start(const char *const *stack);

/* The arguments are on the stack, and the kernel's in registers that are the caller's. */
__asm__(".text\n"
	".globl kernel\n"
	"kernel:\n"
	"	push %ebp\n"
	"	push %edi\n"
	"	push %esi\n"
	"	push %ebx\n"
	"	movl 20(%esp), %eax\n"
	"	movl 24(%esp), %ebx\n"
	"	movl 28(%esp), %ecx\n"
	"	movl 32(%esp), %edx\n"
	"	movl 36(%esp), %esi\n"
	"	movl 40(%esp), %edi\n"
	"	movl 44(%esp), %ebp\n"
	"	cmpl $0, vdso_entry\n"
	"	je 1f\n"
	"	call *vdso_entry\n"
	"	jmp 2f\n"
	"1:	int $0x80\n"
	"2:	pop %ebx\n"
	"	pop %esi\n"
	"	pop %edi\n"
	"	pop %ebp\n"
	"	ret\n"
	".globl _start\n"
	"_start:\n"
	"	movl %esp, %eax\n"
	"	andl $-16, %esp\n"
	"	subl $12, %esp\n"
	"	push %eax\n"
	"	call start\n"
	"	hlt\n");

#define CALL(name, a, b, c)									\
	kernel(__NR_##name, (long)(a), (long)(b), (long)(c), 0, 0, 0)

/* The compiler may ask for it to make a struct. */
void *memset(void *to, int value, size_t size)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
	return to;
}

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static int equal(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	return *a == *b;
}

static void print(const char *text)
{
	CALL(write, 1, text, length(text));
}

static void print_number(long value)
{
	unsigned int rest = value < 0 ? 0 - (unsigned int)value : (unsigned int)value;
	char digits[12], *at = digits + sizeof(digits);

	*--at = 0;
	do {
		*--at = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		*--at = '-';
	print(at);
}

static void finish(int status) __attribute__((noreturn));
static void finish(int status)
{
	for (;;)
		CALL(exit_group, status, 0, 0);
}

#define CHECK_EQ(seen, expected)								\
	do {											\
		long seen_ = (long)(seen), expected_ = (long)(expected);			\
		if (seen_ != expected_)								\
			wrong(__LINE__, #seen, expected_, seen_);				\
	} while (0)

static void wrong(int line, const char *what, long expected, long seen)
{
	print("compat32.c:");
	print_number(line);
	print(": ");
	print(what);
	print(": expected ");
	print_number(expected);
	print(", seen ");
	print_number(seen);
	print("\n");
	finish(1);
}

static void *map(unsigned int pages, int prot, int flags, int fd)
{
	long result = kernel(__NR_mmap2, 0, (long)(pages * PAGE), prot, flags, fd, 0);

	if (result < 0 && result > -PAGE)
		wrong(__LINE__, "mmap", 0, result);
	return (void *)result;
}

static int device;

static long request(unsigned long cmd, void *arg)
{
	return CALL(ioctl, device, cmd, arg);
}

static long migrate(uint32_t view, uint32_t previous)
{
	struct wfpatch_view_migrate arg = { .size = sizeof(arg), .view = view, .previous = 77 };
	struct wfpatch_view_current current = { .size = sizeof(current), .view = 77 };

	CHECK_EQ(request(WFPATCH_IOC_VIEW_MIGRATE, &arg), 0);
	CHECK_EQ(arg.previous, previous);
	CHECK_EQ(request(WFPATCH_IOC_VIEW_CURRENT, &current), 0);
	return (long)current.view;
}

static long view_io(unsigned long cmd, uint32_t view, uint64_t addr, uint64_t data, uint64_t len)
{
	struct wfpatch_seg seg = { addr, data, len };
	struct wfpatch_view_io arg = {
		.size = sizeof(arg), .view = view, .nr_segs = 1, .segs = (uintptr_t)&seg,
	};

	return request(cmd, &arg);
}

/* What a child of a fork has: its parent's view, as its own memory. */
static void check_child(int *data, int (*code)(void), int expected)
{
	int status = 0;
	long pid = CALL(fork, 0, 0, 0);

	if (!pid) {
		CHECK_EQ(LOAD(*data), expected);
		CHECK_EQ(code(), 2);
		finish(0);
	}
	CHECK_EQ(CALL(waitpid, pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void check_lists(void)
{
	struct wfpatch_thread_info threads[2] = { };
	struct wfpatch_view_info views[4] = { };
	struct wfpatch_list list = {
		.size = sizeof(list), .nr = 4, .entries = (uintptr_t)views,
	};

	CHECK_EQ(request(WFPATCH_IOC_LIST_VIEWS, &list), 0);
	CHECK_EQ(list.nr, 2);
	CHECK_EQ(list.total, 2);
	CHECK_EQ(views[0].view, 0);
	CHECK_EQ(views[1].view, 1);
	CHECK_EQ(views[1].nr_threads, 1);
	CHECK_EQ(views[1].nr_overlays, 2);
	list.nr = 2;
	list.entries = (uintptr_t)threads;
	CHECK_EQ(request(WFPATCH_IOC_LIST_THREADS, &list), 0);
	CHECK_EQ(list.nr, 1);
	CHECK_EQ(threads[0].tid, CALL(gettid, 0, 0, 0));
	CHECK_EQ(threads[0].view, 1);
}

static void check_event(uint32_t type, uint32_t view, uint32_t previous)
{
	struct wfpatch_event event = { };
	struct pollfd poller = { .fd = device, .events = POLLIN };

	CHECK_EQ(CALL(poll, &poller, 1, 10000), 1);
	CHECK_EQ(poller.revents, POLLIN);
	CHECK_EQ(CALL(read, device, &event, sizeof(event)), sizeof(event));
	CHECK_EQ(event.type, type);
	CHECK_EQ(event.view, view);
	CHECK_EQ(event.previous, previous);
}

/* Addresses that no pointer of this program can hold, and others that lead nowhere. */
static void check_bad_addresses(int *data)
{
	struct wfpatch_range range = {
		.size = sizeof(range), .addr = 1ULL << 32 | (uintptr_t)data, .len = PAGE,
	};
	int value = 9;

	CHECK_EQ(request(WFPATCH_IOC_INFO, (void *)0), -EFAULT);
	CHECK_EQ(request(WFPATCH_IOC_INFO, (void *)0xfffff000), -EFAULT);
	CHECK_EQ(view_io(WFPATCH_IOC_VIEW_WRITE, 1, 1ULL << 32 | (uintptr_t)data,
			 (uintptr_t)&value, sizeof(value)), -EFAULT);
	CHECK_EQ(view_io(WFPATCH_IOC_VIEW_WRITE, 1, (uintptr_t)data,
			 1ULL << 32 | (uintptr_t)&value, sizeof(value)), -EFAULT);
	CHECK_EQ(view_io(WFPATCH_IOC_VIEW_WRITE, 1, (uintptr_t)data, (uintptr_t)&value,
			 (uint64_t)-1), -EINVAL);
	CHECK_EQ(request(WFPATCH_IOC_PIN, &range), -ENOMEM);
	CHECK_EQ(LOAD(*data), 3);
}

static void use_views(void)
{
	/* mov $1, %eax; ret */
	static const unsigned char text[] = { 0xb8, 1, 0, 0, 0, 0xc3 };
	int *data = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *page = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int (*code)(void) = (int (*)(void))(void *)page, value = 2, seen = 0;
	const volatile struct wfpatch_status *status;
	struct wfpatch_info info = { .size = sizeof(info) };
	struct wfpatch_view_create create = { .size = sizeof(create) };
	struct wfpatch_view_delete delete = { .size = sizeof(delete), .view = 1 };
	struct wfpatch_transition transition = { .size = sizeof(transition), .view = 1 };
	size_t i;

	for (i = 0; i < sizeof(text); i++)
		page[i] = (char)text[i];
	CHECK_EQ(CALL(mprotect, page, PAGE, PROT_READ | PROT_EXEC), 0);
	STORE(*data, 1);
	device = (int)CALL(open, "/dev/wfpatch", O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
	CHECK_EQ(device >= 0, 1);
	status = map(1, PROT_READ, MAP_SHARED, device);

	CHECK_EQ(request(WFPATCH_IOC_INFO, &info), 0);
	CHECK_EQ(info.api_version, WFPATCH_API_VERSION);
	CHECK_EQ(info.max_io, 16 << 20);
	CHECK_EQ(info.nr_views, 0);
	CHECK_EQ(request(WFPATCH_IOC_VIEW_CREATE, &create), 0);
	CHECK_EQ(create.view, 1);
	CHECK_EQ(status->nr_views, 1);
	CHECK_EQ(view_io(WFPATCH_IOC_VIEW_WRITE, 1, (uintptr_t)data, (uintptr_t)&value,
			 sizeof(value)), 0);
	CHECK_EQ(view_io(WFPATCH_IOC_VIEW_WRITE, 1, (uintptr_t)page + 1, (uintptr_t)&value,
			 sizeof(value)), 0);
	CHECK_EQ(LOAD(*data), 1);
	CHECK_EQ(code(), 1);

	CHECK_EQ(request(WFPATCH_IOC_TRANSITION, &transition), 0);
	CHECK_EQ(status->target, 1);
	CHECK_EQ(migrate(1, 0), 1);
	CHECK_EQ(LOAD(*data), 2);
	CHECK_EQ(code(), 2);
	check_event(WFPATCH_EVENT_MIGRATED, 1, 0);
	check_event(WFPATCH_EVENT_DONE, 1, 0);
	STORE(*data, 3);
	check_child(data, code, 3);
	check_lists();
	check_bad_addresses(data);
	CHECK_EQ(view_io(WFPATCH_IOC_VIEW_READ, 0, (uintptr_t)data, (uintptr_t)&seen,
			 sizeof(seen)), 0);
	CHECK_EQ(seen, 1);

	CHECK_EQ(migrate(0, 1), 0);
	CHECK_EQ(LOAD(*data), 1);
	CHECK_EQ(code(), 1);
	CHECK_EQ(view_io(WFPATCH_IOC_VIEW_READ, 1, (uintptr_t)data, (uintptr_t)&seen,
			 sizeof(seen)), 0);
	CHECK_EQ(seen, 3);
	CHECK_EQ(request(WFPATCH_IOC_VIEW_DELETE, &delete), 0);
	CHECK_EQ(status->nr_views, 0);
}

static void print_layout(void)
{
	size_t i;

	for (i = 0; i < NR_LAYOUTS; i++) {
		print(layouts[i].type);
		print(".");
		print(layouts[i].field);
		print(" ");
		print_number((long)layouts[i].offset);
		print(" ");
		print_number((long)layouts[i].size);
		print("\n");
	}
}

/* What the kernel left on the stack: the arguments, the environment, the auxiliary vector. */
void start(const char *const *stack)
{
	const char *how = (long)stack[0] == 2 ? stack[2] : "";
	const char *const *at = stack + (long)stack[0] + 2;
	const long *vector;

	while (*at++)
		;
	if (equal(how, "layout")) {
		print_layout();
		finish(0);
	}
	if (equal(how, "vdso")) {
		for (vector = (const long *)at; vector[0] != AT_NULL; vector += 2)
			if (vector[0] == AT_SYSINFO)
				vdso_entry = (void (*)(void))vector[1];
		CHECK_EQ(!vdso_entry, 0);
	} else {
		CHECK_EQ(equal(how, "int80"), 1);
	}
	use_views();
	finish(0);
}
