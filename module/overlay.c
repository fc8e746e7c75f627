// SPDX-License-Identifier: GPL-2.0
/*
 * A view's own pages: the tree of them, changing them, taking them away.
 *
 * A page counts in each view that has it, against RLIMIT_MEMLOCK of the process; it is shared
 * between views until one of them stores to it. Whether it is shared is told by its reference
 * count; a passing reference of someone else costs a copy, no more.
 */
#include <linux/capability.h>
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>
#include "arch/x86/carrier.h"
#include "arch/x86/entry.h"
#include "compat.h"
#include "limits.h"
#include "overlay.h"
#include "trace.h"

static int wf_charge(struct mm_struct *mm, unsigned long pages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (atomic64_add_return(pages, &mm->pinned_vm) > limit && !capable(CAP_IPC_LOCK)) {
		atomic64_sub(pages, &mm->pinned_vm);
		return -ENOMEM;
	}
	return 0;
}

static void wf_uncharge(struct mm_struct *mm, unsigned long pages)
{
	atomic64_sub(pages, &mm->pinned_vm);
}

/* The view's overlay with the lowest address from @addr on. */
struct wf_overlay *wf_overlay_next(struct wf_view *view, unsigned long addr)
{
	struct rb_node *node = view->overlays.rb_node;
	struct wf_overlay *best = NULL;

	lockdep_assert_held(&view->process->lock);
	while (node) {
		struct wf_overlay *overlay = rb_entry(node, struct wf_overlay, node);

		if (overlay->addr >= addr) {
			best = overlay;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return best;
}

struct wf_overlay *wf_overlay_find(struct wf_view *view, unsigned long addr)
{
	struct wf_overlay *overlay = wf_overlay_next(view, addr);

	return overlay && overlay->addr == addr ? overlay : NULL;
}

static void wf_overlay_insert(struct wf_view *view, struct wf_overlay *new)
{
	struct rb_node **link = &view->overlays.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		if (new->addr < rb_entry(parent, struct wf_overlay, node)->addr)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&new->node, parent, link);
	rb_insert_color(&new->node, &view->overlays);
	view->nr_overlays++;
}

/* Take an overlay out of the tree and the tables; the base's page shows at the next fault. */
static void wf_overlay_remove(struct wf_view *view, struct wf_overlay *overlay)
{
	u64 *leaf = wf_pgtable_leaf(&view->pgtable, overlay->addr);

	if (leaf)
		WRITE_ONCE(*leaf, 0);
	rb_erase(&overlay->node, &view->overlays);
	view->nr_overlays--;
	trace_wfpatch_overlay(view->process->mm, view->process->tgid, view->id, overlay->addr,
			      WF_TRACE_DROP);
}

/* Free overlays that were taken out and linked by their nodes' parents. */
static void wf_overlay_free_list(struct wf_process *p, struct rb_node *list)
{
	unsigned long n = 0;

	while (list) {
		struct wf_overlay *overlay = rb_entry(list, struct wf_overlay, node);

		list = list->rb_left;
		if (overlay->page)
			put_page(overlay->page);
		bitmap_free(overlay->written);
		kfree(overlay);
		n++;
	}
	wf_uncharge(p->mm, n);
}

/* Fill the pool so that a path to @addr can be made. Sleeps. */
static int wf_overlay_tables(struct wf_view *view, unsigned long addr, struct wf_table_pool *pool)
{
	unsigned int want = wf_pgtable_missing(&view->pgtable, addr);

	lockdep_assert_held(&view->process->mutex);
	while (pool->count < want) {
		u64 *table = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

		if (!table)
			return -ENOMEM;
		wf_table_pool_put(pool, table);
	}
	return 0;
}

static void wf_overlay_free_tables(struct wf_table_pool *pool)
{
	u64 *table;

	while ((table = wf_table_pool_get(pool)))
		free_page((unsigned long)table);
}

/*
 * Make the path to @overlay's address private and let nothing through there: a thread that comes
 * faults and waits for the mutex. The pool has the tables. Under the view lock.
 */
static void wf_overlay_block(struct wf_view *view, unsigned long addr, struct wf_table_pool *pool)
{
	unsigned int before = pool->count;
	u64 *leaf = wf_pgtable_path(&view->pgtable, addr, pool);

	WRITE_ONCE(*leaf, WF_OVERLAY);
	view->nr_tables += before - pool->count;
}

/* May there be overlay pages in this mapping? */
int wf_overlay_check(struct wf_process *p, struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP))
		return -EOPNOTSUPP;
	/* Its pages have another kind of entry, and nobody may write to them in another way. */
	if (vma->vm_flags & VM_SHADOW_STACK)
		return -EOPNOTSUPP;
	/* The kernel's own special mappings have operations but no file. */
	if (vma->vm_ops && !vma->vm_file)
		return -EOPNOTSUPP;
	/* A debugger's write, which fork needs for a child, is not to be had there. */
	if (is_vm_hugetlb_page(vma) && !(vma->vm_flags & (VM_WRITE | VM_SHARED)))
		return -EOPNOTSUPP;
	if (vma->vm_flags & (VM_SHARED | VM_MAYSHARE) || !(vma->vm_flags & VM_MAYWRITE))
		return -EACCES;
	return 0;
}

static unsigned long *wf_written_alloc(void)
{
	return bitmap_zalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
}

/* @written: with room to note what is written */
struct wf_update *wf_updates_alloc(unsigned long n, bool written)
{
	struct wf_update *updates;
	unsigned long i;

	updates = kvcalloc(n, sizeof(*updates), GFP_KERNEL_ACCOUNT);
	if (!updates)
		return NULL;
	for (i = 0; i < n; i++) {
		updates[i].page = alloc_page(GFP_KERNEL_ACCOUNT);
		updates[i].spare = kzalloc(sizeof(*updates[i].spare), GFP_KERNEL_ACCOUNT);
		if (written)
			updates[i].written = wf_written_alloc();
		if (!updates[i].page || !updates[i].spare || (written && !updates[i].written)) {
			wf_updates_free(updates, n);
			return NULL;
		}
		if (fatal_signal_pending(current)) {
			wf_updates_free(updates, n);
			return NULL;
		}
		cond_resched();
	}
	return updates;
}

void wf_updates_free(struct wf_update *updates, unsigned long n)
{
	unsigned long i;

	for (i = 0; updates && i < n; i++) {
		if (updates[i].page)
			put_page(updates[i].page);
		bitmap_free(updates[i].written);
		kfree(updates[i].spare);
	}
	kvfree(updates);
}

/* Give the new page the content that the view has at its address now. */
static int wf_update_fill(struct wf_view *view, struct wf_update *update)
{
	struct wf_process *p = view->process;
	struct wf_overlay *overlay;
	unsigned int gup = FOLL_FORCE;
	struct page *from = NULL;
	unsigned long flags;
	long n;

	raw_spin_lock_irqsave(&p->lock, flags);
	overlay = wf_overlay_find(view, update->addr);
	if (overlay && overlay->page && !update->fresh) {
		from = overlay->page;
		get_page(from);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);

	if (!from) {
		/* Locks are held: who watches the mapping cannot be waited for here. */
		if (userfaultfd_armed(find_vma(p->mm, update->addr)))
			gup |= FOLL_NOWAIT;
		n = wf_get_user_page(p->mm, update->addr, gup, &from);
		if (n != 1 && gup & FOLL_NOWAIT)
			return -EAGAIN;
		if (n != 1)
			return n < 0 && n != -EBUSY ? n : -EFAULT;
	}
	copy_highpage(update->page, from);
	put_page(from);
	return 0;
}

/*
 * Take back what wf_overlay_update() did to the first @n pages: no node stays that it made. Of one
 * that is @left_out nothing stays where it was to be made afresh: the view shows the base there.
 */
static void wf_update_undo(struct wf_view *view, struct wf_update *updates, unsigned long n,
			   bool left_out)
{
	struct wf_process *p = view->process;
	struct rb_node *list = NULL;
	unsigned long i, flags;

	for (i = 0; i < n; i++) {
		struct wf_overlay *overlay;

		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = wf_overlay_find(view, updates[i].addr);
		if (overlay && (!overlay->page || (left_out && updates[i].fresh))) {
			wf_overlay_remove(view, overlay);
			overlay->node.rb_left = list;
			list = &overlay->node;
		}
		raw_spin_unlock_irqrestore(&p->lock, flags);
	}
	wf_overlay_free_list(p, list);
}

/*
 * Is there nothing to copy? Behind the end of a file, in a mapping that nobody may read, where a
 * userfaultfd supplies pages, a page that the hardware lost. No memory is something else.
 */
static bool wf_update_may_lack(int error)
{
	return error == -EFAULT || error == -EAGAIN || error == -EHWPOISON;
}

/* Close every page of an update off, so that its content stands still. */
static int wf_update_block(struct wf_view *view, struct wf_update *updates, unsigned long n)
{
	struct wf_process *p = view->process;
	struct wf_table_pool pool = { };
	unsigned long i, flags;
	int ret = 0;

	for (i = 0; i < n && !ret; i++) {
		struct wf_overlay *overlay;
		bool charged = false;

		ret = wf_overlay_tables(view, updates[i].addr, &pool);
		if (ret)
			break;
		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = wf_overlay_find(view, updates[i].addr);
		raw_spin_unlock_irqrestore(&p->lock, flags);
		if (!overlay) {
			ret = view->nr_overlays >= WF_MAX_OVERLAYS ? -ENOSPC : wf_charge(p->mm, 1);
			if (ret)
				break;
			charged = true;
		}
		raw_spin_lock_irqsave(&p->lock, flags);
		if (!wf_overlay_find(view, updates[i].addr)) {
			/* Without a charge: it was there and the process is being reaped. */
			if (charged) {
				updates[i].spare->addr = updates[i].addr;
				wf_overlay_insert(view, updates[i].spare);
				updates[i].spare = NULL;
			} else {
				ret = -EFAULT;
			}
		}
		if (!ret)
			wf_overlay_block(view, updates[i].addr, &pool);
		raw_spin_unlock_irqrestore(&p->lock, flags);
		cond_resched();
	}
	wf_overlay_free_tables(&pool);
	if (ret)
		wf_update_undo(view, updates, i, false);
	return ret;
}

static void wf_update_install(struct wf_view *view, struct wf_update *updates, unsigned long n)
{
	struct wf_process *p = view->process;
	unsigned long i, flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	for (i = 0; i < n; i++) {
		struct wf_overlay *overlay = wf_overlay_find(view, updates[i].addr);

		/* Only the OOM reaper takes overlays away while the mmap lock is held. */
		if (overlay && !updates[i].left_out) {
			swap(overlay->page, updates[i].page);
			overlay->flags |= updates[i].flags;
			if (overlay->written && updates[i].written)
				bitmap_or(overlay->written, overlay->written, updates[i].written,
					  PAGE_SIZE);
			else if (updates[i].written)
				swap(overlay->written, updates[i].written);
		}
		if ((i & 63) == 63) {
			raw_spin_unlock_irqrestore(&p->lock, flags);
			raw_spin_lock_irqsave(&p->lock, flags);
		}
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	for (i = 0; i < n; i++) {
		if (updates[i].left_out)
			continue;
		wf_count(p, overlay_pages_made);
		trace_wfpatch_overlay(p->mm, p->tgid, view->id, updates[i].addr, WF_TRACE_MAKE);
	}
}

/*
 * Give the view pages of its own at the addresses of @updates: the content that it sees there now,
 * as changed by @change. All or none. Between closing the pages off and the end, a thread of the
 * view that uses one of them waits in its fault for the mutex; so no store is lost, and the pages
 * appear together. -EAGAIN: a userfaultfd must supply a page first. Mmap lock and mutex held;
 * @change must not sleep for long and must not touch user memory.
 */
int wf_overlay_update(struct wf_view *view, struct wf_update *updates, unsigned long n,
		      wf_update_fn change, void *data)
{
	unsigned long i;
	int ret;

	lockdep_assert_held(&view->process->mutex);
	ret = wf_update_block(view, updates, n);
	if (ret)
		goto flush;
	wf_carrier_flush(view->carrier, 0, -1UL, true);
	for (i = 0; i < n; i++) {
		ret = wf_update_fill(view, &updates[i]);
		if (updates[i].optional && wf_update_may_lack(ret)) {
			wf_update_undo(view, &updates[i], 1, true);
			updates[i].left_out = true;
			continue;
		}
		if (ret) {
			wf_update_undo(view, updates, n, false);
			goto flush;
		}
		if (change)
			change(&updates[i], data);
		cond_resched();
	}
	wf_update_install(view, updates, n);
	return 0;
flush:
	/* Tables may have become private. */
	wf_carrier_flush(view->carrier, 0, -1UL, true);
	return ret;
}

static void wf_overlay_free(struct wf_overlay *overlay)
{
	if (overlay)
		bitmap_free(overlay->written);
	kfree(overlay);
}

/* A node that is in no tree yet. */
static struct wf_overlay *wf_overlay_alloc(void)
{
	struct wf_overlay *overlay = kzalloc(sizeof(*overlay), GFP_KERNEL_ACCOUNT);

	if (!overlay)
		return NULL;
	overlay->written = wf_written_alloc();
	if (overlay->written)
		return overlay;
	kfree(overlay);
	return NULL;
}

/*
 * Give a new view, in which no thread is yet, all pages of another. Both keep them read-only until
 * one of them stores. Mutex held.
 */
int wf_overlay_share(struct wf_view *from, struct wf_view *to)
{
	struct wf_process *p = from->process;
	struct wf_table_pool pool = { };
	struct wf_overlay *overlay, *new;
	unsigned long addr = 0, flags;
	u64 *leaf;
	int ret = 0;

	for (;;) {
		new = wf_overlay_alloc();
		if (!new) {
			ret = -ENOMEM;
			break;
		}
		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = wf_overlay_next(from, addr);
		addr = overlay ? overlay->addr : 0;
		raw_spin_unlock_irqrestore(&p->lock, flags);
		if (!overlay) {
			wf_overlay_free(new);
			break;
		}
		ret = wf_overlay_tables(to, addr, &pool);
		if (!ret)
			ret = wf_charge(p->mm, 1);
		if (ret) {
			wf_overlay_free(new);
			break;
		}
		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = wf_overlay_find(from, addr);
		if (overlay) {
			new->addr = addr;
			new->page = overlay->page;
			new->flags = overlay->flags;
			if (overlay->written)
				bitmap_copy(new->written, overlay->written, PAGE_SIZE);
			get_page(new->page);
			leaf = wf_pgtable_leaf(&from->pgtable, addr);
			/* Dirty but not writable would be a page of a shadow stack. */
			if (*leaf & WF_WRITE)
				WRITE_ONCE(*leaf, *leaf & ~(u64)(WF_WRITE | WF_DIRTY));
			wf_overlay_insert(to, new);
			wf_overlay_block(to, addr, &pool);
			new = NULL;
		}
		raw_spin_unlock_irqrestore(&p->lock, flags);
		if (new) {
			wf_uncharge(p->mm, 1);
			wf_overlay_free(new);
		}
		addr += PAGE_SIZE;
		cond_resched();
	}
	wf_overlay_free_tables(&pool);
	wf_carrier_flush(from->carrier, 0, -1UL, true);
	return ret;
}

/* Close off the overlays of all views in a range: the next fault maps them anew. Raw atomic. */
void wf_overlay_unmap(struct wf_process *p, unsigned long start, unsigned long end)
{
	struct wf_view *view;
	unsigned long flags;

	rcu_read_lock();
	list_for_each_entry_rcu(view, &p->list, list) {
		struct wf_overlay *overlay;
		unsigned long addr = start;
		unsigned int n = 0;
		bool any = false;

		raw_spin_lock_irqsave(&p->lock, flags);
		while ((overlay = wf_overlay_next(view, addr)) && overlay->addr < end) {
			u64 *leaf = wf_pgtable_leaf(&view->pgtable, overlay->addr);

			if (leaf && *leaf & WF_PRESENT) {
				WRITE_ONCE(*leaf, WF_OVERLAY);
				any = true;
			}
			addr = overlay->addr + PAGE_SIZE;
			if (++n % 64 == 0) {
				raw_spin_unlock_irqrestore(&p->lock, flags);
				raw_spin_lock_irqsave(&p->lock, flags);
			}
		}
		raw_spin_unlock_irqrestore(&p->lock, flags);
		if (any)
			wf_carrier_flush(view->carrier, start, end, false);
	}
	rcu_read_unlock();
}

/*
 * Take overlays out of one view, all or those that only pinning made; returns them as a list for
 * wf_overlay_free_list().
 */
static struct rb_node *wf_overlay_take(struct wf_view *view, unsigned long start,
				       unsigned long end, bool pinned)
{
	struct wf_process *p = view->process;
	struct wf_overlay *overlay;
	struct rb_node *list = NULL;
	unsigned long flags;
	unsigned int n = 0;

	raw_spin_lock_irqsave(&p->lock, flags);
	while ((overlay = wf_overlay_next(view, start)) && overlay->addr < end) {
		start = overlay->addr + PAGE_SIZE;
		if (!pinned || overlay->flags == WF_OVERLAY_PINNED) {
			wf_overlay_remove(view, overlay);
			overlay->node.rb_left = list;
			list = &overlay->node;
		} else {
			overlay->flags &= ~WF_OVERLAY_PINNED;
		}
		if (++n % 64 == 0) {
			raw_spin_unlock_irqrestore(&p->lock, flags);
			raw_spin_lock_irqsave(&p->lock, flags);
		}
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (list)
		wf_carrier_flush(view->carrier, 0, -1UL, true);
	return list;
}

/* The range was unmapped: its overlays go, in all views. Does not sleep. */
void wf_overlay_drop(struct wf_process *p, unsigned long start, unsigned long end)
{
	struct wf_view *view;

	rcu_read_lock();
	list_for_each_entry_rcu(view, &p->list, list)
		wf_overlay_free_list(p, wf_overlay_take(view, start, end, false));
	rcu_read_unlock();
}

/* One view gives its pages in a range back. */
void wf_overlay_forget(struct wf_view *view, unsigned long start, unsigned long end)
{
	wf_overlay_free_list(view->process, wf_overlay_take(view, start, end, false));
}

/* One view gives back what it has in a range for no other reason than that it was pinned. */
void wf_overlay_unpin(struct wf_view *view, unsigned long start, unsigned long end)
{
	wf_overlay_free_list(view->process, wf_overlay_take(view, start, end, true));
}

/* The view is being freed: nobody else sees it and no processor uses its tables. */
void wf_overlay_free_all(struct wf_view *view)
{
	struct wf_table_pool pool = { };

	wf_overlay_free_list(view->process, wf_overlay_take(view, 0, -1UL, false));
	wf_pgtable_take(&view->pgtable, &pool);
	wf_overlay_free_tables(&pool);
}
