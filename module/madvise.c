// SPDX-License-Identifier: GPL-2.0
/*
 * madvise() on memory of a process with views. Its effects on pages go through the base and the
 * notifier like any others; what only the advice tells is seen here.
 *
 * Probed is do_madvise(), for io_uring and for process_madvise() where that goes through it, and
 * the system calls, into which compilers copy do_madvise() or its beginning.
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <asm/mmu_context.h>
#include "coherence.h"
#include "compat.h"
#include "hooks.h"
#include "ksym.h"
#include "madvise.h"
#include "overlay.h"
#include "pin.h"

static bool wf_madvise_ages(int advice)
{
	return advice == MADV_COLD || advice == MADV_PAGEOUT;
}

/* Do pages of views go, or come? */
static bool wf_madvise_drops(int advice)
{
	return wf_madvise_is_dontneed(advice) || wf_madvise_is_guard(advice) ||
	       wf_madvise_is_unguard(advice);
}

/* Is there anything to do for views? */
bool wf_madvise_wanted(int advice)
{
	return wf_madvise_ages(advice) || wf_madvise_drops(advice);
}

/* Did the kernel refuse the advice for this mapping, and not go on behind it? */
static bool wf_madvise_stops(struct vm_area_struct *vma, int advice)
{
	unsigned long stop = VM_PFNMAP;

	if (wf_madvise_is_guard(advice))
		stop = VM_SPECIAL | VM_HUGETLB | VM_LOCKED;
	else if (wf_madvise_is_unguard(advice))
		stop = VM_SPECIAL | VM_HUGETLB;
	else if (advice == MADV_DONTNEED)
		stop |= VM_LOCKED;
	if (vma->vm_flags & stop)
		return true;
	/* What is sealed and cannot be written is not discarded, either. */
	return wf_vma_is_sealed(vma) && vma_is_anonymous(vma) && !wf_madvise_is_unguard(advice) &&
	       !(vma->vm_flags & VM_WRITE && arch_vma_access_permitted(vma, true, false, false));
}

/*
 * After MADV_DONTNEED overlays of writable mappings go; pinned ones cannot, they become what the
 * base is now, zeroes or the file's content. In a mapping that cannot be written an overlay is
 * patched code, and stays. Where guard pages are now, nobody has a page; where they were, pinned
 * memory gets its copies again.
 */
static void wf_madvise_view(struct wf_view *view, unsigned long start, unsigned long end,
			    int advice)
{
	struct vm_area_struct *vma;

	for (; start < end; start = vma->vm_end) {
		unsigned long from, to;

		vma = find_vma_intersection(view->process->mm, start, end);
		if (!vma || wf_madvise_stops(vma, advice))
			return;
		from = max(start, vma->vm_start);
		to = min(end, vma->vm_end);
		if (wf_madvise_is_guard(advice))
			wf_overlay_forget(view, from, to);
		else if (!(vma->vm_flags & VM_WRITE) || wf_overlay_check(view->process, vma))
			continue;
		else if (wf_madvise_is_unguard(advice))
			wf_pin_again(view, from, to);
		else
			wf_pin_refresh(view, from, to);
	}
}

/* After MADV_DONTNEED or its like. */
static void wf_madvise_drop(struct wf_process *p, unsigned long start, unsigned long end,
			    int advice)
{
	struct wf_view *view;

	mmap_read_lock(p->mm);
	mutex_lock(&p->mutex);
	list_for_each_entry(view, &p->list, list)
		if (!view->retired)
			wf_madvise_view(view, start, end, advice);
	mutex_unlock(&p->mutex);
	mmap_read_unlock(p->mm);
}

/* Before MADV_COLD or MADV_PAGEOUT: the kernel does this to the base's entries, and asks for ours. */
static void wf_madvise_age(struct wf_process *p, unsigned long start, unsigned long end)
{
	for (; start < end && !fatal_signal_pending(current); start += min(end - start, PMD_SIZE)) {
		wf_young(p, start, start + min(end - start, PMD_SIZE), true);
		cond_resched();
	}
}

/* In place of do_madvise(), for the advices above in a process with views. */
int wf_do_madvise(struct mm_struct *mm, unsigned long start, size_t len, int advice)
{
	unsigned long from = untagged_addr(start), end = from + PAGE_ALIGN(len);
	struct wf_process *p = NULL;
	struct wf_call call;
	int ret;

	wf_call_begin(&call, WF_HOOK_MADVISE);
	if (PAGE_ALIGNED(from) && from < end && end <= TASK_SIZE_MAX)
		p = wf_process_find_get(mm);
	if (p && !wf_madvise_drops(advice))
		wf_madvise_age(p, from, end);
	ret = wf_ksym(do_madvise)(mm, start, len, advice);
	if (p && wf_madvise_drops(advice))
		wf_madvise_drop(p, from, end, advice);
	if (p)
		wf_process_put(p);
	wf_call_end(&call);
	return ret;
}

/* In place of the system call, which does no more than this. */
long wf_sys_madvise(const struct pt_regs *regs)
{
	return wf_do_madvise(current->mm, regs->di, regs->si, regs->dx);
}

/* The same for 32-bit callers. */
long wf_sys_madvise32(const struct pt_regs *regs)
{
	return wf_do_madvise(current->mm, (u32)regs->bx, (u32)regs->cx, regs->dx);
}

/* One range of the caller's array for process_madvise(), false if it cannot be read. */
static bool wf_madvise_range(const void __user *ranges, unsigned long i, bool narrow,
			     struct iovec *range)
{
	if (narrow) {
		struct compat_iovec small;

		if (copy_from_user(&small, ranges + i * sizeof(small), sizeof(small)))
			return false;
		range->iov_base = compat_ptr(small.iov_base);
		range->iov_len = small.iov_len;
		return true;
	}
	return !copy_from_user(range, ranges + i * sizeof(*range), sizeof(*range));
}

/*
 * The ranges of the caller's own memory that process_madvise() works on, @len bytes in all. Who
 * changes the array meanwhile does not know what the advice was for, and neither do we; and if it
 * was for another process, a few of our bits of use are forgotten in vain.
 */
static void wf_madvise_ranges(const void __user *ranges, unsigned long nr, bool narrow, long len,
			      int advice)
{
	struct wf_process *p = wf_process_find_get(current->mm);
	struct iovec range;
	unsigned long i;

	for (i = 0; p && i < min_t(unsigned long, nr, UIO_MAXIOV) && len > 0; i++) {
		unsigned long start, part;

		if (!wf_madvise_range(ranges, i, narrow, &range))
			break;
		start = untagged_addr((unsigned long)range.iov_base);
		part = min_t(unsigned long, range.iov_len, len);
		len -= part;
		if (!PAGE_ALIGNED(start) || start >= TASK_SIZE_MAX || part > TASK_SIZE_MAX - start)
			continue;
		if (wf_madvise_drops(advice))
			wf_madvise_drop(p, start, start + PAGE_ALIGN(part), advice);
		else
			wf_madvise_age(p, start, start + PAGE_ALIGN(part));
	}
	if (p)
		wf_process_put(p);
}

/* In place of the system call. Pages are dropped from the caller's memory only, if at all. */
long wf_sys_process_madvise(const struct pt_regs *regs)
{
	const void __user *ranges = (void __user *)regs->si;
	int advice = regs->r10;
	struct wf_call call;
	long ret;

	wf_call_begin(&call, WF_HOOK_PROCESS_MADVISE);
	if (!wf_madvise_drops(advice))
		wf_madvise_ranges(ranges, regs->dx, false, MAX_RW_COUNT, advice);
	ret = wf_ksym(__x64_sys_process_madvise)(regs);
	if (wf_madvise_drops(advice))
		wf_madvise_ranges(ranges, regs->dx, false, ret, advice);
	wf_call_end(&call);
	return ret;
}

/* The same for 32-bit callers. */
long wf_sys_process_madvise32(const struct pt_regs *regs)
{
	const void __user *ranges = compat_ptr(regs->cx);
	int advice = regs->si;
	struct wf_call call;
	long ret;

	wf_call_begin(&call, WF_HOOK_PROCESS_MADVISE);
	if (!wf_madvise_drops(advice))
		wf_madvise_ranges(ranges, regs->dx, true, MAX_RW_COUNT, advice);
	ret = wf_ksym(__ia32_sys_process_madvise)(regs);
	if (wf_madvise_drops(advice))
		wf_madvise_ranges(ranges, regs->dx, true, ret, advice);
	wf_call_end(&call);
	return ret;
}
