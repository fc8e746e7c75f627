/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between kernel versions, as a feature macro or a function of one name. No other
 * file asks for a version.
 */
#ifndef WF_COMPAT_H
#define WF_COMPAT_H

#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/smp.h>
#include <linux/version.h>
#include <asm/mmu.h>

/*
 * From 6.6 the notifier has a callback at every TLB flush of the base. Before, some flushes come
 * without one, or long before it (see coherence.c), and a probe on flush_tlb_mm_range() sees them.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define WF_HAVE_SECONDARY_TLBS	1
#endif

/* Kernel threads that work for a process in its address space, but run no code of it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define WF_PF_WORKER	(PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
#define WF_PF_WORKER	(PF_KTHREAD | PF_IO_WORKER)
#else
#define WF_PF_WORKER	PF_KTHREAD
#endif

/* One page of @mm, which need not be the caller's; the mmap lock is held and stays so. */
static inline long wf_get_user_page(struct mm_struct *mm, unsigned long addr, unsigned int flags,
				    struct page **page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL);
#else
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL, NULL);
#endif
}

/* The same; the lock may be given up and is then *locked == 0. Waits for userfaultfd, for one. */
static inline long wf_get_user_page_retry(struct mm_struct *mm, unsigned long addr,
					  unsigned int flags, struct page **page, int *locked)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return get_user_pages_remote(mm, addr, 1, flags, page, locked);
#else
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL, locked);
#endif
}

/* A processor in lazy mode takes the kernel's own page tables. */
static inline void wf_leave_mm(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	leave_mm();
#else
	leave_mm(smp_processor_id());
#endif
}

static inline void wf_vm_flags_set(struct vm_area_struct *vma, unsigned long set,
				   unsigned long clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

#if defined(CONFIG_PAGE_TABLE_ISOLATION) || defined(CONFIG_MITIGATION_PAGE_TABLE_ISOLATION)
#define WF_HAVE_PTI	1
#endif

#endif
