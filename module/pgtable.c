// SPDX-License-Identifier: GPL-2.0
/*
 * Derives a view's page tables from the base's (invariants 2 and 3 of the design). Invariant 1: the
 * base's tables are read only, here and everywhere in the module; what it changes for a process in
 * the base, it has the kernel do (access_remote_vm() in fork.c).
 *
 * A view's entry is one of three: an overlay leaf (WF_OVERLAY, nobody but overlay.c changes it), a
 * private table (WF_PRIVATE), or what the base's entry at its place says now: the same lower table,
 * or a leaf that may write only while the base's entry is writable and dirty.
 *
 * Why a walk from the root may read the base's tables (invariant 6): the view lock is held. The
 * kernel frees a table only after it cleared the entry that led to it and flushed the TLB, and that
 * flush passes through coherence.c, which takes this lock. So a table that a walk reached under the
 * lock is not freed before the lock is dropped, and one whose entry was cleared before is not
 * reached. No pointer into the base's tables outlives the lock.
 */
#include "arch/x86/entry.h"
#include "pgtable.h"

/* Where a walk is in the base: a table, the middle of a huge page, or nowhere. */
struct wf_cursor {
	const u64 *table;
	u64 huge;
};

static inline int wf_shift(int level)
{
	return 12 + 9 * (level - 1);
}

static inline unsigned int wf_index(u64 addr, int level)
{
	return (addr >> wf_shift(level)) & (WF_ENTRIES - 1);
}

static inline bool wf_is_leaf(u64 entry, int level)
{
	return level == WF_LEVEL_PAGE || (level <= 3 && (entry & WF_HUGE));
}

static inline bool wf_is_private(u64 entry)
{
	return (entry & (WF_PRESENT | WF_PRIVATE)) == (WF_PRESENT | WF_PRIVATE);
}

/*
 * Are two entries the same to everyone but reclaim? Dirty counts: it tells a page of a shadow stack,
 * which is dirty and not writable, from one that is only read.
 */
bool wf_same(u64 a, u64 b)
{
	return !((a ^ b) & ~(u64)WF_ACCESSED);
}

/*
 * What a view holds for the base's @entry, which may be anything. Only present entries are
 * derived; all else becomes 0, so that no page number stays in a non-present entry. Without the
 * dirty bit in the base, a store must fault: the base's dirty bit is the only one that counts.
 */
u64 wf_derive(u64 entry, int level)
{
	if (!(entry & WF_PRESENT))
		return 0;
	if (!wf_is_leaf(entry, level))
		return entry & ~WF_SOFT_BITS;
	if (!(entry & WF_DIRTY))
		entry &= ~(u64)WF_WRITE;
	return entry & ~WF_SOFT_BITS;
}

/* The part of a huge leaf of @level + 1 that entry @index of a table of @level would map. */
static u64 wf_split(u64 huge, int level, unsigned int index)
{
	u64 part = (huge & ~WF_PAT_HUGE) + ((u64)index << wf_shift(level));

	if (level == WF_LEVEL_PAGE) {
		part &= ~(u64)WF_HUGE;
		if (huge & WF_PAT_HUGE)
			part |= WF_PAT_4K;
	} else {
		part |= huge & WF_PAT_HUGE;
	}
	return part;
}

static u64 wf_cursor_entry(const struct wf_cursor *c, int level, unsigned int index)
{
	if (c->table)
		return READ_ONCE(c->table[index]);
	return c->huge ? wf_split(c->huge, level, index) : 0;
}

static struct wf_cursor wf_cursor_down(u64 entry, int level)
{
	struct wf_cursor c = { NULL, 0 };

	if (!(entry & WF_PRESENT))
		return c;
	if (wf_is_leaf(entry, level))
		c.huge = entry;
	else
		c.table = wf_entry_table(entry);
	return c;
}

/* Write entry @index of the view's table of @level; a root has two halves under isolation. */
static void wf_set(struct wf_pgtable *t, u64 *table, int level, unsigned int index, u64 entry)
{
	if (level == t->levels && t->view_user) {
		u64 user = entry;

		if (entry && wf_is_private(entry))
			entry |= t->root_bits;
		else if (entry)
			user = wf_derive(READ_ONCE(t->base_user[index]), level);
		WRITE_ONCE(t->view_user[index], user);
	}
	WRITE_ONCE(table[index], entry);
}

void wf_table_pool_put(struct wf_table_pool *pool, u64 *table)
{
	table[0] = (u64)(unsigned long)pool->first;
	pool->first = table;
	pool->count++;
}

u64 *wf_table_pool_get(struct wf_table_pool *pool)
{
	u64 *table = pool->first;

	if (table) {
		pool->first = (u64 *)(unsigned long)table[0];
		table[0] = 0;
		pool->count--;
	}
	return table;
}

/* Fill the root of a new view: the base's tables, all of them shared. */
void wf_pgtable_fill(struct wf_pgtable *t)
{
	unsigned int i;

	for (i = 0; i < WF_USER_ENTRIES; i++)
		wf_set(t, t->view, t->levels, i, wf_derive(READ_ONCE(t->base[i]), t->levels));
}

/* Bring the view's entry for @addr up to date with the base. Returns whether it changed. */
bool wf_pgtable_sync(struct wf_pgtable *t, u64 addr)
{
	struct wf_cursor c = { t->base, 0 };
	u64 *table = t->view;
	int level;

	for (level = t->levels; ; level--) {
		unsigned int i = wf_index(addr, level);
		u64 base = wf_cursor_entry(&c, level, i);
		u64 view = READ_ONCE(table[i]);
		u64 want;

		if (level > WF_LEVEL_PAGE && wf_is_private(view)) {
			c = wf_cursor_down(base, level);
			table = wf_entry_table(view);
			continue;
		}
		if (level == WF_LEVEL_PAGE && (view & WF_OVERLAY))
			return false;
		want = wf_derive(base, level);
		if (wf_same(view, want))
			return false;
		wf_set(t, table, level, i, want);
		return true;
	}
}

struct wf_walk {
	struct wf_pgtable *t;
	u64 start;
	u64 end;
	unsigned int budget;
	bool changed;
};

/*
 * Revalidate one table whose first entry maps @base_addr. Returns the address up to which the work
 * is done: @w->end, or less when the budget ran out at the end of a table of pages.
 */
static u64 wf_revalidate_table(struct wf_walk *w, struct wf_cursor c, u64 *table, int level,
			       u64 base_addr)
{
	u64 size = 1ULL << wf_shift(level);
	unsigned int n = level == w->t->levels ? WF_USER_ENTRIES : WF_ENTRIES;
	unsigned int i = w->start > base_addr ? (w->start - base_addr) >> wf_shift(level) : 0;

	for (; i < n; i++) {
		u64 addr = base_addr + i * size;
		u64 view, base, want;

		if (addr >= w->end)
			break;
		view = READ_ONCE(table[i]);
		if (!view || (level == WF_LEVEL_PAGE && (view & WF_OVERLAY)))
			continue;
		base = wf_cursor_entry(&c, level, i);
		if (level > WF_LEVEL_PAGE && wf_is_private(view)) {
			u64 done = wf_revalidate_table(w, wf_cursor_down(base, level),
						       wf_entry_table(view), level - 1, addr);

			if (done < w->end && done < addr + size)
				return done;
			if (level == WF_LEVEL_PAGE + 1) {
				if (!w->budget)
					return addr + size;
				w->budget--;
			}
			continue;
		}
		want = wf_derive(base, level);
		if (!wf_same(view, want)) {
			wf_set(w->t, table, level, i, want);
			w->changed = true;
		}
	}
	return w->end;
}

/*
 * Make the view's entries in [@start, @end) what the base says now, after the base changed. Works
 * on at most @budget + 1 private tables of pages, so that the lock is not held for long; returns
 * the address to go on from, @end or more when all is done. Sets *@changed if an entry changed.
 */
u64 wf_pgtable_revalidate(struct wf_pgtable *t, u64 start, u64 end, unsigned int budget,
			  bool *changed)
{
	struct wf_walk w = { t, start, end, budget, false };
	struct wf_cursor c = { t->base, 0 };
	u64 done = wf_revalidate_table(&w, c, t->view, t->levels, 0);

	if (w.changed)
		*changed = true;
	return done;
}

/* The number of tables that wf_pgtable_path() would take from the pool for @addr. */
unsigned int wf_pgtable_missing(struct wf_pgtable *t, u64 addr)
{
	u64 *table = t->view;
	int level;

	for (level = t->levels; level > WF_LEVEL_PAGE; level--) {
		u64 view = READ_ONCE(table[wf_index(addr, level)]);

		if (!wf_is_private(view))
			return level - WF_LEVEL_PAGE;
		table = wf_entry_table(view);
	}
	return 0;
}

/*
 * Make the path to @addr private, with tables from the pool, which must hold
 * wf_pgtable_missing() of them. Returns the view's leaf entry. A new table starts with what the
 * base says, so that nothing changes for the view but who owns the tables.
 */
u64 *wf_pgtable_path(struct wf_pgtable *t, u64 addr, struct wf_table_pool *pool)
{
	struct wf_cursor c = { t->base, 0 };
	u64 *table = t->view;
	int level;

	for (level = t->levels; level > WF_LEVEL_PAGE; level--) {
		unsigned int i = wf_index(addr, level), j;
		u64 view = READ_ONCE(table[i]);

		c = wf_cursor_down(wf_cursor_entry(&c, level, i), level);
		if (!wf_is_private(view)) {
			u64 *new = wf_table_pool_get(pool);

			for (j = 0; j < WF_ENTRIES; j++)
				new[j] = wf_derive(wf_cursor_entry(&c, level - 1, j), level - 1);
			view = wf_table_address(new) | WF_TABLE_BITS | WF_PRIVATE;
			wf_set(t, table, level, i, view);
		}
		table = wf_entry_table(view);
	}
	return &table[wf_index(addr, WF_LEVEL_PAGE)];
}

/* The view's leaf entry for @addr if the path to it is private, else NULL. */
u64 *wf_pgtable_leaf(struct wf_pgtable *t, u64 addr)
{
	u64 *table = t->view;
	int level;

	for (level = t->levels; level > WF_LEVEL_PAGE; level--) {
		u64 view = READ_ONCE(table[wf_index(addr, level)]);

		if (!wf_is_private(view))
			return NULL;
		table = wf_entry_table(view);
	}
	return &table[wf_index(addr, WF_LEVEL_PAGE)];
}

/*
 * Is the accessed bit set in a derived leaf of [@start, @end) that lies in a private table? With
 * @clear it is cleared; the processor may set it at the same time, which is as good as before.
 */
bool wf_pgtable_young(struct wf_pgtable *t, u64 start, u64 end, bool clear)
{
	bool young = false;
	u64 addr = start;

	while (addr < end) {
		u64 *table = t->view, view;
		unsigned int i;
		int level;

		for (level = t->levels; ; level--) {
			i = wf_index(addr, level);
			view = READ_ONCE(table[i]);
			if (level == WF_LEVEL_PAGE || !wf_is_private(view))
				break;
			table = wf_entry_table(view);
		}
		addr = (addr | ((1ULL << wf_shift(level)) - 1)) + 1;
		if (!(view & WF_PRESENT) || !wf_is_leaf(view, level))
			continue;
		if (level == WF_LEVEL_PAGE && view & WF_OVERLAY)
			continue;
		if (view & WF_ACCESSED) {
			young = true;
			if (clear)
				WRITE_ONCE(table[i], view & ~(u64)WF_ACCESSED);
		}
	}
	return young;
}

static void wf_take_tables(struct wf_pgtable *t, u64 *table, int level,
			   struct wf_table_pool *pool)
{
	unsigned int n = level == t->levels ? WF_USER_ENTRIES : WF_ENTRIES;
	unsigned int i;

	for (i = 0; i < n; i++) {
		u64 view = table[i];
		u64 *lower;

		if (!wf_is_private(view))
			continue;
		lower = wf_entry_table(view);
		if (level - 1 > WF_LEVEL_PAGE)
			wf_take_tables(t, lower, level - 1, pool);
		wf_table_pool_put(pool, lower);
	}
}

/*
 * Empty the view and collect its private tables in the pool, to be freed. No processor uses the
 * view any more; the root's entries are cleared because freeing a root looks at none.
 */
void wf_pgtable_take(struct wf_pgtable *t, struct wf_table_pool *pool)
{
	unsigned int i;

	wf_take_tables(t, t->view, t->levels, pool);
	for (i = 0; i < WF_USER_ENTRIES; i++)
		wf_set(t, t->view, t->levels, i, 0);
}
