// SPDX-License-Identifier: GPL-2.0
/*
 * Steps that make, change, enter and delete views, and the model's part of each.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "device.h"
#include "stress.h"

/* A view that another thread is deleting may be gone. */
static int gone(struct slot *slot)
{
	return slot_is_deleted(slot) ? ENOENT : 0;
}

/* In a new view, before anyone can enter it: make code certain that was changed in the parent. */
static long copy_code(struct worker *w, struct slot *parent, struct slot *slot,
		      const uint64_t *before)
{
	unsigned int f;
	long error;

	for (f = 0; f < NR_FUNCTIONS; f++) {
		uint64_t cell = parent->code[f];
		uint32_t number = cell & 0xffff;

		slot->code[f] = code_cell_steady(number);
		if (cell == before[f] && !(cell >> 32 & 1))
			continue;
		error = code_change(w, slot, &f, &number, 1);
		if (error)
			return error;
	}
	return 0;
}

void op_create(struct worker *w)
{
	struct slot *parent, *slot = slot_reserve(w);
	size_t row = (size_t)options.threads * ARENA_PAGES;
	uint64_t *snapshot, code[NR_FUNCTIONS];
	unsigned int f;
	uint32_t view;
	long error;

	if (!slot)
		return;
	parent = slot_get(w, true);
	snapshot = malloc(2 * row * sizeof(*snapshot));
	if (!snapshot) {
		slot_release_reserved(slot);
		slot_put(parent);
		return;
	}
	remember(w, parent->id, slot_number(slot));
	model_copy_begin(parent, slot, snapshot);
	for (f = 0; f < NR_FUNCTIONS; f++)
		code[f] = parent->code[f];
	error = device_create(device, parent->id, &view);
	if (tolerate(w, error, "VIEW_CREATE failed", gone(parent))) {
		slot->id = view;
		error = copy_code(w, parent, slot, code);
		if (tolerate(w, error, "VIEW_WRITE to a new view failed", 0)) {
			model_copy_end(parent, slot, snapshot);
			slot = NULL;
		} else {
			tolerate(w, device_delete(device, view), "VIEW_DELETE of a new view failed",
				 0);
		}
	}
	if (slot)
		slot_release_reserved(slot);
	free(snapshot);
	slot_put(parent);
}

void op_delete(struct worker *w)
{
	struct slot *slot = slot_get(w, false);
	bool mine;
	long error;

	if (!slot)
		return;
	pthread_rwlock_wrlock(&slot->lock);
	mine = slot->state == SLOT_LIVE;
	if (mine)
		slot->state = SLOT_DELETED;
	pthread_rwlock_unlock(&slot->lock);
	if (mine) {
		remember(w, slot->id, 0);
		error = device_delete(device, slot->id);
		/* Busy is a view that another thread has made the target of a transition. */
		if (!tolerate(w, error, "VIEW_DELETE failed", EBUSY)) {
			pthread_rwlock_wrlock(&slot->lock);
			slot->state = SLOT_LIVE;
			pthread_rwlock_unlock(&slot->lock);
		}
	}
	slot_put(slot);
}

/* Go to the view of @slot, of which the caller has a use that passes to the thread on success. */
long migrate_to(struct worker *w, struct slot *slot)
{
	struct slot *old = w->slot;
	uint32_t previous = 0;
	long error;

	w->next = slot;
	if (shall_break(w, BREAK_MIGRATE))
		error = device_current(device, &previous);
	else
		error = device_migrate(device, slot->id, &previous);
	if (!error)
		w->slot = slot;
	w->next = NULL;
	if (error)
		return error;
	if (previous != old->id)
		mismatch(w, "VIEW_MIGRATE tells another previous view", 0, old->id, previous);
	slot_put(old);
	return 0;
}

void op_migrate(struct worker *w)
{
	unsigned int hops = 1 + below(w, 4), i;
	long error;

	for (i = 0; i < hops; i++) {
		struct slot *slot = slot_get(w, !below(w, 4));

		if (!slot)
			return;
		remember(w, slot->id, slot_number(slot));
		error = migrate_to(w, slot);
		if (!tolerate(w, error, "VIEW_MIGRATE failed", gone(slot)))
			slot_put(slot);
		code_check(w, 2);
		page_check(w, below(w, ARENA_PAGES));
	}
}

void op_write_code(struct worker *w)
{
	struct slot *slot = slot_get(w, false);
	unsigned int functions[16], nr = 1 + below(w, 16), first = below(w, NR_FUNCTIONS), i;
	unsigned int stride = 1 + below(w, 11);
	uint32_t numbers[16];
	long error;

	if (!slot)
		return;
	for (i = 0; i < nr; i++) {
		functions[i] = (first + i * stride) % NR_FUNCTIONS;
		numbers[i] = below(w, 1 << 16);
	}
	remember(w, slot->id, first);
	error = code_change(w, slot, functions, numbers, nr);
	tolerate(w, error, "VIEW_WRITE of code failed", gone(slot));
	slot_put(slot);
}

/* Give a page of the worker's own arena a new value in one view. */
void write_page(struct worker *w, struct slot *slot, unsigned int page)
{
	_Atomic uint64_t *cell = cell_of(slot, w->nr, page);
	uint64_t flags = *cell & CELL_PRESENT, words[3];
	struct wfpatch_seg segs[3];
	unsigned char insn[6];
	uint32_t value = ++w->value, nr = 3, i;
	long error;

	for (i = 0; i < 3; i++) {
		words[i] = page_word(w, page, value);
		segs[i] = (struct wfpatch_seg){ page_address(w, page) + page_offset(page, i),
						(uintptr_t)&words[i], sizeof(words[i]) };
	}
	if (page_kind(page) == KIND_CODE) {
		code_encode(insn, value);
		segs[0].data = (uintptr_t)insn;
		segs[0].len = sizeof(insn);
		nr = 1;
	}
	log_page(w, page, value);
	atomic_fetch_or(cell, CELL_CHANGING);
	error = device_io(device, WFPATCH_IOC_VIEW_WRITE, slot->id, segs, nr);
	if (tolerate(w, error, "VIEW_WRITE of data failed", gone(slot)))
		*cell = flags | CELL_PRESENT | CELL_WRITTEN | value;
	else
		atomic_fetch_and(cell, ~CELL_CHANGING);
}

void op_write_data(struct worker *w)
{
	struct slot *slot = slot_get(w, false);
	struct range range = pick_range(w, KIND_DATA | KIND_PRIVATE_FILE | KIND_CODE, 6);
	unsigned int i;

	if (!slot)
		return;
	remember(w, slot->id, range.first);
	for (i = 0; i < range.nr; i++)
		write_page(w, slot, range.first + i);
	w->touched = range;
	slot_put(slot);
}

/* An overlay page in every n-th page, so that all pages between are reached by private tables. */
void op_spread(struct worker *w)
{
	struct slot *slot = slot_get(w, false);
	unsigned int distance = 32 << below(w, 3), page;

	if (!slot)
		return;
	remember(w, slot->id, distance);
	for (page = below(w, distance); page < ARENA_PAGES; page += distance)
		if (page_kind(page) != KIND_SHARED_FILE)
			write_page(w, slot, page);
	slot_put(slot);
}

static void compare_word(struct worker *w, unsigned int page, unsigned int which, uint64_t cell,
			 uint64_t seen)
{
	uint64_t expected = page_word(w, page, cell_value(cell));

	if (cell & CELL_UNCERTAIN ? !word_plausible(w, page, seen) : seen != expected)
		mismatch(w, "VIEW_READ reads wrong data",
			 page_address(w, page) + page_offset(page, which), expected, seen);
}

/* Read pages in a view that need not be the thread's, and a function. */
void op_read(struct worker *w)
{
	struct slot *slot = slot_get(w, true);
	struct range range = pick_range(w, KIND_DATA | KIND_PRIVATE_FILE, 8);
	unsigned int i, f = below(w, NR_FUNCTIONS);
	unsigned char insn[6];
	struct wfpatch_seg segs[9];
	uint64_t words[8], before = slot->code[f];
	uint32_t seen;
	bool raced;
	long error;

	for (i = 0; i < range.nr; i++)
		segs[i] = (struct wfpatch_seg){ page_address(w, range.first + i) +
							page_offset(range.first + i, i % 3),
						(uintptr_t)&words[i], sizeof(words[i]) };
	segs[i] = (struct wfpatch_seg){ code_address(f), (uintptr_t)insn, sizeof(insn) };
	remember(w, slot->id, range.first);
	error = device_io(device, WFPATCH_IOC_VIEW_READ, slot->id, segs, range.nr + 1);
	if (tolerate(w, error, "VIEW_READ failed", gone(slot))) {
		for (i = 0; i < range.nr; i++)
			compare_word(w, range.first + i, i % 3,
				     cell_visible(w, slot, range.first + i), words[i]);
		seen = insn[1] | insn[2] << 8 | (uint32_t)insn[3] << 16 | (uint32_t)insn[4] << 24;
		if (seen >> 16 != f || !code_cell_allows(before, slot->code[f], seen, &raced))
			mismatch(w, "VIEW_READ reads wrong code", code_address(f),
				 f << 16 | (before & 0xffff), seen);
	}
	slot_put(slot);
}

static bool any_pinned(struct worker *w, struct range range)
{
	unsigned int i;

	for (i = 0; i < range.nr; i++)
		if (*cell_of(&slots[0], w->nr, range.first + i) & CELL_PINNED)
			return true;
	return false;
}

void op_pin(struct worker *w)
{
	struct range range = pick_range(w, KIND_DATA | KIND_PRIVATE_FILE, 6);
	bool pinned = any_pinned(w, range);
	unsigned int i;
	long error;

	remember(w, range.first, range.nr);
	w->touched = range;
	cells_mark(w, range);
	error = device_range(device, WFPATCH_IOC_PIN, page_address(w, range.first),
			     range.nr * PAGE);
	if (tolerate(w, error, "PIN failed", EEXIST)) {
		if (pinned)
			mismatch(w, "PIN of a pinned range succeeded", page_address(w, range.first),
				 (uint64_t)-EEXIST, 0);
		for (i = 0; i < range.nr; i++)
			atomic_fetch_or(cell_of(&slots[0], w->nr, range.first + i), CELL_PINNED);
		cells_pinned(w, range);
	} else if (error == -EEXIST && !pinned) {
		mismatch(w, "PIN says that the range is pinned", page_address(w, range.first), 0,
			 (uint64_t)error);
	}
	cells_unmark(w, range);
}

static void unpin(struct worker *w, struct range range, int allowed)
{
	unsigned int i;
	long error;

	cells_mark(w, range);
	error = device_range(device, WFPATCH_IOC_UNPIN, page_address(w, range.first),
			     range.nr * PAGE);
	if (tolerate(w, error, "UNPIN failed", allowed) || error == -ENOENT) {
		for (i = 0; i < range.nr; i++)
			atomic_fetch_and(cell_of(&slots[0], w->nr, range.first + i), ~CELL_PINNED);
		cells_dropped(w, range, false, false);
	} else if (allowed) {
		cells_unsure(w, range);
	}
	cells_unmark(w, range);
}

/* The next run of pinned pages in @range, and the rest of @range; false if there is none. */
static bool next_pinned(struct worker *w, struct range *range, struct range *run)
{
	while (range->nr && !any_pinned(w, (struct range){ range->first, 1 })) {
		range->first++;
		range->nr--;
	}
	*run = (struct range){ range->first, 0 };
	while (range->nr && any_pinned(w, (struct range){ range->first, 1 })) {
		range->first++;
		range->nr--;
		run->nr++;
	}
	return run->nr;
}

void op_unpin(struct worker *w)
{
	struct range all = { 0, ARENA_PAGES }, run;

	if (!next_pinned(w, &all, &run))
		return;
	if (below(w, 2)) {
		run.first += below(w, run.nr);
		run.nr = 1;
	}
	remember(w, run.first, run.nr);
	unpin(w, run, 0);
	w->touched = run;
}

/* After an munmap, whether the pinning went with the mapping or stayed: have none. */
void unpin_leftovers(struct worker *w, struct range range)
{
	struct range run;

	while (!options.no_device && !w->in_child && next_pinned(w, &range, &run))
		unpin(w, run, ENOENT);
}

void op_list(struct worker *w)
{
	struct wfpatch_view_info views[NR_SLOTS + 4] = { 0 };
	struct wfpatch_thread_info threads[64] = { 0 };
	struct wfpatch_list list = { .size = sizeof(list),
				     .nr = NR_SLOTS + 4,
				     .entries = (uintptr_t)views };
	struct slot *slot = w->slot;
	bool found = false;
	uint32_t i;

	if (tolerate(w, device_call(device, WFPATCH_IOC_LIST_VIEWS, &list), "LIST_VIEWS failed",
		     0)) {
		for (i = 0; i < list.nr; i++)
			found |= views[i].view == slot->id && views[i].nr_threads;
		if (!found && list.nr == list.total)
			mismatch(w, "LIST_VIEWS does not show the thread's view", 0, slot->id,
				 list.nr);
	}
	list = (struct wfpatch_list){ .size = sizeof(list),
				      .nr = 64,
				      .entries = (uintptr_t)threads };
	if (!tolerate(w, device_call(device, WFPATCH_IOC_LIST_THREADS, &list),
		      "LIST_THREADS failed", 0))
		return;
	for (i = 0; i < list.nr; i++)
		if (threads[i].tid == gettid() && threads[i].view != slot->id)
			mismatch(w, "LIST_THREADS shows the thread in another view", 0, slot->id,
				 threads[i].view);
}

/* Another handle to the same process works like the first one and takes nothing along. */
void op_handle(struct worker *w)
{
	struct slot *slot = w->slot;
	uint32_t view;
	long fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC), error;

	if (!tolerate(w, fd < 0 ? -errno : 0, "open of the device failed", EMFILE))
		return;
	error = device_current((int)fd, &view);
	close((int)fd);
	if (error || view != slot->id)
		mismatch(w, "another handle tells another view", 0, slot->id,
			 error ? (uint64_t)error : view);
}

/* Set a target that nobody follows, then take it back, so that deleting meets busy views. */
void op_transition(struct worker *w)
{
	struct slot *slot = slot_get(w, true);
	struct wfpatch_transition arg = { .size = sizeof(arg), .view = slot->id };
	long error;

	remember(w, slot->id, 0);
	error = device_call(device, WFPATCH_IOC_TRANSITION, &arg);
	tolerate(w, error, "TRANSITION failed", gone(slot));
	slot_put(slot);
	arg.view = WFPATCH_BASE_VIEW;
	error = device_call(device, WFPATCH_IOC_TRANSITION, &arg);
	tolerate(w, error, "TRANSITION to the base failed", 0);
}
