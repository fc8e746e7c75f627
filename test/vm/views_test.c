// SPDX-License-Identifier: GPL-2.0
/* Making, listing and deleting views, and migrating between them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "view.h"

#define DEEP	100
#define CROWD	2000

TEST(info_tells_version_limits_and_number_of_views)
{
	struct wfpatch_info info;

	CHECK_OK(try_info(device, &info));
	CHECK_EQ(info.size, sizeof(info));
	CHECK_EQ(info.api_version, WFPATCH_API_VERSION);
	CHECK_EQ(info.features, WFPATCH_FEATURE_ATTACH | WFPATCH_FEATURE_AUTO |
				WFPATCH_FEATURE_MAP | WFPATCH_FEATURE_COMMIT);
	CHECK(info.max_views >= 64);
	CHECK(info.max_segs >= 64);
	CHECK(info.max_ranges >= 64);
	CHECK(info.max_io >= 1 << 20);
	CHECK(info.max_overlays >= 4096);
	CHECK_EQ(info.nr_views, 0);
	new_view(0);
	new_view(0);
	CHECK_EQ(nr_views(), 2);
}

TEST(ids_count_from_one_and_are_not_used_again)
{
	CHECK_EQ(new_view(0), 1);
	CHECK_EQ(new_view(0), 2);
	delete_view(2);
	CHECK_EQ(new_view(1), 3);
	delete_view(1);
	delete_view(3);
	CHECK_EQ(new_view(0), 4);
}

TEST(a_thread_begins_in_the_base)
{
	uint32_t previous = 77;

	CHECK_EQ(current_view(), 0);
	new_view(0);
	CHECK_EQ(current_view(), 0);
	CHECK_OK(try_migrate(device, 0, &previous));
	CHECK_EQ(previous, 0);
}

TEST(a_migration_tells_the_view_before)
{
	uint32_t a = new_view(0), b = new_view(0), previous;

	CHECK_OK(try_migrate(device, a, &previous));
	CHECK_EQ(previous, 0);
	CHECK_OK(try_migrate(device, b, &previous));
	CHECK_EQ(previous, a);
	CHECK_EQ(current_view(), b);
	CHECK_OK(try_migrate(device, b, &previous));
	CHECK_EQ(previous, b);
	CHECK_OK(try_migrate(device, 0, &previous));
	CHECK_EQ(previous, b);
	CHECK_EQ(current_view(), 0);
}

TEST(a_migration_to_no_view_leaves_the_thread_where_it_is)
{
	uint32_t view = new_view(0);
	code_fn code = make_code(1);

	CHECK_ERROR(try_migrate(device, view + 1, NULL), ENOENT);
	CHECK_EQ(current_view(), 0);
	patch_code(view, code, 2);
	enter(view);
	CHECK_ERROR(try_migrate(device, view + 1, NULL), ENOENT);
	CHECK_ERROR(try_migrate(device, 0xffffffff, NULL), ENOENT);
	CHECK_EQ(current_view(), view);
	CHECK_EQ(code(), 2);
}

TEST(a_view_shows_its_code_and_the_base_keeps_its_own)
{
	uint32_t view = new_view(0);
	code_fn code = make_code(1);

	CHECK_EQ(code(), 1);
	patch_code(view, code, 2);
	CHECK_EQ(code(), 1);
	enter(view);
	CHECK_EQ(code(), 2);
	enter(0);
	CHECK_EQ(code(), 1);
}

TEST(threads_migrate_in_any_direction_between_many_views)
{
	enum { NR = 8 };
	uint32_t views[NR] = { 0 };
	code_fn code = make_code(0);
	unsigned int i, seed = 1;

	for (i = 1; i < NR; i++) {
		views[i] = new_view(0);
		patch_code(views[i], code, (int)i);
	}
	for (i = 0; i < 2000; i++) {
		unsigned int to = (unsigned int)rand_r(&seed) % NR;

		enter(views[to]);
		CHECK_EQ(code(), to);
	}
}

TEST(threads_of_one_process_run_in_different_views)
{
	enum { NR = 6 };
	struct worker workers[NR];
	uint32_t views[NR];
	code_fn code = make_code(-1);
	int i, round;

	for (i = 0; i < NR; i++) {
		worker_start(&workers[i]);
		views[i] = new_view(0);
		patch_code(views[i], code, i);
		worker_enter(&workers[i], views[i]);
	}
	for (round = 0; round < 50; round++)
		for (i = 0; i < NR; i++)
			CHECK_EQ(worker_code(&workers[i], code), i);
	CHECK_EQ(code(), -1);
	for (i = 0; i < NR; i++) {
		CHECK_EQ(view_threads(views[i]), 1);
		worker_stop(&workers[i]);
		WAIT_FOR(view_threads(views[i]) == 0);
	}
}

TEST(a_new_view_begins_with_its_parents_pages)
{
	code_fn code = make_codes(3, 10);
	uint32_t parent = new_view(0), child;

	patch_code(parent, code_at(code, 0), 20);
	patch_code(parent, code_at(code, 2), 22);
	child = new_view(parent);
	CHECK_EQ(view_overlays(child), 2);
	enter(child);
	CHECK_EQ(code(), 20);
	CHECK_EQ(code_at(code, 1)(), 11);
	CHECK_EQ(code_at(code, 2)(), 22);
}

TEST(parent_and_child_change_apart_after_creation)
{
	code_fn code = make_codes(2, 10);
	uint32_t parent = new_view(0), child;

	patch_code(parent, code, 20);
	child = new_view(parent);
	patch_code(parent, code, 30);
	patch_code(child, code_at(code, 1), 41);
	enter(child);
	CHECK_EQ(code(), 20);
	CHECK_EQ(code_at(code, 1)(), 41);
	enter(parent);
	CHECK_EQ(code(), 30);
	CHECK_EQ(code_at(code, 1)(), 11);
	enter(0);
	CHECK_EQ(code(), 10);
}

TEST(a_child_keeps_its_pages_when_the_parent_is_deleted)
{
	struct wfpatch_view_info info;
	code_fn code = make_code(1);
	uint32_t parent = new_view(0), child;

	patch_code(parent, code, 2);
	child = new_view(parent);
	delete_view(parent);
	enter(child);
	CHECK_EQ(code(), 2);
	CHECK(view_info(device, child, &info));
	CHECK_EQ(info.parent, parent);
	CHECK_ERROR(try_create(device, parent, NULL), ENOENT);
}

TEST(a_chain_of_a_hundred_parents_shows_every_generation)
{
	code_fn code = make_codes(DEEP, 0);
	uint32_t views[DEEP];
	unsigned int i, j, left = DEEP, seed = 5;

	for (i = 0; i < DEEP; i++) {
		views[i] = new_view(i ? views[i - 1] : 0);
		patch_code(views[i], code_at(code, i), 1000 + (int)i);
		CHECK_EQ(view_overlays(views[i]), i + 1);
	}
	/* Delete in no order; those that are left show what they showed. */
	while (left) {
		unsigned int pick = (unsigned int)rand_r(&seed) % left;
		unsigned int depth = views[pick];

		enter(views[pick]);
		for (j = 0; j < DEEP; j += 9)
			CHECK_EQ(code_at(code, j)(), j < depth ? 1000 + j : j);
		enter(0);
		delete_view(views[pick]);
		for (i = pick; i + 1 < left; i++)
			views[i] = views[i + 1];
		left--;
	}
	CHECK_EQ(nr_views(), 0);
}

TEST(more_than_max_views_gives_ENOSPC)
{
	struct wfpatch_info info;
	uint32_t i, last = 0;

	CHECK_OK(try_info(device, &info));
	for (i = 0; i < info.max_views; i++)
		last = new_view(0);
	CHECK_ERROR(try_create(device, 0, NULL), ENOSPC);
	CHECK_EQ(nr_views(), info.max_views);
	delete_view(last - info.max_views / 2);
	new_view(0);
	CHECK_ERROR(try_create(device, 0, NULL), ENOSPC);
}

TEST(deleting_what_is_not_there_is_refused)
{
	uint32_t view = new_view(0);

	CHECK_ERROR(try_delete(device, 0), EINVAL);
	CHECK_ERROR(try_delete(device, view + 1), ENOENT);
	delete_view(view);
	CHECK_ERROR(try_delete(device, view), ENOENT);
}

TEST(a_deleted_view_lives_until_its_last_thread_leaves)
{
	struct wfpatch_view_info info;
	code_fn code = make_codes(2, 1);
	uint32_t view = new_view(0);
	struct worker a, b;
	long value = 0;

	patch_code(view, code, 7);
	worker_start(&a);
	worker_start(&b);
	worker_enter(&a, view);
	worker_enter(&b, view);
	delete_view(view);
	CHECK_EQ(nr_views(), 0);
	CHECK(view_info(device, view, &info));
	CHECK_EQ(info.flags & WFPATCH_VIEW_DELETED, WFPATCH_VIEW_DELETED);
	CHECK_EQ(info.nr_threads, 2);
	CHECK_EQ(info.nr_overlays, 1);

	/* Nobody else gets at it. */
	CHECK_ERROR(try_migrate(device, view, NULL), ENOENT);
	CHECK_ERROR(try_create(device, view, NULL), ENOENT);
	CHECK_ERROR(try_write(device, view, code_at(code, 1), &value, 4), ENOENT);
	CHECK_ERROR(try_read(device, view, code, &value, 4), ENOENT);
	CHECK_ERROR(try_transition(device, view), ENOENT);

	CHECK_EQ(worker_code(&a, code), 7);
	CHECK_EQ(worker_call(&a, do_current, NULL), view);
	worker_enter(&a, 0);
	CHECK_EQ(worker_code(&a, code), 1);
	CHECK_EQ(worker_code(&b, code), 7);
	CHECK_EQ(view_threads(view), 1);
	worker_stop(&b);
	WAIT_FOR(!view_info(device, view, &info));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_FREED).view, view);
}

TEST(a_thread_that_stays_in_a_deleted_view_starts_threads_there)
{
	code_fn code = make_code(1);
	uint32_t view = new_view(0);
	struct worker w;

	patch_code(view, code, 7);
	enter(view);
	delete_view(view);
	worker_start(&w);
	CHECK_EQ(worker_code(&w, code), 7);
	enter(0);
	CHECK_EQ(worker_code(&w, code), 7);
	CHECK_EQ(view_threads(view), 1);
}

TEST(list_views_shows_the_base_first_and_then_ids_in_order)
{
	struct wfpatch_view_info views[8];
	uint32_t a = new_view(0), b = new_view(a), c = new_view(b), total = 0;
	code_fn code = make_code(1);
	struct worker w;

	patch_code(c, code, 2);
	delete_view(a);
	worker_start(&w);
	worker_enter(&w, c);
	CHECK_EQ(try_list_views(device, views, 8, &total), 3);
	CHECK_EQ(total, 3);
	CHECK_EQ(views[0].view, 0);
	CHECK_EQ(views[0].nr_threads, 1);
	CHECK_EQ(views[0].nr_overlays, 0);
	CHECK_EQ(views[1].view, b);
	CHECK_EQ(views[1].parent, a);
	CHECK_EQ(views[1].nr_threads, 0);
	CHECK_EQ(views[2].view, c);
	CHECK_EQ(views[2].parent, b);
	CHECK_EQ(views[2].nr_threads, 1);
	CHECK_EQ(views[2].nr_overlays, 1);
	CHECK_EQ(views[2].flags, 0);
}

TEST(a_list_that_does_not_fit_is_cut_and_says_how_long_it_is)
{
	struct wfpatch_view_info views[4] = { [2].view = 99, [3].view = 99 };
	struct wfpatch_thread_info threads[2] = { [1].tid = -1 };
	uint32_t total = 0;
	struct worker w;

	new_view(0);
	new_view(0);
	new_view(0);
	CHECK_EQ(try_list_views(device, views, 2, &total), 2);
	CHECK_EQ(total, 4);
	CHECK_EQ(views[2].view, 99);
	CHECK_EQ(try_list_views(device, NULL, 0, &total), 0);
	CHECK_EQ(total, 4);
	worker_start(&w);
	CHECK_EQ(try_list_threads(device, threads, 1, &total), 1);
	CHECK_EQ(total, 2);
	CHECK_EQ(threads[1].tid, -1);
	CHECK_EQ(try_list_threads(device, NULL, 0, &total), 0);
	CHECK_EQ(total, 2);
}

TEST(list_threads_shows_every_thread_and_its_view)
{
	enum { NR = 5 };
	struct wfpatch_thread_info threads[NR + 5];
	struct worker workers[NR];
	uint32_t views[NR], total = 0;
	int i, j, found;

	for (i = 0; i < NR; i++) {
		worker_start(&workers[i]);
		views[i] = i ? new_view(0) : 0;
		worker_enter(&workers[i], views[i]);
	}
	CHECK_EQ(try_list_threads(device, threads, NR + 5, &total), NR + 1);
	CHECK_EQ(total, NR + 1);
	for (i = 0; i < NR; i++) {
		for (j = found = 0; j < NR + 1; j++) {
			if (threads[j].tid != workers[i].tid)
				continue;
			found++;
			CHECK_EQ(threads[j].view, views[i]);
		}
		CHECK_EQ(found, 1);
	}
}

struct crowd {
	uint32_t view;
	code_fn code;
	unsigned int arrived;
	unsigned int wrong;
};

struct member {
	struct crowd *crowd;
	pthread_t thread;
	sem_t go;
	uint32_t inherited;
};

/* Odd ones inherit their view, even ones migrate. */
static void *crowd_member(void *arg)
{
	struct member *member = arg;
	struct crowd *crowd = member->crowd;
	uint32_t view = 0;

	if (try_current(device, &view) || view != member->inherited ||
	    try_migrate(device, crowd->view, NULL) || crowd->code() != 2)
		__atomic_add_fetch(&crowd->wrong, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&crowd->arrived, 1, __ATOMIC_RELEASE);
	while (sem_wait(&member->go))
		;
	if (crowd->code() != 2)
		__atomic_add_fetch(&crowd->wrong, 1, __ATOMIC_RELAXED);
	return NULL;
}

TEST(two_thousand_threads_run_in_one_view)
{
	struct crowd crowd = { .view = new_view(0), .code = make_code(1) };
	struct wfpatch_thread_info *infos = calloc(CROWD + 1, sizeof(*infos));
	struct member *members = calloc(CROWD, sizeof(*members));
	uint32_t total = 0;
	int i;

	CHECK(members && infos);
	patch_code(crowd.view, crowd.code, 2);
	for (i = 0; i < CROWD; i++) {
		members[i].crowd = &crowd;
		sem_init(&members[i].go, 0, 0);
		members[i].inherited = i & 1 ? crowd.view : 0;
		enter(members[i].inherited);
		start_small_thread(&members[i].thread, crowd_member, &members[i]);
	}
	enter(0);
	WAIT_FOR(__atomic_load_n(&crowd.arrived, __ATOMIC_ACQUIRE) == CROWD);
	CHECK_EQ(view_threads(crowd.view), CROWD);
	CHECK_EQ(view_threads(0), 1);
	CHECK_EQ(try_list_threads(device, infos, CROWD + 1, &total), CROWD + 1);
	/* Not all at once: they would only wait for the lock of the address space. */
	for (i = 0; i < CROWD + 8; i++) {
		if (i < CROWD)
			sem_post(&members[i].go);
		if (i >= 8)
			join_thread(members[i - 8].thread);
	}
	CHECK_EQ(crowd.wrong, 0);
	WAIT_FOR(view_threads(crowd.view) == 0);
}
