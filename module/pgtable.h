/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A view's page tables and how they follow from the base's. Tables and entries are plain values
 * here. All functions run under the process's view lock with interrupts off, in raw atomic
 * context, and flush no TLB: the caller does, after it dropped the lock.
 */
#ifndef WF_PGTABLE_H
#define WF_PGTABLE_H

#ifdef __KERNEL__
#include <linux/types.h>
#endif

#define WF_LEVEL_PAGE	1	/* entries map 4 KiB */
#define WF_LEVEL_MAX	5
#define WF_ENTRIES	512
#define WF_USER_ENTRIES	256	/* of a root */

/*
 * @base, @view: the roots; @base_user, @view_user: their user halves under page-table isolation,
 * else NULL; @levels: 4 or 5; @root_bits: what a private entry of the view's root carries besides
 * in its kernel half
 */
struct wf_pgtable {
	u64 *base;
	u64 *view;
	u64 *base_user;
	u64 *view_user;
	int levels;
	u64 root_bits;
};

/* Empty tables for wf_pgtable_path(), linked by their first entries. */
struct wf_table_pool {
	u64 *first;
	unsigned int count;
};

void wf_table_pool_put(struct wf_table_pool *pool, u64 *table);
u64 *wf_table_pool_get(struct wf_table_pool *pool);

void wf_pgtable_fill(struct wf_pgtable *t);
bool wf_pgtable_sync(struct wf_pgtable *t, u64 addr);
u64 wf_pgtable_revalidate(struct wf_pgtable *t, u64 start, u64 end, unsigned int budget,
			  bool *changed);
u64 *wf_pgtable_path(struct wf_pgtable *t, u64 addr, struct wf_table_pool *pool);
u64 *wf_pgtable_leaf(struct wf_pgtable *t, u64 addr);
unsigned int wf_pgtable_missing(struct wf_pgtable *t, u64 addr);
bool wf_pgtable_young(struct wf_pgtable *t, u64 start, u64 end, bool clear);
void wf_pgtable_take(struct wf_pgtable *t, struct wf_table_pool *pool);

u64 wf_derive(u64 entry, int level);
bool wf_same(u64 a, u64 b);

#endif
