// SPDX-License-Identifier: GPL-2.0
/* Tests of the page-table logic of the module (module/pgtable.c) on the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/entry.h"
#include "pgtable.h"

#define USER		(1ULL << 2)
#define NX		(1ULL << 63)
#define PKEY		(5ULL << 59)
#define UFFD_WP		(1ULL << 10)
#define SOFT_DIRTY	(1ULL << 11)
#define DEVMAP		(1ULL << 58)
#define LEAF		(WF_PRESENT | USER | WF_ACCESSED)
#define DIRTY_LEAF	(LEAF | WF_WRITE | WF_DIRTY)
#define SIZE_2M		(1ULL << 21)
#define SIZE_1G		(1ULL << 30)

struct fixture {
	struct wf_pgtable t;
	u64 *tables[4096];
	unsigned int count;
};

static u64 *new_table(struct fixture *f)
{
	u64 *table = aligned_alloc(4096, 4096);

	assert_non_null(table);
	assert_true(f->count < 4096);
	memset(table, 0, 4096);
	f->tables[f->count++] = table;
	return table;
}

static struct fixture *new_fixture(int levels, bool pti)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->t.levels = levels;
	f->t.base = new_table(f);
	f->t.view = new_table(f);
	if (pti) {
		f->t.base_user = new_table(f);
		f->t.view_user = new_table(f);
		f->t.root_bits = NX;
	}
	return f;
}

static void free_fixture(struct fixture *f)
{
	while (f->count)
		free(f->tables[--f->count]);
	free(f);
}

static int setup4(void **state) { *state = new_fixture(4, false); return 0; }
static int setup5(void **state) { *state = new_fixture(5, false); return 0; }
static int setup4pti(void **state) { *state = new_fixture(4, true); return 0; }
static int setup5pti(void **state) { *state = new_fixture(5, true); return 0; }
static int teardown(void **state) { free_fixture(*state); return 0; }

static unsigned int index_of(u64 addr, int level)
{
	return (addr >> (12 + 9 * (level - 1))) & 511;
}

/* The base's entry for @addr at @level; tables above it are made. */
static u64 *base_entry(struct fixture *f, u64 addr, int level)
{
	u64 *table = f->t.base;
	int l;

	for (l = f->t.levels; l > level; l--) {
		u64 *e = &table[index_of(addr, l)];

		if (!(*e & WF_PRESENT)) {
			*e = wf_table_address(new_table(f)) | WF_TABLE_BITS;
			if (l == f->t.levels && f->t.base_user) {
				f->t.base_user[index_of(addr, l)] = *e;
				*e |= NX;
			}
		}
		table = wf_entry_table(*e);
	}
	return &table[index_of(addr, level)];
}

/* What the processor would find for @addr in a root: the leaf and its level, 0 if none. */
static u64 translate(u64 *root, int levels, u64 addr, int *level)
{
	u64 *table = root;
	int l;

	for (l = levels; l; l--) {
		u64 e = table[index_of(addr, l)];

		*level = l;
		if (l == 1 || !(e & WF_PRESENT))
			return e;
		if (l <= 3 && e & WF_HUGE)
			return e;
		table = wf_entry_table(e);
	}
	return 0;
}

static u64 view_leaf(struct fixture *f, u64 addr)
{
	int level;

	return translate(f->t.view, f->t.levels, addr, &level);
}

static u64 *make_path(struct fixture *f, u64 addr)
{
	struct wf_table_pool pool = { NULL, 0 };
	unsigned int want = wf_pgtable_missing(&f->t, addr);
	u64 *leaf;

	while (pool.count < want)
		wf_table_pool_put(&pool, new_table(f));
	leaf = wf_pgtable_path(&f->t, addr, &pool);
	assert_int_equal(pool.count, 0);
	assert_int_equal(wf_pgtable_missing(&f->t, addr), 0);
	assert_ptr_equal(leaf, wf_pgtable_leaf(&f->t, addr));
	return leaf;
}

static bool revalidate(struct fixture *f, u64 start, u64 end)
{
	bool changed = false;

	while (start < end)
		start = wf_pgtable_revalidate(&f->t, start, end, 1, &changed);
	return changed;
}

static void derived_leaf_may_write_only_if_base_is_writable_and_dirty(void **state)
{
	(void)state;
	assert_int_equal(wf_derive(0x1000 | DIRTY_LEAF, 1), 0x1000 | DIRTY_LEAF);
	assert_int_equal(wf_derive(0x1000 | LEAF | WF_WRITE, 1), 0x1000 | LEAF);
	assert_int_equal(wf_derive(0x1000 | LEAF | WF_DIRTY, 1), 0x1000 | LEAF | WF_DIRTY);
	assert_int_equal(wf_derive(SIZE_2M | LEAF | WF_HUGE | WF_WRITE, 2),
			 SIZE_2M | LEAF | WF_HUGE);
}

static void derived_leaf_keeps_protection_and_key_and_drops_software_bits(void **state)
{
	(void)state;
	assert_int_equal(wf_derive(0x5000 | LEAF | NX | PKEY | UFFD_WP | SOFT_DIRTY | DEVMAP, 1),
			 0x5000 | LEAF | NX | PKEY);
	/* Bit 7 of a page's entry is a memory type, not a size. */
	assert_int_equal(wf_derive(0x5000 | LEAF | WF_PAT_4K, 1), 0x5000 | LEAF | WF_PAT_4K);
}

static void entry_that_is_not_present_derives_to_nothing(void **state)
{
	int level;

	(void)state;
	for (level = 1; level <= 5; level++)
		assert_int_equal(wf_derive(~WF_PRESENT, level), 0);
}

static void only_accessed_bits_make_no_difference(void **state)
{
	(void)state;
	assert_true(wf_same(0x1000 | LEAF, (0x1000 | LEAF) ^ WF_ACCESSED));
	/* Dirty and not writable is a page of a shadow stack. */
	assert_false(wf_same(0x1000 | LEAF, 0x1000 | LEAF | WF_DIRTY));
	assert_false(wf_same(0x1000 | LEAF, 0x2000 | LEAF));
	assert_false(wf_same(0x1000 | LEAF, 0x1000 | LEAF | WF_WRITE));
	assert_false(wf_same(0x1000 | LEAF, 0x1000 | LEAF | NX));
}

static void new_view_shares_the_tables_of_the_base(void **state)
{
	struct fixture *f = *state;

	*base_entry(f, 0x400000, 1) = 0x1000 | LEAF;
	*base_entry(f, 0x7fff00000000, 1) = 0x2000 | DIRTY_LEAF;
	wf_pgtable_fill(&f->t);
	assert_memory_equal(f->t.view, f->t.base, 256 * 8);
	if (f->t.view_user)
		assert_memory_equal(f->t.view_user, f->t.base_user, 256 * 8);
	*base_entry(f, 0x401000, 1) = 0x3000 | LEAF;
	assert_int_equal(view_leaf(f, 0x401000), 0x3000 | LEAF);
}

static void kernel_half_of_the_root_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct wf_table_pool pool = { NULL, 0 };

	f->t.base[256] = 0xabc000 | WF_TABLE_BITS;
	f->t.view[511] = 0xdef000 | WF_TABLE_BITS;
	wf_pgtable_fill(&f->t);
	revalidate(f, 0, ~0ULL);
	wf_pgtable_take(&f->t, &pool);
	assert_int_equal(f->t.view[256], 0);
	assert_int_equal(f->t.view[511], 0xdef000 | WF_TABLE_BITS);
}

static void new_tables_of_the_base_appear_by_sync(void **state)
{
	struct fixture *f = *state;

	wf_pgtable_fill(&f->t);
	*base_entry(f, 0x400000, 1) = 0x1000 | LEAF;
	assert_int_equal(view_leaf(f, 0x400000), 0);
	assert_true(wf_pgtable_sync(&f->t, 0x400000));
	assert_int_equal(view_leaf(f, 0x400000), 0x1000 | LEAF);
	assert_false(wf_pgtable_sync(&f->t, 0x400000));
	if (f->t.view_user)
		assert_int_equal(f->t.view_user[0], f->t.base_user[0]);
}

static void private_path_changes_nothing_but_the_owner(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 512; i++)
		*base_entry(f, 0x400000 + i * 4096, 1) = (i + 1) << 12 | LEAF;
	*base_entry(f, 0x600000, 1) = 0xfff000 | DIRTY_LEAF;
	wf_pgtable_fill(&f->t);
	assert_int_equal(wf_pgtable_missing(&f->t, 0x410000), f->t.levels - 1);
	assert_null(wf_pgtable_leaf(&f->t, 0x410000));
	make_path(f, 0x410000);
	for (i = 0; i < 512; i++)
		assert_int_equal(view_leaf(f, 0x400000 + i * 4096), (i + 1) << 12 | LEAF);
	assert_int_equal(view_leaf(f, 0x600000), 0xfff000 | DIRTY_LEAF);
	/* A neighbour in the same 2 MiB needs none, one in the next needs one table. */
	assert_int_equal(wf_pgtable_missing(&f->t, 0x420000), 0);
	assert_int_equal(wf_pgtable_missing(&f->t, 0x600000), 1);
}

static void private_root_entry_has_both_halves(void **state)
{
	struct fixture *f = *state;

	wf_pgtable_fill(&f->t);
	make_path(f, 0x400000);
	assert_int_equal(f->t.view[0] & ~NX, f->t.view_user[0]);
	assert_true(f->t.view[0] & NX);
	assert_true(f->t.view[0] & WF_PRIVATE);
}

static void huge_page_on_the_path_becomes_small_entries(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	*base_entry(f, 0x40000000, 2) = 0x80000000 | DIRTY_LEAF | WF_HUGE | PKEY | NX;
	wf_pgtable_fill(&f->t);
	make_path(f, 0x40003000);
	for (i = 0; i < 512; i++)
		assert_int_equal(view_leaf(f, 0x40000000 + i * 4096ULL),
				 (0x80000000 + i * 4096ULL) | DIRTY_LEAF | PKEY | NX);
}

static void gigantic_page_on_the_path_is_split_twice(void **state)
{
	struct fixture *f = *state;
	int level;

	*base_entry(f, SIZE_1G, 3) = 4 * SIZE_1G | DIRTY_LEAF | WF_HUGE | WF_PAT_HUGE;
	wf_pgtable_fill(&f->t);
	make_path(f, SIZE_1G + 5 * SIZE_2M + 0x7000);
	/* In the same 2 MiB: pages, with the memory-type bit where pages have it. */
	assert_int_equal(view_leaf(f, SIZE_1G + 5 * SIZE_2M + 0x8000),
			 (4 * SIZE_1G + 5 * SIZE_2M + 0x8000) | DIRTY_LEAF | WF_PAT_4K);
	/* Beside it: 2 MiB. */
	assert_int_equal(translate(f->t.view, f->t.levels, SIZE_1G + 9 * SIZE_2M, &level),
			 (4 * SIZE_1G + 9 * SIZE_2M) | DIRTY_LEAF | WF_HUGE | WF_PAT_HUGE);
	assert_int_equal(level, 2);
}

static void clean_huge_page_is_split_into_read_only_entries(void **state)
{
	struct fixture *f = *state;

	*base_entry(f, SIZE_2M, 2) = 0x80000000 | LEAF | WF_WRITE | WF_HUGE;
	wf_pgtable_fill(&f->t);
	make_path(f, SIZE_2M);
	assert_int_equal(view_leaf(f, SIZE_2M + 0x1000), 0x80001000 | LEAF);
	*base_entry(f, SIZE_2M, 2) |= WF_DIRTY;
	assert_true(wf_pgtable_sync(&f->t, SIZE_2M + 0x1000));
	assert_int_equal(view_leaf(f, SIZE_2M + 0x1000), 0x80001000 | DIRTY_LEAF);
}

static void revalidation_follows_every_change_of_the_base(void **state)
{
	struct fixture *f = *state;
	u64 addr = 0x7f0000000000;

	*base_entry(f, addr, 1) = 0x1000 | DIRTY_LEAF;
	*base_entry(f, addr + 4096, 1) = 0x2000 | DIRTY_LEAF;
	wf_pgtable_fill(&f->t);
	make_path(f, addr);
	assert_false(revalidate(f, 0, ~0ULL));
	*base_entry(f, addr, 1) = 0;
	*base_entry(f, addr + 4096, 1) = 0x2000 | LEAF;
	/* Another range does not touch it. */
	assert_false(revalidate(f, addr + 0x10000, addr + 0x20000));
	assert_int_equal(view_leaf(f, addr), 0x1000 | DIRTY_LEAF);
	assert_true(revalidate(f, addr, addr + 4096));
	assert_int_equal(view_leaf(f, addr), 0);
	assert_int_equal(view_leaf(f, addr + 4096), 0x2000 | DIRTY_LEAF);
	assert_true(revalidate(f, addr + 4096, addr + 8192));
	assert_int_equal(view_leaf(f, addr + 4096), 0x2000 | LEAF);
}

static void revalidation_drops_tables_that_the_base_dropped(void **state)
{
	struct fixture *f = *state;
	u64 addr = 0x7f0000000000;

	*base_entry(f, addr, 1) = 0x1000 | LEAF;
	*base_entry(f, addr + SIZE_2M, 1) = 0x2000 | LEAF;
	wf_pgtable_fill(&f->t);
	make_path(f, addr);
	assert_int_equal(view_leaf(f, addr + SIZE_2M), 0x2000 | LEAF);
	*base_entry(f, addr + SIZE_2M, 2) = 0;
	assert_true(revalidate(f, addr + SIZE_2M, addr + SIZE_2M + 4096));
	assert_int_equal(view_leaf(f, addr + SIZE_2M), 0);
	/* The table under a private one: all that came from it goes. */
	*base_entry(f, addr, 2) = 0;
	assert_true(revalidate(f, addr, addr + 4096));
	assert_int_equal(view_leaf(f, addr), 0);
}

static void overlays_are_left_alone(void **state)
{
	struct fixture *f = *state;
	u64 *leaf;

	*base_entry(f, 0x400000, 1) = 0x1000 | LEAF;
	wf_pgtable_fill(&f->t);
	leaf = make_path(f, 0x400000);
	*leaf = 0x9000 | LEAF | WF_OVERLAY;
	*base_entry(f, 0x400000, 1) = 0x2000 | LEAF;
	assert_false(wf_pgtable_sync(&f->t, 0x400000));
	assert_false(revalidate(f, 0, ~0ULL));
	assert_int_equal(*leaf, 0x9000 | LEAF | WF_OVERLAY);
	/* Closed off: the mark alone is an overlay, too. */
	*leaf = WF_OVERLAY;
	assert_false(wf_pgtable_sync(&f->t, 0x400000));
	assert_false(revalidate(f, 0, ~0ULL));
	assert_int_equal(*leaf, WF_OVERLAY);
}

static void budget_interrupts_and_resumes_without_gaps(void **state)
{
	struct fixture *f = *state;
	u64 base = 0x7e0000000000, addr = 0;
	unsigned int i, calls = 0;
	bool changed = false;

	for (i = 0; i < 40; i++)
		*base_entry(f, base + i * SIZE_2M, 1) = (i + 1) << 12 | LEAF;
	wf_pgtable_fill(&f->t);
	for (i = 0; i < 40; i++)
		make_path(f, base + i * SIZE_2M);
	for (i = 0; i < 40; i++)
		*base_entry(f, base + i * SIZE_2M, 1) = 0;
	while (addr < ~0ULL) {
		addr = wf_pgtable_revalidate(&f->t, addr, ~0ULL, 4, &changed);
		calls++;
	}
	assert_true(calls >= 8 && calls <= 10);
	for (i = 0; i < 40; i++)
		assert_int_equal(view_leaf(f, base + i * SIZE_2M), 0);
}

static void every_private_table_is_collected_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct wf_table_pool pool = { NULL, 0 };
	unsigned int before, made;

	wf_pgtable_fill(&f->t);
	before = f->count;
	make_path(f, 0x400000);
	make_path(f, 0x600000);
	make_path(f, 0x7f0000000000);
	made = f->count - before;
	wf_pgtable_take(&f->t, &pool);
	assert_int_equal(pool.count, made);
	assert_int_equal(f->t.view[0], 0);
	if (f->t.view_user)
		assert_int_equal(f->t.view_user[0], 0);
}

/* --- any sequence of changes ------------------------------------------------------------- */

static u64 random_state = 88172645463325252ULL;

static u64 rnd(u64 n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static u64 random_address(void)
{
	static const u64 areas[] = {
		0x400000, 0x40000000, 0x7f0000000000, 0x7fffffe00000 - 2 * SIZE_2M
	};

	return areas[rnd(4)] + rnd(3) * SIZE_2M + rnd(4) * 4096;
}

/* Change the base as the kernel would. Returns the range to be invalidated. */
static void mutate(struct fixture *f, u64 addr, u64 *start, u64 *end)
{
	u64 *pmd = base_entry(f, addr, 2);
	bool huge;

	*start = addr;
	*end = addr + 4096;
	switch (rnd(5)) {
	case 0:
		*pmd = 0;
		break;
	case 1:
		*pmd = ((rnd(1000) + 1) << 21) | LEAF | WF_HUGE | (rnd(2) ? WF_WRITE : 0) |
		       (rnd(2) ? WF_DIRTY : 0);
		break;
	default:
		huge = *pmd & WF_HUGE;
		if (huge)
			*pmd = 0;
		*base_entry(f, addr, 1) = rnd(4) ? ((rnd(1000) + 1) << 12) | LEAF |
			(rnd(2) ? WF_WRITE : 0) | (rnd(2) ? WF_DIRTY : 0) : rnd(1000) << 12;
		if (!huge)
			return;
	}
	*start = addr & ~(SIZE_2M - 1);
	*end = *start + SIZE_2M;
}

/* The base's translation of @addr as a page's entry. */
static u64 expected(struct fixture *f, u64 addr)
{
	int level;
	u64 e = translate(f->t.base, f->t.levels, addr, &level);

	if (!(e & WF_PRESENT))
		return 0;
	if (level == 2)
		e = ((e & ~(u64)WF_HUGE) + (addr & (SIZE_2M - 1) & ~4095ULL));
	return wf_derive(e, 1);
}

static void check_view(struct fixture *f, u64 addr, const u64 *overlay)
{
	int level;
	u64 want = expected(f, addr), seen = translate(f->t.view, f->t.levels, addr, &level);

	if (overlay && *overlay == addr) {
		assert_true(seen & WF_OVERLAY);
		return;
	}
	assert_false(seen & WF_PRESENT && level == 1 && seen & WF_OVERLAY);
	if (seen & WF_PRESENT && level == 2)
		seen = (seen & ~(u64)WF_HUGE) + (addr & (SIZE_2M - 1) & ~4095ULL);
	/* Not synced yet is allowed, stale is not. Shared tables hold the base's own entries. */
	if (seen & WF_PRESENT)
		assert_true(wf_same(wf_derive(seen, 1), want));
}

static void no_sequence_leaves_a_stale_entry(void **state)
{
	struct fixture *f = *state;
	u64 overlay = 0x7f0000000000 + SIZE_2M + 4096, start, end;
	const u64 *overlaid = NULL;
	unsigned int step, i;

	wf_pgtable_fill(&f->t);
	for (step = 0; step < 20000 && f->count < 4000; step++) {
		u64 addr = random_address();

		switch (rnd(8)) {
		case 0:
			if (addr != overlay)
				make_path(f, addr);
			break;
		case 1:
			*make_path(f, overlay) = 0x9000 | LEAF | WF_OVERLAY;
			overlaid = &overlay;
			break;
		case 2: case 3: case 4:
			wf_pgtable_sync(&f->t, addr);
			check_view(f, addr, overlaid);
			break;
		default:
			mutate(f, addr, &start, &end);
			revalidate(f, start, end);
		}
		for (i = 0; i < 8; i++)
			check_view(f, random_address(), overlaid);
	}
	assert_true(step > 1000);
}

#define EACH_MODE(test)						\
	{ #test " (4 levels)", test, setup4, teardown, NULL },		\
	{ #test " (5 levels)", test, setup5, teardown, NULL },		\
	{ #test " (4 levels, isolated)", test, setup4pti, teardown, NULL }, \
	{ #test " (5 levels, isolated)", test, setup5pti, teardown, NULL }

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(derived_leaf_may_write_only_if_base_is_writable_and_dirty),
		cmocka_unit_test(derived_leaf_keeps_protection_and_key_and_drops_software_bits),
		cmocka_unit_test(entry_that_is_not_present_derives_to_nothing),
		cmocka_unit_test(only_accessed_bits_make_no_difference),
		EACH_MODE(new_view_shares_the_tables_of_the_base),
		EACH_MODE(kernel_half_of_the_root_is_left_alone),
		EACH_MODE(new_tables_of_the_base_appear_by_sync),
		EACH_MODE(private_path_changes_nothing_but_the_owner),
		{ "private_root_entry_has_both_halves (4 levels)",
		  private_root_entry_has_both_halves, setup4pti, teardown, NULL },
		{ "private_root_entry_has_both_halves (5 levels)",
		  private_root_entry_has_both_halves, setup5pti, teardown, NULL },
		EACH_MODE(huge_page_on_the_path_becomes_small_entries),
		EACH_MODE(gigantic_page_on_the_path_is_split_twice),
		EACH_MODE(clean_huge_page_is_split_into_read_only_entries),
		EACH_MODE(revalidation_follows_every_change_of_the_base),
		EACH_MODE(revalidation_drops_tables_that_the_base_dropped),
		EACH_MODE(overlays_are_left_alone),
		EACH_MODE(budget_interrupts_and_resumes_without_gaps),
		EACH_MODE(every_private_table_is_collected_at_the_end),
		EACH_MODE(no_sequence_leaves_a_stale_entry),
	};

	return cmocka_run_group_tests_name("pgtable", tests, NULL, NULL);
}
