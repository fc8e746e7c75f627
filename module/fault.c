// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults of threads in views. At an address that the view shares with the base the kernel's
 * own handler does its work on the base, and the result is derived. At an overlay page it is not
 * asked: the page is there, and a store to one that other views share copies it.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>
#include "arch/x86/carrier.h"
#include "arch/x86/entry.h"
#include "compat.h"
#include "fault.h"
#include "hooks.h"
#include "ksym.h"
#include "overlay.h"
#include "thread.h"
#include "trace.h"

static void wf_fault_sync(struct wf_view *view, unsigned long addr)
{
	struct wf_process *p = view->process;
	unsigned long flags;
	bool changed;

	raw_spin_lock_irqsave(&p->lock, flags);
	changed = wf_pgtable_sync(&view->pgtable, addr);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (changed) {
		wf_count(p, syncs);
		trace_wfpatch_sync(p->mm, p->tgid, view->id, addr);
	}
}

static bool wf_fault_has_overlay(struct wf_view *view, unsigned long addr)
{
	struct wf_process *p = view->process;
	unsigned long flags;
	u64 *leaf;
	bool has;

	raw_spin_lock_irqsave(&p->lock, flags);
	leaf = wf_pgtable_leaf(&view->pgtable, addr);
	has = leaf && READ_ONCE(*leaf) & WF_OVERLAY;
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return has;
}

/* The entry for an overlay page: the mapping's protection; writable after a store only. */
static u64 wf_fault_entry(struct vm_area_struct *vma, struct page *page, bool write)
{
	u64 entry = pte_val(mk_pte(page, vma->vm_page_prot)) & ~(WF_SOFT_BITS | WF_WRITE);

	if (write)
		entry |= WF_WRITE | WF_DIRTY;
	/* A mapping without access has an entry without the present bit, which tells nothing. */
	return entry & WF_PRESENT ? entry | WF_ACCESSED | WF_OVERLAY : WF_OVERLAY;
}

/*
 * A store to an overlay page that another view may have, too. The mutex is held, so the page and
 * its sharers do not change, except that the page may go; the entry is read-only or not present, so
 * its content stands still. Returns with the page the view's own.
 */
static vm_fault_t wf_fault_unshare(struct wf_view *view, unsigned long addr)
{
	struct wf_process *p = view->process;
	struct page *new = alloc_page(GFP_KERNEL_ACCOUNT), *old = NULL;
	struct wf_overlay *overlay;
	unsigned long flags;
	u64 *leaf;

	if (!new)
		return VM_FAULT_OOM;
	raw_spin_lock_irqsave(&p->lock, flags);
	overlay = wf_overlay_find(view, addr);
	if (overlay) {
		old = overlay->page;
		get_page(old);
		leaf = wf_pgtable_leaf(&view->pgtable, addr);
		WRITE_ONCE(*leaf, WF_OVERLAY);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (!old) {
		put_page(new);
		return 0;
	}
	/* No thread of the view must read the old page when another has stored to the new one. */
	wf_carrier_flush(view->carrier, addr, addr + PAGE_SIZE, false);
	copy_highpage(new, old);

	raw_spin_lock_irqsave(&p->lock, flags);
	overlay = wf_overlay_find(view, addr);
	if (overlay)
		swap(overlay->page, new);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	put_page(old);
	put_page(new);
	wf_count(p, cow_copies);
	trace_wfpatch_overlay(p->mm, p->tgid, view->id, addr, WF_TRACE_COPY);
	return 0;
}

/*
 * Map the view's own page at @addr. Sets *@gone instead if there is none any more. The caller's
 * lock of the mapping keeps @vma. Waits for requests that are changing the page.
 */
static vm_fault_t wf_fault_overlay(struct wf_view *view, struct vm_area_struct *vma,
				   unsigned long addr, bool write, bool *gone)
{
	struct wf_process *p = view->process;
	struct wf_overlay *overlay;
	unsigned long flags;
	vm_fault_t ret = 0;
	bool shared = false;

	mutex_lock(&p->mutex);
	raw_spin_lock_irqsave(&p->lock, flags);
	overlay = wf_overlay_find(view, addr);
	if (overlay)
		shared = page_count(overlay->page) != 1;
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (overlay && write && shared)
		ret = wf_fault_unshare(view, addr);

	if (!ret) {
		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = wf_overlay_find(view, addr);
		if (overlay)
			WRITE_ONCE(*wf_pgtable_leaf(&view->pgtable, addr),
				   wf_fault_entry(vma, overlay->page, write));
		else
			*gone = true;
		raw_spin_unlock_irqrestore(&p->lock, flags);
	}
	mutex_unlock(&p->mutex);
	return ret;
}

/*
 * In place of fixup_user_fault(), for a thread in a view: the kernel makes its own memory accessible
 * for an access that must not fault, such as a futex operation, and tries again. The handler worked
 * on the base; unless the view follows, that goes on for ever. The mmap lock is held again.
 */
int wf_fixup_user_fault(struct mm_struct *mm, unsigned long addr, unsigned int flags,
			bool *unlocked)
{
	struct wf_thread *thread = wf_thread_hold();
	struct wf_view *view = thread ? thread->view : NULL;
	unsigned long page = addr & PAGE_MASK;
	struct vm_area_struct *vma;
	struct wf_call call;
	bool gone = false;
	int ret;

	wf_call_begin(&call, WF_HOOK_FIXUP);
	ret = wf_ksym(fixup_user_fault)(mm, addr, flags, unlocked);
	if (!ret && view) {
		vma = find_vma(mm, addr);
		if (!vma || vma->vm_start > addr || !wf_fault_has_overlay(view, page))
			wf_fault_sync(view, page);
		else if (wf_fault_overlay(view, vma, page, flags & FAULT_FLAG_WRITE, &gone))
			ret = -ENOMEM;
	}
	wf_thread_let(thread);
	wf_call_end(&call);
	return ret;
}

/*
 * In place of handle_mm_fault(), for a fault of the processor in a thread of a view. Where the
 * kernel's handler gave the locks up (WF_FAULT_UNLOCKED), @vma is gone.
 */
vm_fault_t wf_handle_mm_fault(struct vm_area_struct *vma, unsigned long addr, unsigned int flags,
			      struct pt_regs *regs)
{
	struct wf_thread *thread = wf_thread_hold();
	unsigned long page = addr & PAGE_MASK;
	bool gone = false, done = false;
	struct wf_view *view;
	vm_fault_t ret = 0;

	wf_wrapper_enter();
	/* It has been moved to the base since the hook. */
	if (!thread) {
		ret = handle_mm_fault(vma, addr, flags, regs);
		wf_wrapper_exit();
		return ret;
	}
	view = thread->view;
	thread->in_fault = true;
	wf_count(view->process, faults);

	/* Who watches faults of this mapping is asked first, overlay or not. */
	if (!wf_fault_has_overlay(view, page) || userfaultfd_armed(vma)) {
		ret = handle_mm_fault(vma, addr, flags, regs);
		done = ret & (WF_FAULT_UNLOCKED | VM_FAULT_ERROR);
		if (!(ret & (VM_FAULT_RETRY | VM_FAULT_ERROR)))
			wf_fault_sync(view, page);
	}
	if (!done && wf_fault_has_overlay(view, page)) {
		/* As in the kernel's handler: a wait may be what touched the page. */
		__set_current_state(TASK_RUNNING);
		count_vm_event(PGFAULT);
		ret |= wf_fault_overlay(view, vma, page, flags & FAULT_FLAG_WRITE, &gone);
		/* Unmapped from under us by the OOM reaper: nothing to return to. */
		if (gone)
			wf_fault_sync(view, page);
	}

	thread->in_fault = false;
	wf_thread_let(thread);
	wf_wrapper_exit();
	return ret;
}
