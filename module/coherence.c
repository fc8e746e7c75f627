// SPDX-License-Identifier: GPL-2.0
/*
 * Views follow the base: whatever the kernel invalidates in the base's TLBs is derived anew in
 * every view and flushed there, before the kernel frees the page or the table.
 *
 * From 6.6 the MMU notifier has a callback for exactly this (WF_HAS_SECONDARY_TLBS). Before, its
 * invalidate_range is not enough: moving page tables (mremap) flushes under the page-table lock and
 * tells notifiers only afterwards, unlocked, and reclaim flushes in batches without an mm. There
 * every flush of the base is seen by a hook on flush_tlb_mm_range(), and a batched one at the end
 * of the range, before the page is freed.
 *
 * Everything here runs in raw atomic context, except where said.
 */
#define pr_fmt(fmt) "wfpatch: " fmt

#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "arch/x86/carrier.h"
#include "coherence.h"
#include "compat.h"
#include "event.h"
#include "hooks.h"
#include "ksym.h"
#include "limits.h"
#include "overlay.h"
#include "trace.h"

/*
 * The base changed in [@start, @end), and its TLBs are flushed. Invariant 3: the same lock as for
 * deriving, after the change. Also flushed is what did not change in the view's own entries: most
 * of a view are tables shared with the base.
 */
void wf_invalidate(struct wf_process *p, unsigned long start, unsigned long end, bool tables)
{
	struct wf_view *view;
	unsigned long flags;

	rcu_read_lock();
	list_for_each_entry_rcu(view, &p->list, list) {
		unsigned long addr = start;
		bool changed = false;

		do {
			raw_spin_lock_irqsave(&p->lock, flags);
			addr = wf_pgtable_revalidate(&view->pgtable, addr, end,
						     WF_REVALIDATE_BUDGET, &changed);
			raw_spin_unlock_irqrestore(&p->lock, flags);
		} while (addr < end);
		wf_carrier_flush(view->carrier, start, end, tables);
		wf_count(p, revalidations);
		trace_wfpatch_revalidate(p->mm, p->tgid, view->id, start, end, changed);
	}
	rcu_read_unlock();
}

#if WF_HOOKED_FLUSH
/* In place of flush_tlb_mm_range() for the mm of a process with views. */
void wf_flush_tlb_mm_range(struct mm_struct *mm, unsigned long start, unsigned long end,
			   unsigned int shift, bool tables)
{
	struct wf_process *p;

	wf_wrapper_enter();
	wf_flush_pass(true);
	wf_ksym(flush_tlb_mm_range)(mm, start, end, shift, tables);
	wf_flush_pass(false);
	rcu_read_lock();
	p = wf_process_find(mm);
	if (p)
		wf_invalidate(p, start, end, tables);
	rcu_read_unlock();
	wf_wrapper_exit();
}
#else
static void wf_notifier_invalidate(struct mmu_notifier *notifier, struct mm_struct *mm,
				   unsigned long start, unsigned long end)
{
	struct wf_process *p = container_of(notifier, struct wf_process, notifier);

	if (READ_ONCE(p->nr_live))
		wf_invalidate(p, start, end, true);
}
#endif

/*
 * The end of a change of the base. Overlays of what was unmapped go; those of what got another
 * protection are mapped anew with it at the next fault.
 */
static void wf_range_end(struct wf_process *p, const struct mmu_notifier_range *range)
{
	/* Pairs with the barrier in wf_view_list(). */
	smp_mb();
	if (!READ_ONCE(p->nr_live))
		return;
	switch (range->event) {
	case MMU_NOTIFY_UNMAP:
		wf_overlay_drop(p, range->start, range->end);
		break;
	case MMU_NOTIFY_PROTECTION_VMA:
		wf_overlay_unmap(p, range->start, range->end);
		break;
	default:
		break;
	}
	if (WF_HOOKED_FLUSH && wf_flush_is_batched(range->mm))
		wf_invalidate(p, range->start, range->end, false);
}

/*
 * Has a page of [start, end) been used through a private table? Elsewhere the accessed bits are the
 * base's own. As the kernel does, no TLB is flushed for a bit that is cleared.
 */
bool wf_young(struct wf_process *p, unsigned long start, unsigned long end, bool clear)
{
	struct wf_view *view;
	unsigned long flags;
	bool young = false;

	rcu_read_lock();
	list_for_each_entry_rcu(view, &p->list, list) {
		raw_spin_lock_irqsave(&p->lock, flags);
		young |= wf_pgtable_young(&view->pgtable, start, end, clear);
		raw_spin_unlock_irqrestore(&p->lock, flags);
	}
	rcu_read_unlock();
	return young;
}

static wf_young_t wf_notifier_clear_young(struct mmu_notifier *notifier, struct mm_struct *mm,
					  unsigned long start, unsigned long end)
{
	return wf_young(container_of(notifier, struct wf_process, notifier), start, end, true);
}

static wf_young_t wf_notifier_test_young(struct mmu_notifier *notifier, struct mm_struct *mm,
					 unsigned long addr)
{
	struct wf_process *p = container_of(notifier, struct wf_process, notifier);

	return wf_young(p, addr, addr + PAGE_SIZE, false);
}

/* Sleeps. The last user of the address space is gone. */
static void wf_notifier_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	wf_view_release_all(container_of(notifier, struct wf_process, notifier));
}

/* Sleeps; the mmap lock is held for writing. */
static struct mmu_notifier *wf_notifier_alloc(struct mm_struct *mm)
{
	struct wf_process *p = wf_process_alloc();

	return p ? &p->notifier : ERR_PTR(-ENOMEM);
}

static void wf_notifier_free(struct mmu_notifier *notifier)
{
	wf_process_free(container_of(notifier, struct wf_process, notifier));
}

#if WF_RANGE_NOTIFIER
static void wf_notifier_range_end(struct mmu_notifier *notifier,
				  const struct mmu_notifier_range *range)
{
	struct wf_process *p;

	rcu_read_lock();
	p = wf_process_find(range->mm);
	if (p)
		wf_range_end(p, range);
	rcu_read_unlock();
}

/* Sleeps; the mmap lock is held for writing. */
static struct mmu_notifier *wf_range_alloc(struct mm_struct *mm)
{
	return kzalloc(sizeof(struct mmu_notifier), GFP_KERNEL_ACCOUNT) ?: ERR_PTR(-ENOMEM);
}

static void wf_range_free(struct mmu_notifier *notifier)
{
	kfree(notifier);
}

static const struct mmu_notifier_ops wf_range_ops = {
	.invalidate_range_end = wf_notifier_range_end,
	.alloc_notifier = wf_range_alloc,
	.free_notifier = wf_range_free,
};
#else
static void wf_notifier_range_end(struct mmu_notifier *notifier,
				  const struct mmu_notifier_range *range)
{
	wf_range_end(container_of(notifier, struct wf_process, notifier), range);
}
#endif

static const struct mmu_notifier_ops wf_notifier_ops = {
	.release = wf_notifier_release,
#if !WF_RANGE_NOTIFIER
	.invalidate_range_end = wf_notifier_range_end,
#endif
	.clear_flush_young = wf_notifier_clear_young,
	.clear_young = wf_notifier_clear_young,
	.test_young = wf_notifier_test_young,
#if WF_HAS_SECONDARY_TLBS
	.arch_invalidate_secondary_tlbs = wf_notifier_invalidate,
#endif
	.alloc_notifier = wf_notifier_alloc,
	.free_notifier = wf_notifier_free,
};

/* A new record for @mm, which has users, that hears of its changes; or an error. Sleeps. */
struct wf_process *wf_coherence_begin(struct mm_struct *mm)
{
	struct mmu_notifier *notifier = mmu_notifier_get(&wf_notifier_ops, mm);
	struct wf_process *p;

	if (IS_ERR(notifier))
		return ERR_CAST(notifier);
	p = container_of(notifier, struct wf_process, notifier);
#if WF_RANGE_NOTIFIER
	notifier = mmu_notifier_get(&wf_range_ops, mm);
	if (IS_ERR(notifier)) {
		mmu_notifier_put(&p->notifier);
		return ERR_CAST(notifier);
	}
	p->range_notifier = notifier;
#endif
	return p;
}

/* The record is freed when no callback uses it any more. */
void wf_coherence_end(struct wf_process *p)
{
	if (p->range_notifier)
		mmu_notifier_put(p->range_notifier);
	mmu_notifier_put(&p->notifier);
}

#define WF_LOST_INTERVAL	(HZ / 10)

static void wf_lost_work(struct irq_work *work)
{
	struct wf_process *p = container_of(work, struct wf_process, lost_work);
	struct wfpatch_event event = {
		.type = WFPATCH_EVENT_HOOKS_LOST,
		.view = READ_ONCE(p->lost_view),
		.tid = READ_ONCE(p->lost_tid),
	};

	pr_warn_ratelimited("thread %d was not in its view %u: a hook of the module did not run, see the kernel's log for what befell ftrace; it was put right\n",
			    event.tid, event.view);
	wf_event_send(p, &event);
}

void wf_coherence_lost_init(struct wf_process *p)
{
	init_irq_work(&p->lost_work, wf_lost_work);
	p->lost_next = jiffies;
}

/*
 * A thread ran on other tables than its view's, which were then loaded. Told of now and then only:
 * where telling takes a switch to another thread and back (PREEMPT_RT), the thread would otherwise
 * get no further. Raw atomic.
 */
void wf_coherence_lost(struct wf_process *p, struct task_struct *task, u32 view)
{
	wf_count(p, hooks_lost);
	if (time_before(jiffies, READ_ONCE(p->lost_next)))
		return;
	WRITE_ONCE(p->lost_next, jiffies + WF_LOST_INTERVAL);
	WRITE_ONCE(p->lost_tid, task_pid_vnr(task));
	WRITE_ONCE(p->lost_view, view);
	irq_work_queue(&p->lost_work);
}
