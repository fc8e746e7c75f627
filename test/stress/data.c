// SPDX-License-Identifier: GPL-2.0
/*
 * The arenas: for each worker 4 MiB of anonymous pages, with a shared and a private mapping of a
 * file and some pages of code among them, so that all kinds share page tables with overlay pages.
 *
 * A page of data holds one word at three places; a page of code holds a function that returns the
 * page's value. A word names the worker, the pair of pages it belongs to and the value, so that
 * content of a wrong page or time is told apart; two pages with one value are equal, for KSM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define ARENA_BASE 0x100000000000UL
#define ARENA_STRIDE (16UL << 20)
#define ARENA_HIGH (1UL << 50) /* there is such an address with 5-level page tables only */

static const struct {
	struct range range;
	enum kind kind;
} layout[] = {
	{ { 0, 64 }, KIND_DATA },
	{ { 64, 32 }, KIND_SHARED_FILE },
	{ { 96, 32 }, KIND_PRIVATE_FILE },
	{ { 128, 8 }, KIND_CODE },
	{ { 136, ARENA_PAGES - 136 }, KIND_DATA },
};

#define NR_PARTS (sizeof(layout) / sizeof(*layout))

enum kind page_kind(unsigned int page)
{
	unsigned int i = 0;

	while (page >= layout[i].range.first + layout[i].range.nr)
		i++;
	return layout[i].kind;
}

unsigned long page_address(struct worker *w, unsigned int page)
{
	return w->arena + page * PAGE;
}

/* A random range of up to @max pages within one part of the arena of one of @kinds. */
struct range pick_range(struct worker *w, unsigned int kinds, unsigned int max)
{
	unsigned int total = 0, i, chosen;
	struct range range;

	for (i = 0; i < NR_PARTS; i++)
		total += layout[i].kind & kinds ? layout[i].range.nr : 0;
	chosen = below(w, total);
	for (i = 0;; i++) {
		if (!(layout[i].kind & kinds))
			continue;
		if (chosen < layout[i].range.nr)
			break;
		chosen -= layout[i].range.nr;
	}
	range.first = layout[i].range.first + chosen;
	range.nr = 1 + below(w, max);
	if (range.nr > layout[i].range.nr - chosen)
		range.nr = layout[i].range.nr - chosen;
	return range;
}

unsigned int page_offset(unsigned int page, unsigned int which)
{
	return which * 1344 + page % 64 * 8;
}

uint64_t page_word(struct worker *w, unsigned int page, uint32_t value)
{
	if (!value && page_kind(page) == KIND_DATA)
		return 0;
	return 0xa5ULL << 56 | (uint64_t)w->nr << 48 | (uint64_t)(page >> 1) << 32 | value;
}

bool word_plausible(struct worker *w, unsigned int page, uint64_t word)
{
	return word == page_word(w, page, (uint32_t)word) && (uint32_t)word <= w->value;
}

static _Atomic uint64_t *word_at(struct worker *w, unsigned int page, unsigned int which)
{
	return (_Atomic uint64_t *)(page_address(w, page) + page_offset(page, which));
}

/* Store a value's words, without a word to the model. */
void page_put_words(struct worker *w, unsigned int page, uint32_t value)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		*word_at(w, page, i) = page_word(w, page, value);
}

/* The cell that a store by the worker's thread changes; NULL if that is not known. */
static _Atomic uint64_t *stored_cell(struct worker *w, unsigned int page)
{
	_Atomic uint64_t *cell = cell_of(w->slot, w->nr, page);

	if (*cell & CELL_UNCERTAIN && w->slot != &slots[0])
		return NULL;
	return *cell & CELL_PRESENT ? cell : cell_of(&slots[0], w->nr, page);
}

/* Have @put store a new value's words to a page, and tell the model. */
void page_store_by(struct worker *w, unsigned int page, uint32_t value, page_put put,
		   void *argument)
{
	_Atomic uint64_t *cell = stored_cell(w, page);
	uint64_t flags;

	if (!cell)
		return;
	log_page(w, page, value);
	flags = *cell & ~(CELL_UNCERTAIN | 0xffffffff);
	atomic_fetch_or(cell, CELL_CHANGING);
	put(w, page, value, argument);
	*cell = flags | value;
}

static void put_words(struct worker *w, unsigned int page, uint32_t value, void *unused)
{
	(void)unused;
	page_put_words(w, page, value);
}

void page_store(struct worker *w, unsigned int page, uint32_t value)
{
	page_store_by(w, page, value, put_words, NULL);
}

static void check_code_page(struct worker *w, unsigned int page, uint64_t cell)
{
	unsigned long addr = page_address(w, page) + page_offset(page, 0);
	uint32_t seen = code_call(addr);

	if (cell & CELL_UNCERTAIN ? seen > w->value : seen != cell_value(cell))
		mismatch(w, "code of the thread's own returns a wrong number", addr,
			 cell_value(cell), seen);
}

/* Compare a page with what the thread's view says. */
void page_check(struct worker *w, unsigned int page)
{
	uint64_t cell = cell_visible(w, w->slot, page), expected, seen;
	unsigned int i;

	w->stats[STAT_CHECKS]++;
	if (page_kind(page) == KIND_SHARED_FILE)
		return;
	if (page_kind(page) == KIND_CODE) {
		check_code_page(w, page, cell);
		return;
	}
	expected = page_word(w, page, cell_value(cell));
	for (i = 0; i < 3; i++) {
		seen = *word_at(w, page, i);
		if (cell & CELL_UNCERTAIN ? !word_plausible(w, page, seen) : seen != expected)
			mismatch(w,
				 cell & CELL_UNCERTAIN ? "data that were never there"
						       : "wrong data",
				 (unsigned long)word_at(w, page, i), expected, seen);
	}
}

void range_check(struct worker *w, struct range range)
{
	unsigned int i;

	for (i = range.first; i < range.first + range.nr; i++)
		page_check(w, i);
}

/* In a view: make certain what its creation left uncertain, by writing it. */
static void resolve(struct worker *w)
{
	unsigned int i, done = 0;

	if (w->slot == &slots[0])
		return;
	for (i = 0; i < ARENA_PAGES && done < 8; i++) {
		if (!(*cell_of(w->slot, w->nr, i) & CELL_UNCERTAIN))
			continue;
		if (page_kind(i) == KIND_SHARED_FILE) {
			*cell_of(w->slot, w->nr, i) = 0;
			continue;
		}
		write_page(w, w->slot, i);
		done++;
	}
}

void data_check(struct worker *w, bool everything)
{
	unsigned int i;

	range_check(w, w->touched);
	if (everything) {
		resolve(w);
		range_check(w, (struct range){ 0, ARENA_PAGES });
		file_check(w);
		return;
	}
	for (i = 0; i < 24; i++)
		page_check(w, below(w, ARENA_PAGES));
	page_check(w, 128 + below(w, 8));
}

/* Map a range of one kind anew over whatever is there; tries again while memory is short. */
void *map_range(struct worker *w, struct range range, int extra_flags)
{
	void *addr = (void *)page_address(w, range.first);
	enum kind kind = page_kind(range.first);
	int flags = MAP_FIXED | extra_flags, fd = -1, tries;
	off_t offset = 0;
	void *area;

	if (kind == KIND_SHARED_FILE || kind == KIND_PRIVATE_FILE) {
		fd = data_file;
		offset = (off_t)(w->nr * 64 + range.first - 64) * (off_t)PAGE;
		flags |= kind == KIND_SHARED_FILE ? MAP_SHARED : MAP_PRIVATE;
	} else {
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	}
	for (tries = 0; tries < 1000; tries++) {
		area = mmap(addr, range.nr * PAGE, PROT_READ | PROT_WRITE, flags, fd, offset);
		if (area != MAP_FAILED || (errno != ENOMEM && errno != EAGAIN))
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	if (area != addr)
		fatal("cannot map a part of the arena again", -1);
	return area;
}

static void code_page_init(struct worker *w, unsigned int page)
{
	code_encode((unsigned char *)page_address(w, page) + page_offset(page, 0), ++w->value);
	*cell_of(&slots[0], w->nr, page) = CELL_PRESENT | w->value;
}

void arena_init(struct worker *w)
{
	unsigned int i;
	void *area;

	w->arena = ARENA_BASE + w->nr * ARENA_STRIDE;
	if (w->nr == 1) {
		area = mmap((void *)ARENA_HIGH, 8 * CHUNK, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			    0);
		if (area == (void *)ARENA_HIGH)
			w->arena = ARENA_HIGH;
		else if (area != MAP_FAILED)
			munmap(area, 8 * CHUNK);
	}
	munmap((void *)w->arena, ARENA_STRIDE);
	for (i = 0; i < NR_PARTS; i++)
		map_range(w, layout[i].range, 0);
	for (i = 0; i < ARENA_PAGES; i++) {
		*cell_of(&slots[0], w->nr, i) = CELL_PRESENT;
		if (page_kind(i) == KIND_CODE)
			code_page_init(w, i);
	}
	if (mprotect((void *)page_address(w, 128), 8 * PAGE, PROT_READ | PROT_EXEC))
		fatal("mprotect of code", -1);
	file_init(w);
	for (i = 0; i < ARENA_PAGES; i++)
		if (page_kind(i) == KIND_DATA && i % 4)
			page_store(w, i, ++w->value);
}
