// SPDX-License-Identifier: GPL-2.0
/*
 * What depends on x86-64: making a carrier, loading it, flushing it. A carrier is never any task's
 * ->mm; the kernel's switch and TLB code sees it as an address space of its own.
 */
#define pr_fmt(fmt) "wfpatch: " fmt

#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <asm/cpufeature.h>
#include <asm/mmu_context.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include "arch/x86/carrier.h"
#include "arch/x86/entry.h"
#include "compat.h"
#include "ksym.h"
#include "pgtable.h"

/* Can this machine have views at all? */
int wf_arch_check(void)
{
	if (boot_cpu_has(X86_FEATURE_XENPV)) {
		pr_err("Xen PV guests are not supported: their page tables belong to the hypervisor\n");
		return -EOPNOTSUPP;
	}
	/*
	 * Erratum 383: an address for which there is a translation of 4 KiB and one of 2 MiB at the same
	 * time stops the machine. Both are there for a moment where a view's path through a huge page is
	 * made, before the flush.
	 */
	if (boot_cpu_has_bug(X86_BUG_AMD_TLB_MMATCH)) {
		pr_err("this processor is not supported: AMD's erratum 383 makes views of huge pages dangerous\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Can this process have views? The LDT is loaded from the mm that is switched to. */
int wf_arch_process_check(struct mm_struct *mm)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	if (READ_ONCE(mm->context.ldt))
		return -EOPNOTSUPP;
#endif
	return 0;
}

/*
 * Nobody writes a descriptor table from here to wf_arch_process_let(): who began before it would
 * have been refused is waited for. Taken before the mmap lock, as the kernel does. Sleeps.
 */
void wf_arch_process_hold(struct mm_struct *mm)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	down_read(&mm->context.ldt_usr_sem);
#endif
}

void wf_arch_process_let(struct mm_struct *mm)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	up_read(&mm->context.ldt_usr_sem);
#endif
}

/* Make a carrier for a view of @mm and describe its empty tables in @pgtable. */
struct mm_struct *wf_carrier_create(struct mm_struct *mm, struct wf_pgtable *pgtable)
{
	struct mm_struct *carrier = wf_ksym(mm_alloc)();

	if (!carrier)
		return NULL;
	pgtable->base = (u64 *)mm->pgd;
	pgtable->view = (u64 *)carrier->pgd;
	pgtable->levels = pgtable_l5_enabled() ? 5 : 4;
#if WF_HAVE_PTI
	if (boot_cpu_has(X86_FEATURE_PTI)) {
		pgtable->base_user = (u64 *)kernel_to_user_pgdp(mm->pgd);
		pgtable->view_user = (u64 *)kernel_to_user_pgdp(carrier->pgd);
		/* As the kernel does: user code must not run on the kernel's half of a root. */
		pgtable->root_bits = __supported_pte_mask & _PAGE_NX;
	}
#endif
#ifdef CONFIG_MEMCG
	/* A task that may end before the carrier; nobody asks who owns it. */
	carrier->owner = NULL;
#endif
#ifdef CONFIG_ADDRESS_MASKING
	/*
	 * Whether addresses have tags is loaded from the mm, too. That stays as it is from now on, as in a
	 * process that has had threads: a program asks for it under the mmap lock, which is held.
	 */
	set_bit(MM_CONTEXT_LOCK_LAM, &mm->context.flags);
	carrier->context.lam_cr3_mask = mm->context.lam_cr3_mask;
	carrier->context.untag_mask = mm->context.untag_mask;
#endif
	wf_carrier_update(carrier, mm);
	return carrier;
}

void wf_carrier_destroy(struct mm_struct *carrier)
{
	mmdrop(carrier);
}

static void wf_carrier_let_go_here(void *carrier)
{
	if (wf_carrier_loaded(carrier))
		wf_leave_mm();
}

/*
 * No thread is in the view any more, and none will be. Processors that went idle or to a kernel
 * thread from there still have its tables loaded, and nothing keeps the carrier for them: they take
 * the kernel's own (invariant 4). A flush is not enough, for a hypervisor may do it in our stead.
 */
void wf_carrier_let_go(struct mm_struct *carrier)
{
	on_each_cpu_mask(mm_cpumask(carrier), wf_carrier_let_go_here, carrier, true);
}

/* @tables: page tables were freed or replaced; then lazy processors are not spared. */
void wf_carrier_flush(struct mm_struct *carrier, unsigned long start, unsigned long end,
		      bool tables)
{
	wf_ksym(flush_tlb_mm_range)(carrier, start, end, PAGE_SHIFT, tables);
}

/* State that the switch code reads from the mm it loads. */
void wf_carrier_update(struct mm_struct *carrier, const struct mm_struct *mm)
{
	int allowed = atomic_read(&mm->context.perf_rdpmc_allowed);

	if (atomic_read(&carrier->context.perf_rdpmc_allowed) != allowed)
		atomic_set(&carrier->context.perf_rdpmc_allowed, allowed);
}

/*
 * Run the current thread on the tables of @mm, its own mm or the carrier of its view. Interrupts
 * are off.
 */
void wf_carrier_load(struct mm_struct *mm)
{
	lockdep_assert_irqs_disabled();
	wf_ksym(switch_mm_irqs_off)(NULL, mm, current);
}

/* Is it @mm's tables that this processor runs on? Preemption is off. */
bool wf_carrier_loaded(const struct mm_struct *mm)
{
	return read_cr3_pa() == __pa(mm->pgd);
}
