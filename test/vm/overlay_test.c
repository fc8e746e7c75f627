// SPDX-License-Identifier: GPL-2.0
/* A view's own pages: writing and reading them, who shares them, what they are charged to. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

#define MANY	3000

TEST(a_write_changes_data_in_one_view_only)
{
	long *data = map_filled(2);
	uint32_t a = new_view(0), b = new_view(0);

	put_long(a, &data[1], 50);
	CHECK_EQ(data[1], 1);
	enter(a);
	CHECK_EQ(LOAD(data[1]), 50);
	CHECK_EQ(LOAD(data[0]), 0);
	CHECK_EQ(LOAD(*page_of(data, 1)), 1000);
	enter(b);
	CHECK_EQ(LOAD(data[1]), 1);
	CHECK_EQ(view_overlays(a), 1);
	CHECK_EQ(view_overlays(b), 0);
}

TEST(a_write_to_code_needs_no_writable_mapping)
{
	code_fn code = make_code(1);
	uint32_t view = new_view(0);

	CHECK(!strcmp(permissions((void *)code), "r-xp"));
	patch_code(view, code, 2);
	CHECK(!strcmp(permissions((void *)code), "r-xp"));
	enter(view);
	CHECK_EQ(code(), 2);
	CHECK_EQ(probe_write((void *)code, 0), SIGSEGV);
	CHECK_EQ(code(), 2);
	enter(0);
	CHECK_EQ(probe_write((void *)code, 0), SIGSEGV);
	CHECK_EQ(code(), 1);
}

TEST(data_pages_of_a_view_cannot_be_executed)
{
	unsigned char text[] = { 0xb8, 1, 0, 0, 0, 0xc3 };
	char *data = (char *)map_filled(1);
	uint32_t view = new_view(0);
	int value;

	memcpy(data, text, sizeof(text));
	put(view, data, text, sizeof(text));
	enter(view);
	CHECK_EQ(probe_call((code_fn)(void *)data, &value), SIGSEGV);
}

TEST(a_write_may_cross_pages)
{
	char *data = (char *)map_filled(4), seen[3 * PAGE], text[3 * PAGE - 100];
	uint32_t view = new_view(0);
	size_t i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + 1);
	put(view, data + PAGE - 50, text, sizeof(text));
	CHECK_EQ(view_overlays(view), 4);
	enter(view);
	CHECK(!memcmp(data + PAGE - 50, text, sizeof(text)));
	CHECK_EQ(*(long *)(void *)data, 0);
	CHECK_EQ(data[PAGE - 51], 0);
	CHECK_EQ(data[PAGE - 50 + sizeof(text)], 0);
	enter(0);
	CHECK_EQ(*page_of(data, 1), 1000);
	CHECK_OK(try_read(device, view, data + PAGE - 50, seen, sizeof(text)));
	CHECK(!memcmp(seen, text, sizeof(text)));
}

TEST(all_segments_are_written_or_none)
{
	long *data = map_filled(4), value = 77, kept = 55;
	uint32_t view = new_view(0);
	struct wfpatch_seg segs[4];
	int i;

	put_long(view, page_of(data, 1), kept);
	CHECK_EQ(munmap(page_of(data, 3), PAGE), 0);
	for (i = 0; i < 4; i++)
		segs[i] = (struct wfpatch_seg){ (uintptr_t)page_of(data, i), (uintptr_t)&value,
						sizeof(value) };
	CHECK_ERROR(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 4), EFAULT);
	CHECK_EQ(view_overlays(view), 1);
	CHECK_EQ(get_long(view, page_of(data, 0)), 0);
	CHECK_EQ(get_long(view, page_of(data, 1)), kept);
	CHECK_EQ(get_long(view, page_of(data, 2)), 2000);
	enter(view);
	CHECK_EQ(*page_of(data, 0), 0);
	CHECK_EQ(*page_of(data, 1), kept);
	enter(0);
	CHECK_OK(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 3));
	CHECK_EQ(view_overlays(view), 3);
	enter(view);
	for (i = 0; i < 3; i++)
		CHECK_EQ(*page_of(data, i), value);
}

TEST(where_segments_overlap_the_later_one_wins)
{
	unsigned char *data = (unsigned char *)map_filled(2), text[3][100];
	uint32_t view = new_view(0);
	struct wfpatch_seg segs[3];
	int i;

	for (i = 0; i < 3; i++) {
		memset(text[i], 'a' + i, sizeof(text[i]));
		segs[i].data = (uintptr_t)text[i];
		segs[i].len = sizeof(text[i]);
	}
	segs[0].addr = (uintptr_t)data + PAGE - 50;
	segs[1].addr = (uintptr_t)data + PAGE;
	segs[2].addr = (uintptr_t)data + PAGE - 80;
	CHECK_OK(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 3));
	enter(view);
	CHECK_EQ(data[PAGE - 81], 0);
	CHECK_EQ(data[PAGE - 80], 'c');
	CHECK_EQ(data[PAGE + 19], 'c');
	CHECK_EQ(data[PAGE + 20], 'b');
	CHECK_EQ(data[PAGE + 99], 'b');
	CHECK_EQ(data[PAGE + 100], 0);
}

TEST(segments_without_bytes_do_nothing)
{
	long *data = map_filled(1);
	uint32_t view = new_view(0);
	struct wfpatch_seg segs[2] = {
		{ (uintptr_t)data, (uintptr_t)data, 0 },
		{ 0, 0, 0 },
	};

	CHECK_OK(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 2));
	CHECK_OK(try_segs(device, WFPATCH_IOC_VIEW_READ, view, segs, 2));
	CHECK_EQ(view_overlays(view), 0);
}

TEST(a_read_gives_what_the_view_shows)
{
	long *data = map_filled(3), seen[3 * PAGE / sizeof(long)];
	uint32_t view = new_view(0);

	put_long(view, page_of(data, 1), 4711);
	CHECK_OK(try_read(device, view, data, seen, sizeof(seen)));
	CHECK_EQ(page_of(seen, 0)[1], 1);
	CHECK_EQ(page_of(seen, 1)[0], 4711);
	CHECK_EQ(page_of(seen, 1)[1], 1001);
	CHECK_EQ(page_of(seen, 2)[0], 2000);
	CHECK_OK(try_read(device, 0, data, seen, sizeof(seen)));
	CHECK_EQ(page_of(seen, 1)[0], 1000);
}

TEST(memory_never_touched_can_be_written)
{
	char *data = map_aligned(4 * HUGE);
	uint32_t view = new_view(0);

	put_long(view, data + HUGE + 8, 5);
	enter(view);
	CHECK_EQ(*(long *)(void *)(data + HUGE + 8), 5);
	CHECK_EQ(*(long *)(void *)(data + HUGE), 0);
	CHECK_EQ(*(long *)(void *)(data + HUGE + PAGE), 0);
	*(long *)(void *)(data + HUGE + PAGE) = 6;
	enter(0);
	CHECK_EQ(*(long *)(void *)(data + HUGE + 8), 0);
	CHECK_EQ(*(long *)(void *)(data + HUGE + PAGE), 6);
}

TEST(a_private_file_mapping_can_be_written_and_the_file_stays)
{
	char path[] = "/tmp/wfpatch-XXXXXX", seen[8];
	int fd = CHECK_LIBC(mkstemp(path));
	uint32_t view = new_view(0);
	char *data;

	unlink(path);
	CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
	CHECK_EQ(pwrite(fd, "original", 8, 0), 8);
	data = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(data != MAP_FAILED);
	put(view, data, "replaced", 8);
	enter(view);
	CHECK(!memcmp(data, "replaced", 8));
	enter(0);
	CHECK(!memcmp(data, "original", 8));
	CHECK_EQ(pread(fd, seen, 8, 0), 8);
	CHECK(!memcmp(seen, "original", 8));
	/* The rest of the file still shows through. */
	CHECK_EQ(pwrite(fd, "new", 3, PAGE), 3);
	enter(view);
	CHECK(!memcmp(data + PAGE, "new", 3));
}

TEST(shared_mappings_are_refused)
{
	char path[] = "/tmp/wfpatch-XXXXXX";
	int fd = CHECK_LIBC(mkstemp(path)), i;
	uint32_t view = new_view(0);
	long *data[3], value = 9;

	unlink(path);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	data[0] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	data[1] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	data[2] = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	for (i = 0; i < 3; i++) {
		CHECK(data[i] != MAP_FAILED);
		CHECK_ERROR(try_write(device, view, data[i], &value, sizeof(value)), EACCES);
		CHECK_ERROR(try_pin(data[i], PAGE), EACCES);
		CHECK_EQ(data[i][0], 0);
		CHECK_EQ(get_long(view, data[i]), 0);
	}
	CHECK_EQ(view_overlays(view), 0);
	/* Memory that is shared stays shared between views. */
	enter(view);
	STORE(data[0][1], 11);
	enter(0);
	CHECK_EQ(LOAD(data[0][1]), 11);
}

TEST(a_store_to_a_views_page_stays_in_the_view)
{
	long *data = map_filled(1);
	uint32_t a = new_view(0), b = new_view(0);

	put_long(a, data, 10);
	put_long(b, data, 20);
	enter(a);
	STORE(data[0], 11);
	STORE(data[5], 15);
	enter(b);
	CHECK_EQ(LOAD(data[0]), 20);
	CHECK_EQ(LOAD(data[5]), 0);
	enter(0);
	CHECK_EQ(LOAD(data[0]), 0);
	CHECK_EQ(LOAD(data[5]), 0);
	STORE(data[0], 1);
	enter(a);
	CHECK_EQ(LOAD(data[0]), 11);
	CHECK_EQ(LOAD(data[5]), 15);
	CHECK_EQ(get_long(a, data), 11);
}

TEST(a_store_beside_a_views_pages_is_seen_by_all)
{
	long *data = map_filled(3);
	uint32_t a = new_view(0), b = new_view(0);

	put_long(a, page_of(data, 1), 10);
	enter(a);
	STORE(*page_of(data, 0), 41);
	STORE(*page_of(data, 2), 42);
	enter(b);
	CHECK_EQ(LOAD(*page_of(data, 0)), 41);
	STORE(*page_of(data, 0), 43);
	enter(0);
	CHECK_EQ(LOAD(*page_of(data, 0)), 43);
	CHECK_EQ(LOAD(*page_of(data, 2)), 42);
}

TEST(a_page_shared_with_the_parent_is_copied_at_the_first_store)
{
	long *data = map_filled(2), copies;
	uint32_t parent = new_view(0), child;

	put_long(parent, data, 10);
	enter(parent);
	STORE(data[3], 13);
	child = new_view(parent);
	copies = counter("cow_copies");
	CHECK_EQ(LOAD(data[0]), 10);
	enter(child);
	CHECK_EQ(LOAD(data[3]), 13);
	CHECK_EQ(counter("cow_copies"), copies);
	STORE(data[0], 20);
	CHECK_EQ(counter("cow_copies"), copies + 1);
	enter(parent);
	CHECK_EQ(LOAD(data[0]), 10);
	STORE(data[0], 30);
	enter(child);
	CHECK_EQ(LOAD(data[0]), 20);
	enter(0);
	CHECK_EQ(LOAD(data[0]), 0);
	CHECK_EQ(view_overlays(parent), 1);
	CHECK_EQ(view_overlays(child), 1);
}

TEST(system_calls_copy_to_and_from_the_callers_view)
{
	char *data = (char *)map_filled(1), seen[5] = "";
	uint32_t view = new_view(0);
	int pipe_ends[2];

	CHECK_EQ(pipe(pipe_ends), 0);
	strcpy(data, "base");
	put(view, data, "view", 4);
	enter(view);
	CHECK_EQ(write(pipe_ends[1], data, 4), 4);
	CHECK_EQ(read(pipe_ends[0], seen, 4), 4);
	CHECK(!strcmp(seen, "view"));
	CHECK_EQ(write(pipe_ends[1], "kept", 4), 4);
	CHECK_EQ(read(pipe_ends[0], data, 4), 4);
	CHECK(!strcmp(data, "kept"));
	enter(0);
	CHECK(!strcmp(data, "base"));
	CHECK_OK(try_read(device, view, data, seen, 4));
	CHECK(!strcmp(seen, "kept"));
}

TEST(thousands_of_pages_of_a_view)
{
	static struct wfpatch_seg segs[1000];
	static long values[1000];
	long *data = map_filled(MANY);
	uint32_t view = new_view(0), child;
	int i, j;

	for (i = 0; i < MANY; i += 1000) {
		for (j = 0; j < 1000; j++) {
			values[j] = -(i + j);
			segs[j].addr = (uintptr_t)page_of(data, i + j);
			segs[j].data = (uintptr_t)&values[j];
			segs[j].len = sizeof(values[j]);
		}
		CHECK_OK(try_segs(device, WFPATCH_IOC_VIEW_WRITE, view, segs, 1000));
	}
	CHECK_EQ(view_overlays(view), MANY);
	child = new_view(view);
	CHECK_EQ(view_overlays(child), MANY);
	enter(child);
	for (i = 0; i < MANY; i++) {
		CHECK_EQ(page_of(data, i)[0], -i);
		CHECK_EQ(page_of(data, i)[1], (long)i * 1000 + 1);
		STORE(page_of(data, i)[0], i + 1);
	}
	enter(view);
	delete_view(child);
	for (i = 0; i < MANY; i++)
		CHECK_EQ(page_of(data, i)[0], -i);
	enter(0);
	for (i = 0; i < MANY; i++)
		CHECK_EQ(page_of(data, i)[0], (long)i * 1000);
	CHECK_EQ(munmap(data, MANY * PAGE), 0);
	CHECK_EQ(view_overlays(view), 0);
}

struct race {
	uint32_t view;
	long *page;
	code_fn code;
	unsigned int stop;
};

/* Words are written in one piece: a scan never meets an older one after a newer one. */
static long do_scan(void *arg)
{
	struct race *race = arg;
	long last = 0, seen, scans = 0;
	size_t i;

	enter(race->view);
	while (!LOAD(race->stop) || !scans) {
		for (i = 0; i < PAGE / sizeof(long); i++) {
			seen = LOAD(race->page[i]);
			if (seen < last)
				FAIL("word %zu: expected %ld or more, seen %ld", i, last, seen);
			last = seen;
		}
		scans++;
	}
	enter(0);
	return scans;
}

TEST(threads_of_the_view_see_a_page_change_as_a_whole)
{
	struct race race = { .view = new_view(0), .page = map_pages(1, PROT_READ) };
	long text[PAGE / sizeof(long)], round;
	struct worker w;
	size_t i;

	worker_start(&w);
	worker_begin(&w, do_scan, &race);
	for (round = 1; round <= 300; round++) {
		for (i = 0; i < PAGE / sizeof(long); i++)
			text[i] = round;
		put(race.view, race.page, text, sizeof(text));
	}
	STORE(race.stop, 1);
	CHECK(worker_end(&w) > 0);
}

static long do_call_rising(void *arg)
{
	struct race *race = arg;
	long last = 0, calls = 0;

	enter(race->view);
	while (!LOAD(race->stop) || !calls) {
		int seen = race->code();

		if (seen < last || seen > 300)
			FAIL("expected %ld or more, seen %d", last, seen);
		last = seen;
		calls++;
	}
	enter(0);
	return last;
}

static long do_call_base(void *arg)
{
	struct race *race = arg;
	long calls = 0;

	while (!LOAD(race->stop) || !calls) {
		CHECK_EQ(race->code(), 0);
		calls++;
	}
	return calls;
}

TEST(code_changes_under_threads_that_run_it)
{
	struct race race = { .view = new_view(0), .code = make_code(0) };
	struct worker in_view, in_base;
	int round;

	worker_start(&in_view);
	worker_start(&in_base);
	worker_begin(&in_view, do_call_rising, &race);
	worker_begin(&in_base, do_call_base, &race);
	for (round = 1; round <= 300; round++)
		patch_code(race.view, race.code, round);
	sleep_ms(20);
	STORE(race.stop, 1);
	CHECK_EQ(worker_end(&in_view), 300);
	CHECK(worker_end(&in_base) > 0);
}

static void use_up_memlock(void *arg)
{
	struct rlimit limit = { 4 * PAGE, 4 * PAGE };
	uint32_t view, second;
	long *data, value = 1;
	int i;

	(void)arg;
	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	become_nobody();
	data = map_filled(8);
	view = new_view(0);
	for (i = 0; i < 4; i++)
		put_long(view, page_of(data, i), i);
	CHECK_ERROR(try_write(device, view, page_of(data, 4), &value, 8), ENOMEM);
	CHECK_EQ(view_overlays(view), 4);
	CHECK_EQ(get_long(view, page_of(data, 4)), 4000);
	put_long(view, page_of(data, 3), 33);
	/* A page counts in every view that has it. */
	CHECK_ERROR(try_create(device, view, NULL), ENOMEM);
	CHECK_EQ(nr_views(), 1);
	CHECK_ERROR(try_pin(page_of(data, 5), PAGE), ENOMEM);
	CHECK_EQ(munmap(data, 2 * PAGE), 0);
	second = new_view(0);
	put_long(second, page_of(data, 4), 4);
	put_long(second, page_of(data, 5), 5);
	CHECK_ERROR(try_write(device, second, page_of(data, 6), &value, 8), ENOMEM);
	delete_view(view);
	while (next_event(device, WFPATCH_EVENT_FREED).view != view)
		;
	put_long(second, page_of(data, 6), 6);
	put_long(second, page_of(data, 7), 7);
	CHECK_ERROR(try_write(device, second, page_of(data, 2), &value, 8), ENOMEM);
}

TEST(pages_count_against_the_users_memlock_limit)
{
	child_run(use_up_memlock, NULL);
}

static void fail_to_create(void *arg)
{
	struct rlimit limit = { PAGE, PAGE };
	struct wfpatch_event event;
	uint32_t view;

	(void)arg;
	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK));
	become_nobody();
	view = new_view(0);
	put_long(view, map_filled(1), 1);
	CHECK_ERROR(try_create(device, view, NULL), ENOMEM);
	CHECK_EQ(nr_views(), 1);
	sleep_ms(300);
	if (any_event(device, &event))
		FAIL("expected no event, seen type %u of view %u", event.type, event.view);
}

TEST(a_failed_creation_sends_no_event)
{
	child_run(fail_to_create, NULL);
}

TEST(a_privileged_user_is_not_bound_by_memlock)
{
	struct rlimit limit = { 0, 0 };
	long *data = map_filled(8);
	uint32_t view = new_view(0);
	int i;

	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	for (i = 0; i < 8; i++)
		put_long(view, page_of(data, i), i);
	CHECK_EQ(view_overlays(view), 8);
}

static void charge_group(void *arg)
{
	const long pages = 2048, slack = 256;
	long *data, before, with;
	uint32_t view;

	(void)arg;
	cgroup_enter();
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK));
	data = map_filled((unsigned long)pages);
	view = new_view(0);
	before = cgroup_number("memory.current");
	put(view, data, data, (size_t)pages * PAGE);
	CHECK_EQ(view_overlays(view), pages);
	with = cgroup_number("memory.current");
	if (with - before < (pages - slack) * (long)PAGE)
		FAIL("expected %ld bytes more in the group, seen %ld", pages * (long)PAGE,
		     with - before);
	delete_view(view);
	next_event(device, WFPATCH_EVENT_FREED);
	WAIT_FOR(cgroup_number("memory.current") < before + slack * (long)PAGE);
}

TEST(pages_are_charged_to_the_owners_memory_group)
{
	child_run(charge_group, NULL);
}
