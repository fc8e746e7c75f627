// SPDX-License-Identifier: GPL-2.0
/*
 * The model: which views there are and what each page of each arena shows in each of them.
 *
 * Only a worker changes the cells of its own arena, except while a view is created: then the
 * creator fills the new row with PREFILLED cells, makes the view, and turns into certain knowledge
 * only the cells whose sources did not change meanwhile. The owner resolves the others later.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "stress.h"

struct slot slots[NR_SLOTS];

static size_t row_length(void)
{
	return (size_t)options.threads * ARENA_PAGES;
}

void model_init(void)
{
	unsigned int i, f;

	for (i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &slots[i];

		pthread_rwlock_init(&slot->lock, NULL);
		pthread_mutex_init(&slot->code_lock, NULL);
		if (i && options.no_device)
			continue;
		slot->data = mmap(NULL, row_length() * sizeof(*slot->data), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (slot->data == MAP_FAILED)
			fatal("no memory for the model", 0);
		for (f = 0; f < NR_FUNCTIONS; f++)
			slot->code[f] = code_cell_steady(code_base(f));
	}
	slots[0].state = SLOT_LIVE;
	slots[0].users = 1;
}

unsigned int slot_number(const struct slot *slot)
{
	return (unsigned int)(slot - slots);
}

static bool slot_try_get(struct slot *slot)
{
	bool got = false;

	pthread_rwlock_rdlock(&slot->lock);
	if (slot->state == SLOT_LIVE) {
		slot->users++;
		got = true;
	}
	pthread_rwlock_unlock(&slot->lock);
	return got;
}

/* A live slot chosen at random, with a use counted; the base if there is no view, or NULL. */
struct slot *slot_get(struct worker *w, bool base_too)
{
	unsigned int start = below(w, NR_SLOTS), i;

	if (options.no_device)
		return base_too && slot_try_get(&slots[0]) ? &slots[0] : NULL;
	for (i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &slots[(start + i) % NR_SLOTS];

		if (slot == &slots[0] && !base_too)
			continue;
		if (slot_try_get(slot))
			return slot;
	}
	return NULL;
}

void slot_put(struct slot *slot)
{
	slot->users--;
}

/* Take a free slot for a view to be created. */
struct slot *slot_reserve(struct worker *w)
{
	unsigned int start = below(w, NR_SLOTS), i;

	for (i = 0; i < NR_SLOTS; i++) {
		struct slot *slot = &slots[(start + i) % NR_SLOTS];
		bool got = false;

		pthread_rwlock_wrlock(&slot->lock);
		if (slot->state == SLOT_FREE || (slot->state == SLOT_DELETED && slot->users == 0)) {
			slot->state = SLOT_CREATING;
			got = true;
		}
		pthread_rwlock_unlock(&slot->lock);
		if (got)
			return slot;
	}
	return NULL;
}

void slot_release_reserved(struct slot *slot)
{
	pthread_rwlock_wrlock(&slot->lock);
	slot->state = SLOT_FREE;
	pthread_rwlock_unlock(&slot->lock);
}

bool slot_is_deleted(struct slot *slot)
{
	bool deleted;

	pthread_rwlock_rdlock(&slot->lock);
	deleted = slot->state == SLOT_DELETED;
	pthread_rwlock_unlock(&slot->lock);
	return deleted;
}

_Atomic uint64_t *cell_of(struct slot *slot, unsigned int worker, unsigned int page)
{
	return &slot->data[(size_t)worker * ARENA_PAGES + page];
}

/* What the page shows to a thread in @slot: its own page if it has one, else the base's. */
uint64_t cell_visible(struct worker *w, struct slot *slot, unsigned int page)
{
	uint64_t cell = *cell_of(slot, w->nr, page);

	if (slot != &slots[0] && !(cell & (CELL_PRESENT | CELL_UNCERTAIN)))
		cell = *cell_of(&slots[0], w->nr, page);
	return cell;
}

/* A change of mapping or pinning of these pages begins: it may show in any view. */
void cells_mark(struct worker *w, struct range range)
{
	unsigned int i;

	for (i = 0; i < range.nr; i++) {
		log_page(w, range.first + i, 0);
		atomic_fetch_or(cell_of(&slots[0], w->nr, range.first + i), CELL_CHANGING);
	}
}

void cells_unmark(struct worker *w, struct range range)
{
	unsigned int i;

	for (i = 0; i < range.nr; i++)
		atomic_fetch_and(cell_of(&slots[0], w->nr, range.first + i), ~CELL_CHANGING);
}

/* Apply @change to the worker's cells of @range in every view; in one being created, be unsure. */
static void for_every_view(struct worker *w, struct range range, uint64_t argument,
			   uint64_t (*change)(uint64_t cell, uint64_t base, uint64_t argument))
{
	unsigned int s, i;

	for (s = 1; s < NR_SLOTS && !options.no_device; s++) {
		struct slot *slot = &slots[s];

		pthread_rwlock_rdlock(&slot->lock);
		for (i = range.first; i < range.first + range.nr && slot->state != SLOT_FREE; i++) {
			_Atomic uint64_t *cell = cell_of(slot, w->nr, i);

			if (slot->state == SLOT_CREATING)
				*cell = CELL_UNCERTAIN;
			else
				*cell = change(*cell, *cell_of(&slots[0], w->nr, i), argument);
		}
		pthread_rwlock_unlock(&slot->lock);
	}
}

#define DROP_WRITTEN 1
#define KEEP_PINNED 2

static uint64_t change_dropped(uint64_t cell, uint64_t base, uint64_t how)
{
	if (!(how & DROP_WRITTEN) && (cell & (CELL_WRITTEN | CELL_UNCERTAIN)))
		return cell;
	if ((how & KEEP_PINNED) && (base & CELL_PINNED))
		return CELL_PRESENT | cell_value(base);
	return 0;
}

/*
 * Pages of the views' own are gone; those that VIEW_WRITE made only if @written_too. With
 * @pinned_stay the views have got new ones with the base's content where the range is pinned.
 */
void cells_dropped(struct worker *w, struct range range, bool written_too, bool pinned_stay)
{
	for_every_view(w, range, (written_too ? DROP_WRITTEN : 0) | (pinned_stay ? KEEP_PINNED : 0),
		       change_dropped);
}

static uint64_t change_pinned(uint64_t cell, uint64_t base, uint64_t unused)
{
	(void)unused;
	if (cell & (CELL_PRESENT | CELL_UNCERTAIN))
		return cell;
	return CELL_PRESENT | cell_value(base);
}

/* Every view has got its own copy of the base's pages. */
void cells_pinned(struct worker *w, struct range range)
{
	for_every_view(w, range, 0, change_pinned);
}

static uint64_t change_unsure(uint64_t cell, uint64_t base, uint64_t unused)
{
	(void)cell;
	(void)base;
	(void)unused;
	return CELL_UNCERTAIN;
}

void cells_unsure(struct worker *w, struct range range)
{
	for_every_view(w, range, 0, change_unsure);
}

/* In a forked child: its one address space shows what the parent's view showed. */
void model_flatten(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < ARENA_PAGES; i++) {
		uint64_t cell = cell_visible(w, w->slot, i);

		*cell_of(&slots[0], w->nr, i) = (cell & (CELL_UNCERTAIN | 0xffffffff)) |
						CELL_PRESENT;
	}
}

/*
 * Before VIEW_CREATE: remember what the new view's pages come from, and mark its cells so that the
 * owners' changes from now on can be told. @snapshot has room for two rows.
 */
void model_copy_begin(struct slot *parent, struct slot *slot, uint64_t *snapshot)
{
	size_t i, length = row_length();

	pthread_rwlock_wrlock(&slot->lock);
	for (i = 0; i < length; i++) {
		slot->data[i] = CELL_UNCERTAIN | CELL_PREFILLED;
		snapshot[i] = slots[0].data[i];
		snapshot[length + i] = parent->data[i];
	}
	pthread_rwlock_unlock(&slot->lock);
}

/* After it: what did not change between is certain. The slot is open to everyone from here on. */
void model_copy_end(struct slot *parent, struct slot *slot, const uint64_t *snapshot)
{
	size_t i, length = row_length();

	pthread_rwlock_wrlock(&slot->lock);
	for (i = 0; i < length; i++) {
		uint64_t base = snapshot[i], cell = snapshot[length + i];

		if (!(slot->data[i] & CELL_PREFILLED))
			continue;
		slot->data[i] = CELL_UNCERTAIN;
		if (slots[0].data[i] != base || parent->data[i] != cell ||
		    ((base | cell) & CELL_CHANGING))
			continue;
		if (parent != &slots[0])
			slot->data[i] = cell;
		else if (base & CELL_PINNED)
			slot->data[i] = CELL_PRESENT | cell_value(base) | (base & CELL_UNCERTAIN);
		else
			slot->data[i] = 0;
	}
	slot->state = SLOT_LIVE;
	pthread_rwlock_unlock(&slot->lock);
}
