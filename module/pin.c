// SPDX-License-Identifier: GPL-2.0
/*
 * Pinned ranges. A store to pinned memory changes only the view it is made in. So the pages of
 * writable mappings are copied into every view before such a store can be: when the range is
 * pinned, when a view is created, and when a mapping that could not be written becomes writable.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "coherence.h"
#include "hooks.h"
#include "ksym.h"
#include "limits.h"
#include "overlay.h"
#include "pin.h"
#include "turnstile.h"

/* A pinned range, [start, end). The list is sorted, and ranges do not overlap. */
struct wf_pin {
	struct list_head node;
	unsigned long start;
	unsigned long end;
};

/* Pages that are copied at a time. */
#define WF_PIN_BATCH	256UL

/* The first pinned range that ends behind @addr. Mutex held. */
static struct wf_pin *wf_pin_next(struct wf_process *p, unsigned long addr)
{
	struct wf_pin *pin;

	list_for_each_entry(pin, &p->pins, node)
		if (pin->end > addr)
			return pin;
	return NULL;
}

/* Pages of [*addr, end) for @updates, at most @n; without @fresh, those the view has not. */
static unsigned long wf_pin_collect(struct wf_view *view, unsigned long *addr, unsigned long end,
				    struct wf_update *updates, unsigned long n, bool fresh)
{
	struct wf_process *p = view->process;
	unsigned long flags, count = 0, steps = 0;

	raw_spin_lock_irqsave(&p->lock, flags);
	for (; *addr < end && count < n && steps < WF_PIN_BATCH; *addr += PAGE_SIZE, steps++) {
		if (!fresh && wf_overlay_find(view, *addr))
			continue;
		updates[count].addr = *addr;
		updates[count].flags = WF_OVERLAY_PINNED;
		updates[count].fresh = fresh;
		updates[count].optional = true;
		count++;
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return count;
}

/*
 * Copy the base's pages of one mapping's part [start, end) to a view; with @fresh also where the
 * view has pages already. Mmap lock and mutex held.
 */
static int wf_pin_copy(struct wf_view *view, unsigned long start, unsigned long end, bool fresh)
{
	unsigned long addr = start;
	int ret = 0;

	while (addr < end && !ret) {
		unsigned long n = min((end - addr) >> PAGE_SHIFT, WF_PIN_BATCH), count;
		struct wf_update *updates = wf_updates_alloc(n, false);

		if (!updates)
			return -ENOMEM;
		count = wf_pin_collect(view, &addr, end, updates, n, fresh);
		if (count)
			ret = wf_overlay_update(view, updates, count, NULL, NULL);
		wf_updates_free(updates, n);
	}
	return ret;
}

/* Give one view its copies of the writable private mappings in [start, end). */
static int wf_pin_fill(struct wf_view *view, unsigned long start, unsigned long end)
{
	struct wf_process *p = view->process;
	struct vm_area_struct *vma;
	int ret = 0;

	for (; start < end && !ret; start = vma->vm_end) {
		vma = find_vma_intersection(p->mm, start, end);
		if (!vma)
			break;
		if (!(vma->vm_flags & VM_WRITE) || wf_overlay_check(p, vma))
			continue;
		ret = wf_pin_copy(view, max(start, vma->vm_start), min(end, vma->vm_end),
				  false);
	}
	return ret;
}

/* A new view: all pinned ranges. What it has from its parent stays. Mmap lock and mutex held. */
int wf_pins_fill(struct wf_view *view)
{
	struct wf_process *p = view->process;
	struct wf_pin *pin;
	int ret = 0;

	list_for_each_entry(pin, &p->pins, node) {
		ret = wf_pin_fill(view, pin->start, pin->end);
		if (ret)
			break;
	}
	return ret;
}

void wf_pins_free(struct wf_process *p)
{
	struct wf_pin *pin, *next;

	list_for_each_entry_safe(pin, next, &p->pins, node)
		kfree(pin);
}

/* Give every view its copies. */
static int wf_pin_fill_all(struct wf_process *p, unsigned long start, unsigned long end)
{
	struct wf_view *view;
	int ret = 0;

	list_for_each_entry(view, &p->list, list) {
		if (view->retired)
			continue;
		ret = wf_pin_fill(view, start, end);
		if (ret)
			break;
	}
	return ret;
}

/* Take back the pages that pinning gave, where VIEW_WRITE did not change them. */
static void wf_pin_forget(struct wf_process *p, unsigned long start, unsigned long end)
{
	struct wf_view *view;

	list_for_each_entry(view, &p->list, list)
		wf_overlay_unpin(view, start, end);
}

/* Can the whole range be pinned? Mmap lock held. */
static int wf_pin_check(struct wf_process *p, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	int ret;

	while (start < end) {
		vma = find_vma(p->mm, start);
		if (!vma || vma->vm_start > start)
			return -ENOMEM;
		ret = wf_overlay_check(p, vma);
		if (ret)
			return ret;
		start = vma->vm_end;
	}
	return 0;
}

/* Mutex and mmap lock held. */
static int wf_pin_add(struct wf_process *p, unsigned long start, unsigned long end)
{
	struct wf_pin *next = wf_pin_next(p, start), *pin;
	int ret;

	if (next && next->start < end)
		return -EEXIST;
	/* Stores of threads in a turnstile would be lost. */
	if (wf_turnstile_exists(p, NULL))
		return -EBUSY;
	if (p->nr_pins >= WF_MAX_RANGES || (end - start) >> PAGE_SHIFT > WF_MAX_OVERLAYS)
		return -ENOSPC;
	ret = wf_pin_check(p, start, end);
	if (ret)
		return ret;
	pin = kzalloc(sizeof(*pin), GFP_KERNEL_ACCOUNT);
	if (!pin)
		return -ENOMEM;
	ret = wf_pin_fill_all(p, start, end);
	if (ret) {
		wf_pin_forget(p, start, end);
		kfree(pin);
		return ret;
	}
	pin->start = start;
	pin->end = end;
	list_add_tail(&pin->node, next ? &next->node : &p->pins);
	p->nr_pins++;
	return 0;
}

static int wf_pin_range(unsigned long start, unsigned long len)
{
	if (!len || !PAGE_ALIGNED(start | len) || start + len < start)
		return -EINVAL;
	return start + len > TASK_SIZE_MAX ? -ENOMEM : 0;
}

int wf_pin(struct wf_process *p, unsigned long start, unsigned long len)
{
	int ret = wf_pin_range(start, len);

	if (ret)
		return ret;
	mmap_read_lock(p->mm);
	mutex_lock(&p->mutex);
	ret = wf_pin_add(p, start, start + len);
	mutex_unlock(&p->mutex);
	mmap_read_unlock(p->mm);
	return ret;
}

/* Cut [start, end), which is covered, out of the pinned ranges. @spare is used for a second rest. */
static bool wf_pin_cut(struct wf_process *p, unsigned long start, unsigned long end,
		       struct wf_pin *spare)
{
	struct wf_pin *pin, *next;
	bool used = false;

	list_for_each_entry_safe(pin, next, &p->pins, node) {
		if (pin->end <= start || pin->start >= end)
			continue;
		if (pin->start < start && pin->end > end) {
			spare->start = end;
			spare->end = pin->end;
			pin->end = start;
			list_add(&spare->node, &pin->node);
			p->nr_pins++;
			used = true;
		} else if (pin->start < start) {
			pin->end = start;
		} else if (pin->end > end) {
			pin->start = end;
		} else {
			list_del(&pin->node);
			kfree(pin);
			p->nr_pins--;
		}
	}
	return used;
}

int wf_unpin(struct wf_process *p, unsigned long start, unsigned long len)
{
	unsigned long end = start + len, addr;
	struct wf_pin *spare, *pin;
	int ret = wf_pin_range(start, len);

	if (ret)
		return ret == -ENOMEM ? -ENOENT : ret;
	spare = kzalloc(sizeof(*spare), GFP_KERNEL_ACCOUNT);
	if (!spare)
		return -ENOMEM;
	mutex_lock(&p->mutex);
	for (addr = start; addr < end; addr = pin->end) {
		pin = wf_pin_next(p, addr);
		if (!pin || pin->start > addr) {
			ret = -ENOENT;
			break;
		}
	}
	/* In the middle of one range: it becomes two. */
	pin = wf_pin_next(p, start);
	if (!ret && p->nr_pins >= WF_MAX_RANGES && pin->start < start && pin->end > end)
		ret = -ENOSPC;
	if (!ret) {
		wf_pin_forget(p, start, end);
		if (wf_pin_cut(p, start, end, spare))
			spare = NULL;
	}
	mutex_unlock(&p->mutex);
	kfree(spare);
	return ret;
}

/* The views get their copies of pinned memory that becomes writable. Mmap lock held. */
static int wf_mprotect_copy(struct wf_process *p, unsigned long start, unsigned long end)
{
	struct wf_view *view;
	struct wf_pin *pin;
	int ret = 0;

	mutex_lock(&p->mutex);
	while (!ret && start < end && (pin = wf_pin_next(p, start)) && pin->start < end) {
		unsigned long from = max(start, pin->start), to = min(end, pin->end);

		list_for_each_entry(view, &p->list, list)
			if (!view->retired && !ret)
				ret = wf_pin_copy(view, from, to, false);
		start = to;
	}
	mutex_unlock(&p->mutex);
	/* Of mprotect(2)'s own errors the one that fits: a limit of pages, or no memory. */
	return ret ? -ENOMEM : 0;
}

/*
 * In place of mprotect_fixup(), for a mapping of a process with views. Mmap lock held for writing.
 * Pinned pages are copied before any store to them can be. Afterwards overlays are mapped anew with
 * the new protection; the notifier tells of a change only where the base has page tables.
 */
int wf_mprotect_fixup(WF_MPROTECT_PARAMETERS)
{
	/* Of a sealed mapping it will be refused. */
	bool becomes_writable = flags & VM_WRITE && !(vma->vm_flags & VM_WRITE) &&
				!wf_vma_is_sealed(vma);
	struct wf_process *p;
	struct wf_call call;
	int ret = 0;

	wf_call_begin(&call, WF_HOOK_MPROTECT);
	p = wf_process_find_get(vma->vm_mm);
	if (p && becomes_writable && !wf_overlay_check(p, vma))
		ret = wf_mprotect_copy(p, start, end);
	if (!ret)
		ret = wf_ksym(mprotect_fixup)(WF_MPROTECT_ARGUMENTS);
	if (p) {
		wf_overlay_unmap(p, start, end);
		wf_process_put_later(p);
	}
	wf_call_end(&call);
	return ret;
}

/*
 * A view shows what the base has now in [start, end) of one writable mapping: pinned pages become
 * copies of it, others go. Mmap lock and mutex held.
 */
void wf_pin_refresh(struct wf_view *view, unsigned long start, unsigned long end)
{
	struct wf_process *p = view->process;

	while (start < end) {
		struct wf_pin *pin = wf_pin_next(p, start);
		unsigned long to = pin ? clamp(pin->start, start, end) : end;

		if (start < to) {
			wf_overlay_forget(view, start, to);
			start = to;
			continue;
		}
		to = min(pin->end, end);
		/* Without memory the page is shared from now on, as if it was not pinned. */
		if (wf_pin_copy(view, start, to, true))
			wf_overlay_forget(view, start, to);
		start = to;
	}
}

/*
 * Give the view copies of what it has no page of in the pinned parts of [start, end) of one
 * writable mapping. Without memory the rest is shared, as if it was not pinned. As above.
 */
void wf_pin_again(struct wf_view *view, unsigned long start, unsigned long end)
{
	struct wf_process *p = view->process;
	struct wf_pin *pin;

	while (start < end && (pin = wf_pin_next(p, start)) && pin->start < end) {
		unsigned long to = min(pin->end, end);

		wf_pin_copy(view, max(start, pin->start), to, false);
		start = to;
	}
}
