/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between kernels, as a feature macro or a function of one name. What headers can
 * tell is asked of them (module/probe/), because version numbers lie about kernels with backports;
 * no other file asks for a version.
 */
#ifndef WF_COMPAT_H
#define WF_COMPAT_H

#include <linux/ftrace.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/version.h>
#include <asm/mmu.h>

/*
 * The lines of kernels that the tests run on; see docs/kernels.md. On others the module works if
 * what it looks for at load is there, and says that nobody has tried.
 */
#define WF_LINE(major, minor)	(LINUX_VERSION_CODE >> 8 == KERNEL_VERSION(major, minor, 0) >> 8)
#define WF_TESTED_KERNEL	(WF_LINE(5, 10) || WF_LINE(6, 1) || WF_LINE(6, 12) || WF_LINE(7, 2))

#ifndef WF_HAS_SECONDARY_TLBS
#error "the probes of module/probe did not run; build with the Kbuild file of this tree"
#endif

/* What module/probe cannot ask for, in words. */
#ifndef CONFIG_KPROBES
#error "the kernel needs CONFIG_KPROBES"
#endif
#ifndef CONFIG_KALLSYMS
#error "the kernel needs CONFIG_KALLSYMS"
#endif
#ifndef CONFIG_MMU_NOTIFIER
#error "the kernel needs CONFIG_MMU_NOTIFIER"
#endif
#ifndef CONFIG_PREEMPT_NOTIFIERS
#error "the kernel needs CONFIG_PREEMPT_NOTIFIERS"
#endif
#ifndef CONFIG_DYNAMIC_FTRACE_WITH_REGS
#error "the kernel needs CONFIG_DYNAMIC_FTRACE_WITH_REGS"
#endif

/*
 * What a callback of ftrace gets, and that it may be called without a guard against recursion:
 * before 5.11 that is said by a flag, from then on the guard is asked for by one.
 */
#if WF_HAS_FTRACE_FREGS
#define wf_ftrace_regs(args)	ftrace_get_regs(args)
#define WF_FTRACE_NO_RECURSION	0
#define WF_FTRACE_ARGS		struct ftrace_regs
#else
#define wf_ftrace_regs(args)	(args)
#define WF_FTRACE_NO_RECURSION	FTRACE_OPS_FL_RECURSION_SAFE
#define WF_FTRACE_ARGS		struct pt_regs
#endif

/*
 * Where the notifier has a callback at every TLB flush of the base, it is all that is needed.
 * Elsewhere some flushes come without one, or long before it (see coherence.c), and a hook on
 * flush_tlb_mm_range() sees them.
 */
#define WF_HOOKED_FLUSH	(!WF_HAS_SECONDARY_TLBS)

/* A notifier with that callback must not have callbacks for ranges: those need one of their own. */
#define WF_RANGE_NOTIFIER	WF_HAS_SECONDARY_TLBS

/* What the notifier's questions for accessed bits return: int, later bool. */
#define wf_young_t	typeof(((struct mmu_notifier_ops *)NULL)->clear_young(NULL, NULL, 0, 0))

/* Kernel threads that work for a process in its address space, but run no code of it. */
#if defined(PF_USER_WORKER)
#define WF_PF_WORKER	(PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER)
#elif defined(PF_IO_WORKER)
#define WF_PF_WORKER	(PF_KTHREAD | PF_IO_WORKER)
#else
#define WF_PF_WORKER	PF_KTHREAD
#endif

/* A fault handler's answer after which the mapping must not be looked at. */
#if WF_HAS_FAULT_COMPLETED
#define WF_FAULT_UNLOCKED	(VM_FAULT_RETRY | VM_FAULT_COMPLETED)
#else
#define WF_FAULT_UNLOCKED	VM_FAULT_RETRY
#endif

/*
 * Call a function while a task neither starts nor stops running. It returns whether it has done its
 * work; so does this, and false if the task could not be held. Not for current.
 */
#if WF_HAS_TASK_CALL
#define wf_task_call_t		int
#define wf_task_call(task, function, arg)	wf_ksym(task_call_func)(task, function, arg)
#define WF_TASK_CALL_KSYM(X)							\
	X(int, task_call_func, (struct task_struct *task, task_call_f function, void *arg))
#else
#define wf_task_call_t		bool
#define wf_task_call(task, function, arg)	\
	wf_ksym(try_invoke_on_locked_down_task)(task, function, arg)
#define WF_TASK_CALL_KSYM(X)							\
	X(bool, try_invoke_on_locked_down_task, (struct task_struct *task,	\
		bool (*function)(struct task_struct *t, void *arg), void *arg))
#endif

/* Has the task not been woken for the first time yet? */
static inline bool wf_task_is_new(const struct task_struct *task)
{
#if WF_HAS_TASK_STATE
	return READ_ONCE(task->__state) & TASK_NEW;
#else
	return READ_ONCE(task->state) & TASK_NEW;
#endif
}

/* Mappings of shadow stacks; none where the kernel has no such thing. */
#ifndef VM_SHADOW_STACK
#define VM_SHADOW_STACK		VM_NONE
#endif

/* Advices that not every kernel knows. One that does not refuses them, and nothing happens. */
static inline bool wf_madvise_is_dontneed(int advice)
{
#ifdef MADV_DONTNEED_LOCKED
	if (advice == MADV_DONTNEED_LOCKED)
		return true;
#endif
	return advice == MADV_DONTNEED;
}

static inline bool wf_madvise_is_guard(int advice)
{
#ifdef MADV_GUARD_INSTALL
	return advice == MADV_GUARD_INSTALL;
#else
	return false;
#endif
}

/* May there be pages that guard without a mapping of their own? */
static inline bool wf_madvise_has_guards(void)
{
#ifdef MADV_GUARD_INSTALL
	return true;
#else
	return false;
#endif
}

static inline bool wf_madvise_is_unguard(int advice)
{
#ifdef MADV_GUARD_REMOVE
	return advice == MADV_GUARD_REMOVE;
#else
	return false;
#endif
}

/* A mapping that mseal() protects from the process's own calls. */
static inline bool wf_vma_is_sealed(struct vm_area_struct *vma)
{
#ifdef VM_SEALED
	return vma->vm_flags & VM_SEALED;
#else
	return false;
#endif
}

/*
 * Functions that we stand for and whose parameters vary: the parameters, their names to pass them
 * on, and where a hook finds the one that it looks at.
 */
#if WF_HAS_COPY_THREAD_ARGS
#define WF_COPY_THREAD_PARAMETERS	struct task_struct *task,			\
					const struct kernel_clone_args *args
#define WF_COPY_THREAD_ARGUMENTS	task, args
#define wf_copy_thread_task(regs)	((struct task_struct *)(regs)->di)
#else
#define WF_COPY_THREAD_PARAMETERS	unsigned long clone_flags, unsigned long sp,	\
					unsigned long arg, struct task_struct *task,	\
					unsigned long tls
#define WF_COPY_THREAD_ARGUMENTS	clone_flags, sp, arg, task, tls
#define wf_copy_thread_task(regs)	((struct task_struct *)(regs)->cx)
#endif

#define WF_MPROTECT_COMMON		struct vm_area_struct *vma,			\
					struct vm_area_struct **prev, unsigned long start, \
					unsigned long end, unsigned long flags
#if WF_HAS_MPROTECT_ITERATOR
#define WF_MPROTECT_PARAMETERS		struct vma_iterator *vmi, struct mmu_gather *tlb,	\
					WF_MPROTECT_COMMON
#define WF_MPROTECT_ARGUMENTS		vmi, tlb, vma, prev, start, end, flags
#define wf_mprotect_vma(regs)		((struct vm_area_struct *)(regs)->dx)
#elif WF_HAS_MPROTECT_GATHER
#define WF_MPROTECT_PARAMETERS		struct mmu_gather *tlb, WF_MPROTECT_COMMON
#define WF_MPROTECT_ARGUMENTS		tlb, vma, prev, start, end, flags
#define wf_mprotect_vma(regs)		((struct vm_area_struct *)(regs)->si)
#else
#define WF_MPROTECT_PARAMETERS		WF_MPROTECT_COMMON
#define WF_MPROTECT_ARGUMENTS		vma, prev, start, end, flags
#define wf_mprotect_vma(regs)		((struct vm_area_struct *)(regs)->di)
#endif

/* One page of @mm, which need not be the caller's; the mmap lock is held and stays so. */
static inline long wf_get_user_page(struct mm_struct *mm, unsigned long addr, unsigned int flags,
				    struct page **page)
{
#if WF_HAS_GUP_VMAS
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL, NULL);
#else
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL);
#endif
}

/* The same; the lock may be given up and is then *locked == 0. Waits for userfaultfd, for one. */
static inline long wf_get_user_page_retry(struct mm_struct *mm, unsigned long addr,
					  unsigned int flags, struct page **page, int *locked)
{
#if WF_HAS_GUP_VMAS
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL, locked);
#else
	return get_user_pages_remote(mm, addr, 1, flags, page, locked);
#endif
}

/*
 * May reclaim have changed entries of this mm whose flush it has put off? Where the kernel keeps a
 * flag, it stays set for longer than that.
 */
static inline bool wf_flush_is_batched(struct mm_struct *mm)
{
#ifdef CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH
	if (__same_type(mm->tlb_flush_batched, atomic_t)) {
		/* Generations asked for and done, in halves of one word. */
		int batch = atomic_read((atomic_t *)&mm->tlb_flush_batched);

		return (batch & 0x7fff) != (batch >> 16);
	}
	return READ_ONCE(*(bool *)&mm->tlb_flush_batched);
#else
	return false;
#endif
}

/* The argument of memfd_fcntl(). */
#if WF_HAS_MEMFD_FCNTL_LONG
#define WF_MEMFD_FCNTL_ARG	unsigned long
#else
#define WF_MEMFD_FCNTL_ARG	unsigned int
#endif

/* A processor in lazy mode takes the kernel's own page tables. */
static inline void wf_leave_mm(void)
{
#if WF_HAS_LEAVE_MM_CPU
	leave_mm(smp_processor_id());
#else
	leave_mm();
#endif
}

static inline void wf_vm_flags_set(struct vm_area_struct *vma, unsigned long set,
				   unsigned long clear)
{
#if WF_HAS_VM_FLAGS_MOD
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

#if defined(CONFIG_PAGE_TABLE_ISOLATION) || defined(CONFIG_MITIGATION_PAGE_TABLE_ISOLATION)
#define WF_HAVE_PTI	1
#else
#define WF_HAVE_PTI	0
#endif

#endif
