// SPDX-License-Identifier: GPL-2.0
/*
 * What perf wants of the address space that is loaded: may an interrupt read the current thread's
 * memory, and may the thread read performance counters itself.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include "arch/x86/carrier.h"
#include "arch/x86/perf.h"
#include "hooks.h"
#include "ksym.h"
#include "thread.h"

/*
 * Is the current thread in a view whose tables are loaded? Any context, NMI included. Seen is what
 * the processor uses, not what the kernel believes, so a switch that is under way does no harm.
 */
bool wf_nmi_uaccess_wanted(void)
{
	struct mm_struct *carrier = current->mm ? wf_thread_carrier(current) : NULL;

	return carrier && wf_carrier_loaded(carrier);
}

/*
 * In place of nmi_uaccess_okay(), which compares current->mm with what is loaded and would refuse:
 * the thread's memory is that of its view, and the view is loaded.
 */
bool wf_nmi_uaccess_okay(void)
{
	return true;
}

static void wf_update_pce(void *unused)
{
	wf_ksym(cr4_update_pce)(NULL);
}

/*
 * The permission to read counters changed in the base, and on the processors that have the base
 * loaded. Those that have a view loaded follow.
 */
static void wf_rdpmc_changed(struct mm_struct *mm)
{
	struct wf_process *p;
	struct wf_view *view;

	rcu_read_lock();
	p = wf_process_find(mm);
	if (p) {
		list_for_each_entry_rcu(view, &p->list, list) {
			wf_carrier_update(view->carrier, mm);
			on_each_cpu_mask(mm_cpumask(view->carrier), wf_update_pce, NULL, true);
		}
	}
	rcu_read_unlock();
}

void wf_pmu_event_mapped(struct perf_event *event, struct mm_struct *mm)
{
	struct wf_call call;

	wf_call_begin(&call, WF_HOOK_PMU_MAPPED);
	wf_ksym(x86_pmu_event_mapped)(event, mm);
	wf_rdpmc_changed(mm);
	wf_call_end(&call);
}

void wf_pmu_event_unmapped(struct perf_event *event, struct mm_struct *mm)
{
	struct wf_call call;

	wf_call_begin(&call, WF_HOOK_PMU_UNMAPPED);
	wf_ksym(x86_pmu_event_unmapped)(event, mm);
	wf_rdpmc_changed(mm);
	wf_call_end(&call);
}
