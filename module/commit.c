// SPDX-License-Identifier: GPL-2.0
/*
 * VIEW_COMMIT: what a view has in place of the base's content is written to the base; then the view is
 * not needed any more, and its threads return to the base, asleep or at their next gate. This is the
 * one place where the module changes the base (invariant 1): as a debugger would, copy on write.
 *
 * It is done when every thread is in the view, and none leaves before its end. So nobody runs the
 * base's code while it is written; and when a page of the view gives way to the base's, both are the
 * same. All that may fail is done before the first byte is written.
 */
#define pr_fmt(fmt) "wfpatch: " fmt

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>
#include "arch/x86/carrier.h"
#include "arch/x86/entry.h"
#include "commit.h"
#include "compat.h"
#include "gate.h"
#include "ksym.h"
#include "overlay.h"
#include "thread.h"
#include "trace.h"
#include "transition.h"

static rwlock_t *wf_tasklist_lock;

int wf_commit_init(void)
{
	wf_tasklist_lock = (rwlock_t *)wf_ksym_address("tasklist_lock");
	if (wf_tasklist_lock)
		return 0;
	pr_err("this kernel has no symbol tasklist_lock; it needs CONFIG_KALLSYMS_ALL\n");
	return -ENOENT;
}

/* --- who is where ----------------------------------------------------------------------------- */

/*
 * Is every thread that will run user code in the view? One that is being born is not in the list yet;
 * it will be where its creator is, see wf_gate_forks(). The lock keeps threads from coming and going
 * while we look: one outside might be replaced by the next for ever.
 */
static bool wf_commit_all_in(struct wf_process *p, u32 id)
{
	struct task_struct *group, *task;
	bool all = true;

	read_lock(wf_tasklist_lock);
	rcu_read_lock();
	for_each_process_thread(group, task)
		if (READ_ONCE(task->mm) == p->mm && !(task->flags & (PF_EXITING | WF_PF_WORKER)))
			all &= wf_thread_at(task, id);
	rcu_read_unlock();
	read_unlock(wf_tasklist_lock);
	return all;
}

static void wf_commit_hold(struct wf_view *view, bool hold)
{
	struct wf_process *p = view->process;
	unsigned long flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	view->committing = hold;
	raw_spin_unlock_irqrestore(&p->lock, flags);
}

/* --- pages ------------------------------------------------------------------------------------ */

/* A page of the view, and the base's page that takes its content; a reference to each. */
struct wf_commit_page {
	unsigned long addr;
	struct page *from;
	struct page *to;
	unsigned long *written;		/* bitmap; NULL: all of it */
};

static void wf_commit_put(struct wf_commit_page *pages, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		put_page(pages[i].from);
		if (pages[i].to)
			put_page(pages[i].to);
		bitmap_free(pages[i].written);
	}
	kvfree(pages);
}

/* The base's page at @addr, made the process's own, to be written to. */
static int wf_commit_get(struct wf_process *p, struct vm_area_struct *vma, unsigned long addr,
			 struct page **page)
{
	unsigned int gup = FOLL_FORCE | FOLL_WRITE;
	long n;

	/* Locks are held: who watches the mapping cannot be waited for here. */
	if (userfaultfd_armed(vma))
		gup |= FOLL_NOWAIT;
	n = wf_get_user_page(p->mm, addr, gup, page);
	if (n == 1)
		return 0;
	return n == -ENOMEM ? -ENOMEM : -EFAULT;
}

/*
 * Where threads may store, the page is closed off until the view has the base's; who comes waits for
 * the mutex. Elsewhere they run on: it is code. View lock held.
 */
static bool wf_commit_block(struct wf_view *view, struct vm_area_struct *vma,
			    struct wf_overlay *overlay)
{
	if (!(vma->vm_flags & VM_WRITE) && !(overlay->flags & WF_OVERLAY_PINNED))
		return false;
	WRITE_ONCE(*wf_pgtable_leaf(&view->pgtable, overlay->addr), WF_OVERLAY);
	return true;
}

/* One page: what may fail. */
static int wf_commit_prepare(struct wf_view *view, struct wf_commit_page *page,
			     struct vm_area_struct *vma)
{
	struct wf_process *p = view->process;
	unsigned long *written = bitmap_zalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
	struct wf_overlay *overlay;
	unsigned long flags;

	if (!written)
		return -ENOMEM;
	raw_spin_lock_irqsave(&p->lock, flags);
	overlay = wf_overlay_find(view, page->addr);
	if (overlay && overlay->written && !(vma->vm_flags & VM_WRITE) &&
	    !(overlay->flags & WF_OVERLAY_PINNED)) {
		bitmap_copy(written, overlay->written, PAGE_SIZE);
		swap(page->written, written);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	bitmap_free(written);
	return wf_commit_get(p, vma, page->addr, &page->to);
}

/* The view's pages; their number, or an error. Mmap lock and mutex held, as in all that follows. */
static long wf_commit_collect(struct wf_view *view, struct wf_commit_page **pages)
{
	struct wf_process *p = view->process;
	struct wf_overlay *overlay;
	unsigned long addr = 0, n = 0, room, flags;

	/* There may become fewer, but not more. */
	room = READ_ONCE(view->nr_overlays);
	*pages = kvcalloc(room + 1, sizeof(**pages), GFP_KERNEL_ACCOUNT);
	if (!*pages)
		return -ENOMEM;
	for (;;) {
		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = wf_overlay_next(view, addr);
		if (overlay && n < room) {
			(*pages)[n].addr = overlay->addr;
			(*pages)[n].from = overlay->page;
			get_page(overlay->page);
			n++;
			addr = overlay->addr + PAGE_SIZE;
		}
		raw_spin_unlock_irqrestore(&p->lock, flags);
		if (!overlay || n >= room)
			return n;
		cond_resched();
	}
}

static void wf_commit_copy(struct wf_commit_page *page)
{
	char *to = page_address(page->to), *from = page_address(page->from);
	unsigned long start, end = 0;

	if (!page->written) {
		copy_page(to, from);
	} else {
		while ((start = find_next_bit(page->written, PAGE_SIZE, end)) < PAGE_SIZE) {
			end = find_next_zero_bit(page->written, PAGE_SIZE, start);
			memcpy(to + start, from + start, end - start);
		}
	}
	set_page_dirty_lock(page->to);
}

/* Close off what threads may store to. Nothing fails from here on. */
static void wf_commit_close(struct wf_view *view)
{
	struct wf_process *p = view->process;
	struct wf_overlay *overlay;
	unsigned long addr = 0, flags;
	bool any = false;

	do {
		struct vm_area_struct *vma;

		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = wf_overlay_next(view, addr);
		addr = overlay ? overlay->addr : 0;
		raw_spin_unlock_irqrestore(&p->lock, flags);
		vma = overlay ? find_vma(p->mm, addr) : NULL;
		if (!vma)
			continue;
		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = wf_overlay_find(view, addr);
		if (overlay)
			any |= wf_commit_block(view, vma, overlay);
		raw_spin_unlock_irqrestore(&p->lock, flags);
		addr += PAGE_SIZE;
		cond_resched();
	} while (addr);
	if (any)
		wf_carrier_flush(view->carrier, 0, -1UL, true);
}

static int wf_commit_pages(struct wf_view *view)
{
	struct wf_process *p = view->process;
	struct wf_commit_page *pages;
	long n = wf_commit_collect(view, &pages), i;
	int ret = 0;

	if (n < 0)
		return n;
	for (i = 0; !ret && i < n; i++) {
		struct vm_area_struct *vma = find_vma(p->mm, pages[i].addr);

		if (!vma || vma->vm_start > pages[i].addr || wf_overlay_check(p, vma))
			ret = -EFAULT;
		if (!ret)
			ret = wf_commit_prepare(view, &pages[i], vma);
		cond_resched();
	}
	if (!ret) {
		wf_commit_close(view);
		for (i = 0; i < n; i++) {
			wf_commit_copy(&pages[i]);
			cond_resched();
		}
		/* The base shows. It is the same; closed pages open. */
		wf_overlay_forget(view, 0, -1UL);
	}
	wf_commit_put(pages, n);
	return ret;
}

/* --- the request ------------------------------------------------------------------------------ */

/* All locks held. */
static int wf_commit_do(struct wf_process *p, u32 id, struct wf_plan *plan)
{
	struct wf_view *view = wf_view_find(p, id);
	int ret;

	if (p->dead)
		return -ESRCH;
	if (!view)
		return -ENOENT;
	if (p->abandoned || READ_ONCE(p->in_transition))
		return -EBUSY;
	wf_commit_hold(view, true);
	ret = wf_commit_all_in(p, id) ? wf_commit_pages(view) : -EBUSY;
	if (ret) {
		wf_commit_hold(view, false);
		return ret;
	}
	plan->committed = id;
	wf_view_unpublish(view);
	wf_transition_committed(p, plan);
	/* They may leave now, wherever they go. */
	wf_commit_hold(view, false);
	return 0;
}

int wf_view_commit(struct wf_process *p, u32 id)
{
	struct wf_plan *plan;
	struct wf_view *view;
	u32 pages;
	int ret;

	if (!id)
		return -EINVAL;
	plan = wf_plan_alloc(WFPATCH_BASE_VIEW, NULL);
	if (!plan)
		return -ENOMEM;
	mutex_lock(&p->plan_mutex);
	mmap_read_lock(p->mm);
	mutex_lock(&p->mutex);
	view = wf_view_find(p, id);
	pages = view ? READ_ONCE(view->nr_overlays) : 0;
	ret = wf_commit_do(p, id, plan);
	mutex_unlock(&p->mutex);
	mmap_read_unlock(p->mm);
	mutex_unlock(&p->plan_mutex);
	trace_wfpatch_commit(p->mm, p->tgid, id, pages, ret);
	if (ret)
		wf_plan_put(plan);
	return ret;
}
