/* SPDX-License-Identifier: GPL-2.0 */
/* What perf wants of the address space that is loaded. */
#ifndef WF_ARCH_X86_PERF_H
#define WF_ARCH_X86_PERF_H

#include <linux/types.h>

struct mm_struct;
struct perf_event;

bool wf_nmi_uaccess_okay(void);
bool wf_nmi_uaccess_wanted(void);
void wf_pmu_event_mapped(struct perf_event *event, struct mm_struct *mm);
void wf_pmu_event_unmapped(struct perf_event *event, struct mm_struct *mm);

#endif
