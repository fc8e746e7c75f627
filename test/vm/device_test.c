// SPDX-License-Identifier: GPL-2.0
/*
 * Bad requests: every one gives the error that uapi/wfpatch.h documents, and changes nothing. What
 * is done with a handle that is not the caller's is in handle_test.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define KERNEL_ADDRESS		0xffff888000000000UL
#define VSYSCALL		0xffffffffff600000UL
#define NOT_CANONICAL		0x0100000000000000UL
#define END_OF_USER_4LEVEL	0x00007ffffffff000UL

/* What every request works on, and what it shall leave alone. */
static uint32_t view;
static long *data;
static long *pinned;	/* two pages, of which the first is pinned */

/* What is counted for the process; what a deleted view had goes a moment after it. */
static const char *const counted[] = { "views", "threads", "overlays", "tables" };

#define NR_COUNTED	(sizeof(counted) / sizeof(counted[0]))

struct account {
	long locked_kb;
	long counters[NR_COUNTED];
};

static struct snapshot {
	struct wfpatch_view_info views[16];
	long nr;
	uint32_t current;
	long content[4];
	struct account account;
} before;

static void account_take(struct account *account)
{
	size_t i;

	memset(account, 0, sizeof(*account));
	account->locked_kb = file_value("/proc/self/status", "VmPin");
	for (i = 0; i < NR_COUNTED; i++)
		account->counters[i] = counter(counted[i]);
}

static void snapshot_take(struct snapshot *s)
{
	int i;

	memset(s, 0, sizeof(*s));
	s->nr = try_list_views(device, s->views, 16, NULL);
	CHECK_OK(s->nr);
	CHECK_OK(try_current(device, &s->current));
	for (i = 0; i < 3; i++)
		s->content[i] = get_long(view, page_of(data, i));
	s->content[3] = get_long(view, pinned);
	account_take(&s->account);
}

/* There is no list of pinned ranges: asking for them again shows which there are. */
static void check_pins(const char *what)
{
	long result = try_pin(pinned, PAGE);
	int i;

	if (result != -EEXIST)
		FAIL("%s: expected a pinned page to stay pinned, seen %s", what,
		     error_name(-result));
	for (i = 0; i < 4; i++) {
		result = try_unpin(i < 3 ? page_of(data, i) : page_of(pinned, 1), PAGE);
		if (result != -ENOENT)
			FAIL("%s: expected no page to become pinned, seen %s", what,
			     error_name(-result));
	}
}

static void check_account(const char *what)
{
	struct account now;
	int tries;
	size_t i;

	account_take(&now);
	for (tries = 0; tries < 400 && memcmp(&now, &before.account, sizeof(now)); tries++) {
		sleep_ms(5);
		account_take(&now);
	}
	if (now.locked_kb != before.account.locked_kb)
		FAIL("%s: expected %ld kB in VmPin, seen %ld", what, before.account.locked_kb,
		     now.locked_kb);
	for (i = 0; i < NR_COUNTED; i++)
		if (now.counters[i] != before.account.counters[i])
			FAIL("%s: expected %ld %s in debugfs, seen %ld", what,
			     before.account.counters[i], counted[i], now.counters[i]);
}

static void check_unchanged(const char *what)
{
	struct snapshot now;

	snapshot_take(&now);
	if (now.nr != before.nr)
		FAIL("%s: expected %ld views, seen %ld", what, before.nr, now.nr);
	if (memcmp(&now, &before, offsetof(struct snapshot, account)))
		FAIL("%s: expected the views to be as before, seen a change", what);
	check_pins(what);
	check_account(what);
}

static void prepare(void)
{
	data = map_filled(4);
	pinned = map_filled(2);
	view = new_view(0);
	pin(pinned, PAGE);
	put_long(view, page_of(data, 1), 7);
	snapshot_take(&before);
	/* What is compared later can be seen: the pinned page in each view, and the one written. */
	CHECK_EQ(before.account.counters[2], nr_views() + 1);
	CHECK(before.account.counters[3] >= 3);
	CHECK_EQ(before.account.locked_kb, before.account.counters[2] * 4);
}

#define EXPECT(call, error)								\
	do {										\
		CHECK_ERROR(call, error);						\
		check_unchanged(#call);							\
	} while (0)

/* A request that would succeed, had it not what a test does to it. */
union any {
	struct {
		uint32_t size;
		uint32_t flags;
	};
	struct wfpatch_info info;
	struct wfpatch_attach attach;
	struct wfpatch_range range;
	struct wfpatch_view_create create;
	struct wfpatch_view_delete delete;
	struct wfpatch_view_migrate migrate;
	struct wfpatch_view_current current;
	struct wfpatch_view_io io;
	struct wfpatch_view_commit commit;
	struct wfpatch_transition transition;
	struct wfpatch_map map;
	struct wfpatch_unmap unmap;
	struct wfpatch_list list;
	char bytes[128];
};

#define LIKE_VERSION_1(type)	sizeof(struct type), sizeof(struct type)

static const struct operation {
	const char *name;
	unsigned long cmd;
	uint32_t oldest;	/* size of its struct in version 1 */
	uint32_t size;
	bool out;		/* writes its struct */
	int always;		/* the error of a request without fault */
} operations[] = {
	{ "INFO", WFPATCH_IOC_INFO, offsetof(struct wfpatch_info, max_spans),
	  sizeof(struct wfpatch_info), true, 0 },
	/* Of a handle that is in use. */
	{ "ATTACH", WFPATCH_IOC_ATTACH, LIKE_VERSION_1(wfpatch_attach), false, EBUSY },
	{ "PIN", WFPATCH_IOC_PIN, LIKE_VERSION_1(wfpatch_range), false, 0 },
	{ "UNPIN", WFPATCH_IOC_UNPIN, LIKE_VERSION_1(wfpatch_range), false, ENOENT },
	{ "VIEW_CREATE", WFPATCH_IOC_VIEW_CREATE, LIKE_VERSION_1(wfpatch_view_create), true, 0 },
	{ "VIEW_DELETE", WFPATCH_IOC_VIEW_DELETE, LIKE_VERSION_1(wfpatch_view_delete), false, 0 },
	{ "VIEW_MIGRATE", WFPATCH_IOC_VIEW_MIGRATE, LIKE_VERSION_1(wfpatch_view_migrate), true, 0 },
	{ "VIEW_CURRENT", WFPATCH_IOC_VIEW_CURRENT, LIKE_VERSION_1(wfpatch_view_current), true, 0 },
	{ "VIEW_WRITE", WFPATCH_IOC_VIEW_WRITE, LIKE_VERSION_1(wfpatch_view_io), false, 0 },
	{ "VIEW_READ", WFPATCH_IOC_VIEW_READ, LIKE_VERSION_1(wfpatch_view_io), false, 0 },
	/* The calling thread is in the base. */
	{ "VIEW_COMMIT", WFPATCH_IOC_VIEW_COMMIT, LIKE_VERSION_1(wfpatch_view_commit), false,
	  EBUSY },
	{ "TRANSITION", WFPATCH_IOC_TRANSITION, offsetof(struct wfpatch_transition, call),
	  sizeof(struct wfpatch_transition), false, 0 },
	/* With a descriptor that is not open. */
	{ "MAP", WFPATCH_IOC_MAP, offsetof(struct wfpatch_map, distance),
	  sizeof(struct wfpatch_map), false, EBADF },
	{ "LIST_VIEWS", WFPATCH_IOC_LIST_VIEWS, LIKE_VERSION_1(wfpatch_list), true, 0 },
	{ "LIST_THREADS", WFPATCH_IOC_LIST_THREADS, LIKE_VERSION_1(wfpatch_list), true, 0 },
	/* Of what is not mapped. */
	{ "UNMAP", WFPATCH_IOC_UNMAP, LIKE_VERSION_1(wfpatch_unmap), false, 0 },
	{ "LIST_BLOCKED", WFPATCH_IOC_LIST_BLOCKED, LIKE_VERSION_1(wfpatch_list), true, 0 },
};

#define NR_OPERATIONS	(sizeof(operations) / sizeof(operations[0]))

static void fill(const struct operation *op, union any *arg)
{
	static struct wfpatch_seg seg;
	static long buffer;

	memset(arg, 0, sizeof(*arg));
	arg->size = op->size;
	switch (op->cmd) {
	case WFPATCH_IOC_PIN:
	case WFPATCH_IOC_UNPIN:
		arg->range.addr = (uintptr_t)page_of(data, 2);
		arg->range.len = PAGE;
		break;
	case WFPATCH_IOC_MAP:
		arg->map.fd = -1;
		arg->map.prot = PROT_READ;
		arg->map.addr = 16 * PAGE;
		arg->map.len = PAGE;
		break;
	case WFPATCH_IOC_UNMAP:
		arg->unmap.addr = 16 * PAGE;
		arg->unmap.len = PAGE;
		break;
	case WFPATCH_IOC_VIEW_CREATE:
		arg->create.parent = view;
		break;
	case WFPATCH_IOC_VIEW_WRITE:
	case WFPATCH_IOC_VIEW_READ:
		seg = (struct wfpatch_seg){ (uintptr_t)data, (uintptr_t)&buffer, sizeof(buffer) };
		arg->io.segs = (uintptr_t)&seg;
		arg->io.nr_segs = 1;
		arg->io.view = view;
		break;
	case WFPATCH_IOC_VIEW_DELETE:
	case WFPATCH_IOC_VIEW_MIGRATE:
	case WFPATCH_IOC_VIEW_COMMIT:
	case WFPATCH_IOC_TRANSITION:
		/* The same place in all of them. */
		arg->delete.view = view;
		break;
	}
}

/* One of many, after which check_unchanged() is called once. */
static void check_error(const struct operation *op, void *arg, int error, const char *how)
{
	long result = request(device, op->cmd, arg);

	if (result != -error)
		FAIL("%s %s: expected %s, seen %s", op->name, how, error_name(error),
		     error_name(-result));
}

static void check_request(const struct operation *op, void *arg, int error, const char *how)
{
	char what[100];

	check_error(op, arg, error, how);
	snprintf(what, sizeof(what), "%s %s", op->name, how);
	check_unchanged(what);
}

TEST(an_argument_that_is_not_there_gives_EFAULT)
{
	size_t i;
	char *none = (char *)map_pages(1, PROT_NONE);
	const struct {
		uintptr_t address;
		const char *how;
	} places[] = {
		{ 0, "at NULL" },
		{ 16, "in the first page" },
		{ (uintptr_t)none, "in a page without access" },
		{ KERNEL_ADDRESS, "at a kernel address" },
		{ VSYSCALL, "in the vsyscall page" },
		{ NOT_CANONICAL, "at an address that is not canonical" },
		{ UINTPTR_MAX - 3, "at the end of all addresses" },
	};

	prepare();
	for (i = 0; i < NR_OPERATIONS; i++)
		for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++)
			check_request(&operations[i], (void *)places[j].address, EFAULT,
				      places[j].how);
}

TEST(an_argument_that_ends_in_the_middle_gives_EFAULT)
{
	char *pages = (char *)map_pages(2, PROT_READ | PROT_WRITE);
	uint32_t inside;
	union any arg;
	size_t i;

	prepare();
	CHECK_EQ(mprotect(pages + PAGE, PAGE, PROT_NONE), 0);
	for (i = 0; i < NR_OPERATIONS; i++) {
		fill(&operations[i], &arg);
		for (inside = 1; inside < operations[i].size; inside++) {
			memcpy(pages + PAGE - inside, &arg, inside);
			check_error(&operations[i], pages + PAGE - inside, EFAULT, "half-way");
		}
		check_unchanged(operations[i].name);
	}
}

TEST(a_result_that_cannot_be_written_undoes_the_request)
{
	char *page = (char *)map_pages(1, PROT_READ | PROT_WRITE);
	union any arg;
	size_t i;

	prepare();
	for (i = 0; i < NR_OPERATIONS; i++) {
		if (!operations[i].out)
			continue;
		fill(&operations[i], &arg);
		CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
		memcpy(page, &arg, sizeof(arg));
		CHECK_EQ(mprotect(page, PAGE, PROT_READ), 0);
		check_request(&operations[i], page, EFAULT, "into memory that is read-only");
	}
	/* Back from a view as well. */
	CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
	*(struct wfpatch_view_migrate *)(void *)page = (struct wfpatch_view_migrate){
		.size = sizeof(struct wfpatch_view_migrate),
	};
	CHECK_EQ(mprotect(page, PAGE, PROT_READ), 0);
	enter(view);
	CHECK_ERROR(request(device, WFPATCH_IOC_VIEW_MIGRATE, page), EFAULT);
	CHECK_EQ(current_view(), view);
	CHECK_EQ(LOAD(*page_of(data, 1)), 7);
}

TEST(a_size_too_small_gives_EINVAL)
{
	union any arg;
	size_t i;

	prepare();
	for (i = 0; i < NR_OPERATIONS; i++) {
		fill(&operations[i], &arg);
		for (arg.size = 0; arg.size < operations[i].oldest; arg.size++)
			check_error(&operations[i], &arg, EINVAL, "with too small a size");
		check_unchanged(operations[i].name);
	}
}

TEST(a_struct_of_version_1_is_served)
{
	struct wfpatch_info info;

	memset(&info, 0, sizeof(info));
	info.size = offsetof(struct wfpatch_info, max_spans);
	info.caller_version = 1;
	/* What the caller does not know is not looked at, and left alone. */
	memset(&info.max_spans, 0xee, sizeof(info) - info.size);
	CHECK_OK(request(device, WFPATCH_IOC_INFO, &info));
	CHECK_EQ(info.api_version, WFPATCH_API_VERSION);
	CHECK(info.max_list > 0);
	CHECK_EQ(info.max_spans, 0xeeeeeeee);
	info = (struct wfpatch_info){ .size = sizeof(info), .caller_version = 2 };
	CHECK_OK(request(device, WFPATCH_IOC_INFO, &info));
	CHECK_EQ(info.max_spans, 4096);
	CHECK_EQ(info.max_stack, 256UL << 20);
	CHECK_EQ(info.features, 15);
}

TEST(an_unknown_tail_that_is_not_zero_gives_E2BIG)
{
	union any arg;
	size_t i, at;

	prepare();
	for (i = 0; i < NR_OPERATIONS; i++) {
		for (at = operations[i].size; at < sizeof(arg); at++) {
			fill(&operations[i], &arg);
			arg.size = sizeof(arg);
			arg.bytes[at] = 1;
			check_error(&operations[i], &arg, E2BIG, "with a tail that is not zero");
		}
		check_unchanged(operations[i].name);
	}
}

TEST(an_unknown_tail_of_zeroes_is_served)
{
	char *pages = (char *)map_pages(4, PROT_READ | PROT_WRITE);
	union any arg;
	size_t i;

	prepare();
	CHECK_EQ(mprotect(pages + 3 * PAGE, PAGE, PROT_NONE), 0);
	for (i = 0; i < NR_OPERATIONS; i++) {
		/* Those that change nothing, or always fail. */
		if (operations[i].cmd == WFPATCH_IOC_PIN ||
		    operations[i].cmd == WFPATCH_IOC_VIEW_CREATE ||
		    operations[i].cmd == WFPATCH_IOC_VIEW_DELETE ||
		    operations[i].cmd == WFPATCH_IOC_VIEW_WRITE ||
		    operations[i].cmd == WFPATCH_IOC_VIEW_MIGRATE ||
		    operations[i].cmd == WFPATCH_IOC_TRANSITION)
			continue;
		fill(&operations[i], &arg);
		arg.size = PAGE;
		memset(pages, 0, 3 * PAGE);
		memcpy(pages, &arg, sizeof(arg));
		check_request(&operations[i], pages, operations[i].always, "with a large size");
		CHECK_EQ(((union any *)(void *)pages)->size, arg.size);
		memcpy(pages, &arg, sizeof(arg));
		((union any *)(void *)pages)->size = PAGE + 1;
		check_request(&operations[i], pages, E2BIG, "with a size of more than a page");
		((union any *)(void *)pages)->size = UINT32_MAX;
		check_request(&operations[i], pages, E2BIG, "with the largest size");
	}
}

TEST(a_request_of_a_later_version_is_served_by_its_number)
{
	struct {
		struct wfpatch_view_create create;
		uint64_t more;
	} arg = { .create.size = sizeof(arg) };
	unsigned long larger = _IOC(_IOC_READ | _IOC_WRITE, WFPATCH_IOC_MAGIC,
				    _IOC_NR(WFPATCH_IOC_VIEW_CREATE), sizeof(arg));

	CHECK_OK(request(device, larger, &arg));
	CHECK_EQ(arg.create.view, 1);
	CHECK_EQ(nr_views(), 1);
}

TEST(unknown_flags_give_EINVAL)
{
	union any arg;
	int bit;
	size_t i;

	prepare();
	for (i = 0; i < NR_OPERATIONS; i++) {
		for (bit = 0; bit < 32; bit++) {
			/* WFPATCH_MAP_NEAR; and WFPATCH_TRANSITION_AUTO, which wants spans. */
			bool known = operations[i].cmd == WFPATCH_IOC_MAP && bit == 0;

			fill(&operations[i], &arg);
			arg.flags = 1U << bit;
			check_error(&operations[i], &arg, known ? EBADF : EINVAL,
				    "with an unknown flag");
		}
		check_unchanged(operations[i].name);
	}
}

TEST(reserved_fields_that_are_not_zero_give_EINVAL)
{
	struct wfpatch_view_delete delete = { .size = sizeof(delete), .reserved = 1 };
	struct wfpatch_view_current current = { .size = sizeof(current), .reserved = 1 };
	struct wfpatch_transition transition = { .size = sizeof(transition), .nr_ranges = 1 };
	struct wfpatch_view_commit commit = { .size = sizeof(commit), .reserved = 1 };
	struct wfpatch_attach attach = { .size = sizeof(attach), .reserved = 1 };
	struct wfpatch_info info = { .size = sizeof(info), .reserved = 1 };

	prepare();
	commit.view = view;
	EXPECT(request(device, WFPATCH_IOC_VIEW_COMMIT, &commit), EINVAL);
	EXPECT(request(device, WFPATCH_IOC_ATTACH, &attach), EINVAL);
	EXPECT(request(device, WFPATCH_IOC_INFO, &info), EINVAL);
	delete.view = view;
	EXPECT(request(device, WFPATCH_IOC_VIEW_DELETE, &delete), EINVAL);
	EXPECT(request(device, WFPATCH_IOC_VIEW_CURRENT, &current), EINVAL);
	EXPECT(request(device, WFPATCH_IOC_TRANSITION, &transition), EINVAL);
	transition.nr_ranges = 0;
	transition.ranges = (uintptr_t)data;
	EXPECT(request(device, WFPATCH_IOC_TRANSITION, &transition), EINVAL);
}

TEST(no_such_request_gives_ENOTTY)
{
	union any arg = { .size = sizeof(struct wfpatch_info) };
	int nr;

	prepare();
	for (nr = 17; nr < 256; nr++)
		CHECK_ERROR(request(device, _IOC(_IOC_READ | _IOC_WRITE, WFPATCH_IOC_MAGIC, nr, 40),
				    &arg), ENOTTY);
	EXPECT(request(device, _IOWR(0x12, 0, struct wfpatch_info), &arg), ENOTTY);
	EXPECT(request(device, _IO(WFPATCH_IOC_MAGIC, 0), &arg), ENOTTY);
	EXPECT(request(device, FIONREAD, &arg), ENOTTY);
}

TEST(views_that_are_not_there_give_ENOENT)
{
	uint32_t gone = new_view(0), ids[3];
	long value = 0;
	int i;

	prepare();
	delete_view(gone);
	WAIT_FOR(counter("freed") == 1);
	snapshot_take(&before);
	ids[0] = gone;
	ids[1] = view + 1;
	ids[2] = UINT32_MAX;
	for (i = 0; i < 3; i++) {
		EXPECT(try_create(device, ids[i], NULL), ENOENT);
		EXPECT(try_delete(device, ids[i]), ENOENT);
		EXPECT(try_migrate(device, ids[i], NULL), ENOENT);
		EXPECT(try_write(device, ids[i], data, &value, 8), ENOENT);
		EXPECT(try_read(device, ids[i], data, &value, 8), ENOENT);
		EXPECT(try_transition(device, ids[i]), ENOENT);
	}
	EXPECT(try_delete(device, 0), EINVAL);
	EXPECT(try_write(device, 0, data, &value, 8), EINVAL);
}

TEST(memory_that_is_not_the_programs_cannot_be_read_or_written)
{
	unsigned long vdso = getauxval(AT_SYSINFO_EHDR);
	char *hole = (char *)map_pages(3, PROT_READ | PROT_WRITE);
	long buffer[2 * PAGE / sizeof(long)] = { 0 };
	struct {
		uintptr_t address;
		size_t len;
		int write;
		int read;	/* 0: allowed */
	} places[] = {
		{ 0, 8, EFAULT, EFAULT },
		{ (uintptr_t)hole + PAGE - 4, 8, EFAULT, EFAULT },
		{ (uintptr_t)hole + 2 * PAGE - 4, 8, EFAULT, EFAULT },
		{ KERNEL_ADDRESS, 8, EFAULT, EFAULT },
		{ VSYSCALL, 8, EFAULT, EFAULT },
		{ NOT_CANONICAL, 8, EFAULT, EFAULT },
		{ UINTPTR_MAX - 15, 8, EFAULT, EFAULT },
		{ UINTPTR_MAX - 3, 8, EINVAL, EINVAL },
		{ END_OF_USER_4LEVEL - 4, 8, EFAULT, EFAULT },
		{ 0x8000000000000000UL, 8, EFAULT, EFAULT },
		{ vdso, 8, EOPNOTSUPP, 0 },
	};
	size_t i;

	prepare();
	CHECK_EQ(munmap(hole + PAGE, PAGE), 0);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		void *address = (void *)places[i].address;
		long result;

		if (places[i].address == 0 && !vdso)
			continue;
		result = try_write(device, view, address, buffer, places[i].len);
		if (result != -places[i].write)
			FAIL("write of %zu bytes at %p: expected %s, seen %s", places[i].len,
			     address, error_name(places[i].write), error_name(-result));
		result = try_read(device, view, address, buffer, places[i].len);
		if (result != -places[i].read)
			FAIL("read of %zu bytes at %p: expected %s, seen %s", places[i].len,
			     address, error_name(places[i].read), error_name(-result));
		check_unchanged("an access to memory that is not the program's");
	}
}

/* --- the kernel's own mappings --------------------------------------------------------------- */

static char *vdso_start(void)
{
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);

	if (!vdso)
		skip_test("the kernel has no vdso");
	return vdso;
}

/* The mapping that /proc/self/maps gives this name; NULL if there is none. */
static char *find_mapping(const char *name, size_t *size)
{
	unsigned long start, end;
	char line[512], found[64], *mapping = NULL;
	FILE *maps = fopen("/proc/self/maps", "re");

	CHECK(maps);
	while (!mapping && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %63s", &start, &end, found) != 3 ||
		    strcmp(found, name))
			continue;
		mapping = (char *)start;
		*size = end - start;
	}
	fclose(maps);
	return mapping;
}

/* Like a debugger: no mapping is too read-only for it, unless the kernel is set up so. */
static void force(char *at, const void *bytes, size_t size)
{
	int fd = CHECK_LIBC(open("/proc/self/mem", O_RDWR | O_CLOEXEC));

	if (pwrite(fd, bytes, size, (off_t)(uintptr_t)at) != (ssize_t)size)
		skip_test("/proc/self/mem does not write to the vdso: %s", last_error());
	close(fd);
}

/* The error that a struct gives by its first words; -1 if the rest of it matters, too. */
static int error_of_bytes(const struct operation *op, const char *bytes)
{
	const union any *arg = (const void *)bytes;
	uint32_t known = 0, i;

	if (op->cmd == WFPATCH_IOC_TRANSITION)
		known = WFPATCH_TRANSITION_AUTO | WFPATCH_TRANSITION_CALL;
	if (op->cmd == WFPATCH_IOC_MAP)
		known = WFPATCH_MAP_NEAR;
	if (arg->size < op->oldest)
		return EINVAL;
	if (arg->size > PAGE)
		return E2BIG;
	for (i = op->size; i < arg->size; i++)
		if (bytes[i])
			return E2BIG;
	return arg->flags & ~known ? EINVAL : -1;
}

TEST(arguments_are_read_from_the_vdso)
{
	unsigned int seen_size = 0, seen_tail = 0;
	size_t size = 0, offset, i;
	char *vdso;
	int error;

	vdso_start();
	vdso = find_mapping("[vdso]", &size);
	CHECK(vdso && size > PAGE);
	prepare();
	/* Whatever the vdso has there is taken for a struct. */
	for (offset = 0; offset <= size - PAGE; offset += 4) {
		for (i = 0; i < NR_OPERATIONS; i++) {
			error = error_of_bytes(&operations[i], vdso + offset);
			if (error < 0)
				continue;
			seen_size += error == EINVAL;
			seen_tail += error == E2BIG;
			check_error(&operations[i], vdso + offset, error, "in the vdso");
		}
	}
	check_unchanged("requests with arguments in the vdso");
	CHECK(seen_size > 0 && seen_tail > 0);
}

TEST(results_are_not_written_to_the_vdso)
{
	char *vdso = vdso_start();
	union any arg;
	size_t i;

	prepare();
	for (i = 0; i < NR_OPERATIONS; i++) {
		/* These succeed, and write nothing back. */
		if (operations[i].cmd == WFPATCH_IOC_PIN ||
		    operations[i].cmd == WFPATCH_IOC_VIEW_DELETE ||
		    operations[i].cmd == WFPATCH_IOC_VIEW_WRITE ||
		    operations[i].cmd == WFPATCH_IOC_TRANSITION)
			continue;
		fill(&operations[i], &arg);
		force(vdso, &arg, sizeof(arg));
		check_request(&operations[i], vdso,
			      operations[i].out ? EFAULT : operations[i].always, "in the vdso");
		CHECK(!memcmp(vdso, &arg, sizeof(arg)));
	}
}

TEST(buffers_in_the_vdso_can_be_read_but_not_written)
{
	struct wfpatch_seg seg;
	char *vdso = vdso_start();
	long word = *(long *)(void *)vdso, next = ((long *)(void *)vdso)[1], seen[2] = { 0 };

	prepare();
	EXPECT(try_read(device, view, data, vdso, 8), EFAULT);
	EXPECT(try_list_views(device, (void *)vdso, 16, NULL), EFAULT);
	EXPECT(try_list_threads(device, (void *)vdso, 16, NULL), EFAULT);
	enter(view);
	enter(0);
	CHECK_EQ(read(device, vdso, PAGE), -1);
	CHECK_EQ(errno, EFAULT);
	check_unchanged("events read into the vdso");
	CHECK_EQ(*(long *)(void *)vdso, word);

	CHECK_OK(try_read(device, view, vdso, seen, sizeof(seen)));
	CHECK_EQ(seen[0], word);
	CHECK_EQ(seen[1], next);
	CHECK_OK(try_write(device, view, page_of(data, 1), vdso, 8));
	CHECK_EQ(get_long(view, page_of(data, 1)), word);
	put_long(view, page_of(data, 1), 7);
	check_unchanged("a write of what is in the vdso, and back");

	/* The header of an ELF file is a segment of no good address and more than 4 GiB. */
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, (void *)vdso, 1), E2BIG);
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_READ, view, (void *)vdso, 1), E2BIG);
	seg = (struct wfpatch_seg){ (uintptr_t)page_of(data, 1), (uintptr_t)seen, 8 };
	force(vdso, &seg, sizeof(seg));
	CHECK_OK(try_segs(device, WFPATCH_IOC_VIEW_READ, view, (void *)vdso, 1));
	CHECK_EQ(seen[0], 7);
}

/* Time as the kernel keeps it: the page changes by itself, and no request may name it as memory. */
static void check_vvar_page(char *page)
{
	bool readable = !probe_read(page, NULL);
	long seen = 0;
	size_t i;

	EXPECT(try_write(device, view, page, &seen, 8), EOPNOTSUPP);
	EXPECT(try_read(device, view, page, &seen, 8), EFAULT);
	EXPECT(try_read(device, 0, page, &seen, 8), EFAULT);
	EXPECT(try_range(device, WFPATCH_IOC_PIN, page, PAGE), EOPNOTSUPP);
	EXPECT(try_range(device, WFPATCH_IOC_UNPIN, page, PAGE), ENOENT);
	EXPECT(try_read(device, view, data, page, 8), EFAULT);
	EXPECT(try_list_views(device, (void *)page, 16, NULL), EFAULT);
	EXPECT(try_list_threads(device, (void *)page, 16, NULL), EFAULT);
	CHECK_EQ(try_write(device, view, page_of(data, 1), page, 8), readable ? 0 : -EFAULT);
	put_long(view, page_of(data, 1), 7);
	for (i = 0; i < NR_OPERATIONS; i++) {
		int error = readable ? error_of_bytes(&operations[i], page) : EFAULT;

		if (error >= 0)
			check_request(&operations[i], page, error, "in the vvar pages");
	}
}

TEST(the_vvar_pages_are_no_memory_of_a_view)
{
	size_t size = 0, offset;
	char *vvar = find_mapping("[vvar]", &size);
	int readable = 0;

	if (!vvar)
		skip_test("the kernel has no vvar pages");
	prepare();
	for (offset = 0; offset < size; offset += PAGE) {
		check_vvar_page(vvar + offset);
		readable += !probe_read(vvar + offset, NULL);
	}
	CHECK(readable > 0);
}

TEST(device_memory_cannot_be_written)
{
	long *status = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, device, 0), value = 1;

	prepare();
	CHECK(status != MAP_FAILED);
	value = try_write(device, view, status, &value, 8);
	CHECK(value == -EOPNOTSUPP || value == -EACCES);
	check_unchanged("a write to the status page");
	EXPECT(try_pin(status, PAGE), EOPNOTSUPP);
}

TEST(buffers_that_are_not_there_give_EFAULT)
{
	char *pages = (char *)map_pages(2, PROT_READ | PROT_WRITE);
	void *places[] = { NULL, pages + PAGE - 4, pages + PAGE, (void *)KERNEL_ADDRESS,
			   (void *)VSYSCALL };
	size_t i;

	prepare();
	CHECK_EQ(munmap(pages + PAGE, PAGE), 0);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		EXPECT(try_write(device, view, data, places[i], 8), EFAULT);
		EXPECT(try_read(device, view, data, places[i], 8), EFAULT);
		EXPECT(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, places[i], 1), EFAULT);
		EXPECT(try_segs(device, WFPATCH_IOC_VIEW_READ, view, places[i], 1), EFAULT);
		EXPECT(try_list_views(device, places[i], 16, NULL), EFAULT);
		EXPECT(try_list_threads(device, places[i], 16, NULL), EFAULT);
	}
	CHECK_EQ(mprotect(pages, PAGE, PROT_READ), 0);
	EXPECT(try_read(device, view, data, pages, 8), EFAULT);
	EXPECT(try_list_views(device, (void *)pages, 16, NULL), EFAULT);
	CHECK_OK(try_write(device, view, data, pages, 8));
}

TEST(too_many_or_too_long_segments_give_E2BIG)
{
	struct wfpatch_info info;
	struct wfpatch_seg *segs;
	char *large;

	prepare();
	CHECK_OK(try_info(device, &info));
	segs = calloc(info.max_segs + 1, sizeof(*segs));
	large = mmap(NULL, info.max_io + PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(segs && large != MAP_FAILED);
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 0), EINVAL);
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_READ, view, segs, 0), EINVAL);
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, info.max_segs + 1), E2BIG);
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_READ, view, segs, info.max_segs + 1), E2BIG);
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, UINT32_MAX), E2BIG);
	CHECK_OK(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, info.max_segs));
	EXPECT(try_write(device, view, large, large, info.max_io + 1), E2BIG);
	EXPECT(try_read(device, view, large, large, info.max_io + 1), E2BIG);
	EXPECT(try_write(device, view, large, large, 1UL << 40), E2BIG);
	segs[0] = (struct wfpatch_seg){ (uintptr_t)large, (uintptr_t)large, info.max_io };
	segs[1] = (struct wfpatch_seg){ (uintptr_t)data, (uintptr_t)large, 1 };
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 2), E2BIG);
	/* Both ends wrap around. */
	segs[0] = (struct wfpatch_seg){ (uintptr_t)data, (uintptr_t)data, UINTPTR_MAX };
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 1), EINVAL);
	segs[0] = (struct wfpatch_seg){ (uintptr_t)data, UINTPTR_MAX - 3, 8 };
	EXPECT(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 1), EINVAL);
}

TEST(bad_ranges_cannot_be_pinned)
{
	const unsigned long requests[] = { WFPATCH_IOC_PIN, WFPATCH_IOC_UNPIN };
	char *page;
	size_t i;

	prepare();
	page = (char *)page_of(data, 2);
	CHECK_EQ(munmap(page_of(data, 3), PAGE), 0);
	for (i = 0; i < 2; i++) {
		int missing = i ? ENOENT : ENOMEM;
		unsigned long cmd = requests[i];

		EXPECT(try_range(device, cmd, page, 0), EINVAL);
		EXPECT(try_range(device, cmd, page + 1, PAGE), EINVAL);
		EXPECT(try_range(device, cmd, page, PAGE - 1), EINVAL);
		EXPECT(try_range(device, cmd, page, UINTPTR_MAX - PAGE + 1), EINVAL);
		EXPECT(try_range(device, cmd, page, 2 * PAGE), missing);
		EXPECT(try_range(device, cmd, NULL, PAGE), missing);
		EXPECT(try_range(device, cmd, (void *)KERNEL_ADDRESS, PAGE), missing);
		EXPECT(try_range(device, cmd, (void *)VSYSCALL, PAGE), missing);
		EXPECT(try_range(device, cmd, (void *)END_OF_USER_4LEVEL, PAGE), missing);
	}
	EXPECT(try_unpin(page, PAGE), ENOENT);
	EXPECT(try_range(device, WFPATCH_IOC_PIN, (void *)getauxval(AT_SYSINFO_EHDR), PAGE),
	       EOPNOTSUPP);
}

TEST(only_root_may_open_the_device)
{
	become_nobody();
	CHECK_EQ(open(DEVICE_PATH, O_RDWR), -1);
	CHECK_EQ(errno, EACCES);
}
