// SPDX-License-Identifier: GPL-2.0
/*
 * Steps that change the mappings of a worker's own arena, and what each does to the base and to the
 * views' own pages according to the model.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define MOST_KINDS (KIND_DATA | KIND_PRIVATE_FILE)
#define TEMPORARY (4 * CHUNK) /* from the arena's start to where pages are moved */

static const struct range chunk = { 512, 512 };

static void *start_of(struct worker *w, struct range range)
{
	return (void *)page_address(w, range.first);
}

/* The base's pages show a new value; marks and pinning stay as they are. */
static void base_becomes(struct worker *w, struct range range, uint32_t value)
{
	unsigned int i;

	for (i = range.first; i < range.first + range.nr; i++) {
		_Atomic uint64_t *cell = cell_of(&slots[0], w->nr, i);

		*cell = (*cell & (CELL_PINNED | CELL_CHANGING)) | CELL_PRESENT | value;
	}
}

static void store_some(struct worker *w, struct range range)
{
	unsigned int i;

	for (i = range.first; i < range.first + range.nr; i++)
		if (below(w, 2))
			page_store(w, i, ++w->value);
}

/* A change that must come about for the arena to be whole again waits for memory. */
static void protect_surely(struct worker *w, struct range range, int prot)
{
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		if (!mprotect(start_of(w, range), range.nr * PAGE, prot))
			return;
		if (errno != ENOMEM && errno != EAGAIN)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	fatal("cannot give a part of the arena its protection back", -1);
}

static struct range begin(struct worker *w, unsigned int kinds, unsigned int max)
{
	struct range range = pick_range(w, kinds, max);

	remember(w, range.first, range.nr);
	w->touched = range;
	return range;
}

void op_store(struct worker *w)
{
	struct range range = begin(w, MOST_KINDS, 12);
	bool twins = !below(w, 3);
	unsigned int i;

	for (i = range.first; i < range.first + range.nr; i++) {
		if (!twins || !(i & 1) || i == range.first)
			++w->value;
		page_store(w, i, w->value);
	}
}

/* The range has been mapped anew: no view has pages of its own there, and the base none at all. */
static void mapped_anew(struct worker *w, struct range range)
{
	base_becomes(w, range, 0);
	cells_dropped(w, range, true, false);
	unpin_leftovers(w, range);
	cells_unmark(w, range);
}

static void unmap(struct worker *w, struct range range)
{
	cells_mark(w, range);
	if (!tolerate(w, RESULT(munmap(start_of(w, range), range.nr * PAGE)), "munmap failed", 0)) {
		cells_unmark(w, range);
		return;
	}
	map_range(w, range, below(w, 4) ? 0 : MAP_POPULATE);
	mapped_anew(w, range);
	store_some(w, range);
}

void op_unmap(struct worker *w)
{
	unmap(w, begin(w, MOST_KINDS, 16));
}

/* The whole 2 MiB, so that its page table goes too, or that a huge page may come. */
void op_unmap_chunk(struct worker *w)
{
	w->touched = chunk;
	unmap(w, chunk);
}

void op_remap(struct worker *w)
{
	struct range range = begin(w, MOST_KINDS, 16);

	cells_mark(w, range);
	map_range(w, range, below(w, 4) ? 0 : MAP_POPULATE);
	mapped_anew(w, range);
	store_some(w, range);
}

void op_protect(struct worker *w)
{
	struct range range = begin(w, MOST_KINDS, 16);
	struct slot *slot;

	if (!tolerate(w, RESULT(mprotect(start_of(w, range), range.nr * PAGE, PROT_READ)),
		      "mprotect failed", 0))
		return;
	range_check(w, range);
	slot = w->in_child ? NULL : slot_get(w, false);
	if (slot) {
		write_page(w, slot, range.first + below(w, range.nr));
		slot_put(slot);
	}
	range_check(w, range);
	if (below(w, 2)) {
		protect_surely(w, range, PROT_NONE);
		protect_surely(w, range, PROT_READ);
		range_check(w, range);
	}
	protect_surely(w, range, PROT_READ | PROT_WRITE);
	range_check(w, range);
	store_some(w, range);
}

/* In a mapping that cannot be written, MADV_DONTNEED drops the base's pages but not the views'. */
void op_protect_drop(struct worker *w)
{
	struct range range = begin(w, MOST_KINDS, 8);
	unsigned int i;

	for (i = 0; i < range.nr; i++)
		if (*cell_of(&slots[0], w->nr, range.first + i) & CELL_PINNED)
			return;
	if (!tolerate(w, RESULT(mprotect(start_of(w, range), range.nr * PAGE, PROT_READ)),
		      "mprotect failed", 0))
		return;
	cells_mark(w, range);
	if (tolerate(w, RESULT(madvise(start_of(w, range), range.nr * PAGE, MADV_DONTNEED)),
		     "MADV_DONTNEED failed", 0))
		base_becomes(w, range, 0);
	cells_unmark(w, range);
	range_check(w, range);
	protect_surely(w, range, PROT_READ | PROT_WRITE);
	store_some(w, range);
}

static void drop(struct worker *w, struct range range)
{
	cells_mark(w, range);
	if (tolerate(w, RESULT(madvise(start_of(w, range), range.nr * PAGE, MADV_DONTNEED)),
		     "MADV_DONTNEED failed", 0)) {
		base_becomes(w, range, 0);
		cells_dropped(w, range, true, true);
	}
	cells_unmark(w, range);
}

void op_dontneed(struct worker *w)
{
	struct range range = begin(w, MOST_KINDS, 16);

	drop(w, range);
	range_check(w, range);
	store_some(w, range);
}

static bool own_page_somewhere(struct worker *w, unsigned int page)
{
	bool own = *cell_of(&slots[0], w->nr, page) & CELL_PINNED;
	unsigned int s;

	for (s = 1; s < NR_SLOTS && !options.no_device; s++) {
		pthread_rwlock_rdlock(&slots[s].lock);
		own |= slots[s].state != SLOT_FREE &&
		       *cell_of(&slots[s], w->nr, page) & (CELL_PRESENT | CELL_UNCERTAIN);
		pthread_rwlock_unlock(&slots[s].lock);
	}
	return own;
}

/*
 * After MADV_FREE a page of the base shows its old content or none until the next store; a page of
 * the view's own stays.
 */
static void check_freed(struct worker *w, unsigned int page)
{
	uint64_t cell = cell_visible(w, w->slot, page);
	bool own = w->slot != &slots[0] && *cell_of(w->slot, w->nr, page) & CELL_PRESENT;
	unsigned long addr = page_address(w, page) + page_offset(page, 0);
	uint64_t expected = page_word(w, page, cell_value(cell)), seen = *(volatile uint64_t *)addr;

	if (seen != expected && (own || seen) && !(cell & CELL_UNCERTAIN))
		mismatch(w, "wrong data after MADV_FREE", addr, expected, seen);
}

/*
 * A store after MADV_FREE must not get lost. Where a view has a page of its own the store may not
 * reach the base, whose page is dropped then so that its content is certain.
 *
 * Forked children must not do this to pages that they share with their parent: a page that came
 * back from a swap device with synchronous I/O (zram) is clean and has no copy in the swap cache
 * any more, and Linux 6.1 then lets the child's MADV_FREE discard the parent's data.
 */
void op_free(struct worker *w)
{
	struct range range = begin(w, KIND_DATA, 24);
	unsigned int i;

	cells_mark(w, range);
	if (!tolerate(w, RESULT(madvise(start_of(w, range), range.nr * PAGE, MADV_FREE)),
		      "MADV_FREE failed", 0)) {
		cells_unmark(w, range);
		return;
	}
	for (i = range.first; i < range.first + range.nr; i++) {
		check_freed(w, i);
		if (own_page_somewhere(w, i) || below(w, 2))
			drop(w, (struct range){ i, 1 });
		else
			page_store(w, i, ++w->value);
	}
	cells_unmark(w, range);
	if (below(w, 2))
		tolerate(w, RESULT(madvise(start_of(w, range), range.nr * PAGE, MADV_PAGEOUT)),
			 "MADV_PAGEOUT failed", EINVAL);
}

/* Have the kernel move pages to another memory node, if there are several. */
static void move_to_node(struct worker *w, struct range range)
{
	void *pages[16];
	int nodes[16], status[16];
	unsigned int i, nr = range.nr < 16 ? range.nr : 16;

	for (i = 0; i < nr; i++) {
		pages[i] = (void *)page_address(w, range.first + i);
		nodes[i] = (int)below(w, 2);
	}
	syscall(SYS_move_pages, 0, nr, pages, nodes, status, 2 /* MPOL_MF_MOVE */);
}

/* Advice that changes no content. */
void op_advise(struct worker *w)
{
	static const int advice[] = { MADV_HUGEPAGE,	MADV_NOHUGEPAGE, MADV_MERGEABLE,
				      MADV_UNMERGEABLE, MADV_PAGEOUT,	 MADV_PAGEOUT,
				      MADV_COLD,	MADV_WILLNEED,	 MADV_POPULATE_READ,
				      MADV_COLLAPSE };
	unsigned int chosen = below(w, sizeof(advice) / sizeof(*advice) + 1);
	struct range range = begin(w, MOST_KINDS | KIND_CODE, 128);
	long error;

	if (chosen == sizeof(advice) / sizeof(*advice)) {
		move_to_node(w, range);
		return;
	}
	if (advice[chosen] == MADV_COLLAPSE)
		range = chunk;
	remember(w, range.first, (uint64_t)advice[chosen]);
	error = RESULT(madvise(start_of(w, range), range.nr * PAGE, advice[chosen]));
	tolerate(w, error == -EBUSY ? -EAGAIN : error, "madvise failed", EINVAL);
	if (below(w, 2))
		range_check(w, (struct range){ range.first, range.nr < 32 ? range.nr : 32 });
}

void op_lock(struct worker *w)
{
	struct range range = begin(w, MOST_KINDS, 16);
	int tries;

	if (!tolerate(w,
		      RESULT(mlock2(start_of(w, range), range.nr * PAGE,
				    below(w, 2) ? MLOCK_ONFAULT : 0)),
		      "mlock failed", EPERM))
		return;
	range_check(w, range);
	store_some(w, range);
	for (tries = 0; tries < 1000; tries++) {
		if (!munlock(start_of(w, range), range.nr * PAGE))
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	fatal("munlock", -1);
}

static void *move_surely(void *from, void *to, size_t length)
{
	void *moved = MAP_FAILED;
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		moved = mremap(from, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		if (moved != MAP_FAILED || (errno != ENOMEM && errno != EAGAIN))
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	if (moved != to)
		fatal("cannot move a part of the arena back", -1);
	return moved;
}

/* What was moved away is what the base had: pages of the views' own do not move. */
static void check_moved(struct worker *w, struct range range)
{
	unsigned int i;

	for (i = range.first; i < range.first + range.nr; i++) {
		uint32_t value = cell_value(*cell_of(&slots[0], w->nr, i));
		unsigned long addr = page_address(w, i) + TEMPORARY + page_offset(i, 1);
		uint64_t seen = *(volatile uint64_t *)addr;

		if (seen != page_word(w, i, value))
			mismatch(w, "wrong data in moved pages", addr, page_word(w, i, value),
				 seen);
	}
}

/* mremap to another place and back. */
void op_move(struct worker *w)
{
	struct range range = begin(w, MOST_KINDS, 24);
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	volatile uint64_t *left;
	size_t length;
	char *to;
	long error;

	if (!below(w, 4)) {
		/* The whole page table is moved then, if nothing has split the mapping. */
		range = chunk;
		madvise(start_of(w, range), CHUNK, MADV_UNMERGEABLE);
		madvise(start_of(w, range), CHUNK, MADV_NOHUGEPAGE);
	}
	if (page_kind(range.first) == KIND_DATA && !below(w, 3))
		flags |= MREMAP_DONTUNMAP;
	w->touched = range;
	length = range.nr * PAGE;
	to = (char *)start_of(w, range) + TEMPORARY;
	cells_mark(w, range);
	error = mremap(start_of(w, range), length, length, flags, to) == MAP_FAILED ? -errno : 0;
	if (!tolerate(w, error, "mremap failed", EFAULT)) {
		/* Several mappings: not moved, or from Linux 6.17 on perhaps in part. */
		if (error == -EFAULT) {
			munmap(to, length);
			map_range(w, range, 0);
			mapped_anew(w, range);
		} else {
			cells_unmark(w, range);
		}
		return;
	}
	check_moved(w, range);
	left = (volatile uint64_t *)(page_address(w, range.first) + page_offset(range.first, 0));
	if (flags & MREMAP_DONTUNMAP && *left)
		mismatch(w, "data in pages that were moved away", (unsigned long)left, 0, *left);
	move_surely(to, start_of(w, range), length);
	cells_dropped(w, range, true, false);
	unpin_leftovers(w, range);
	cells_unmark(w, range);
}

/* New code of the worker's own in place of the old, as a loader or a compiler does it. */
void op_replace_code(struct worker *w)
{
	struct range range = begin(w, KIND_CODE, 1);
	unsigned int offset = page_offset(range.first, 0);
	uint32_t value = ++w->value;
	char *page = start_of(w, range), *to = page;

	cells_mark(w, range);
	if (below(w, 2)) {
		page = mmap(to + TEMPORARY, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (page == MAP_FAILED) {
			tolerate(w, -errno, "mmap failed", 0);
			cells_unmark(w, range);
			return;
		}
	} else {
		map_range(w, range, 0);
	}
	code_encode((unsigned char *)page + offset, value);
	if (page != to)
		move_surely(page, to, PAGE);
	protect_surely(w, range, PROT_READ | PROT_EXEC);
	base_becomes(w, range, value);
	cells_dropped(w, range, true, false);
	cells_unmark(w, range);
}
