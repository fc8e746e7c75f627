/* SPDX-License-Identifier: GPL-2.0 */
/* Views follow the base. */
#ifndef WF_COHERENCE_H
#define WF_COHERENCE_H

#include <linux/types.h>

struct mm_struct;
struct task_struct;
struct wf_process;

struct wf_process *wf_coherence_begin(struct mm_struct *mm);
void wf_coherence_end(struct wf_process *p);
void wf_invalidate(struct wf_process *p, unsigned long start, unsigned long end, bool tables);
bool wf_young(struct wf_process *p, unsigned long start, unsigned long end, bool clear);
void wf_coherence_lost(struct wf_process *p, struct task_struct *task, u32 view);
void wf_coherence_lost_init(struct wf_process *p);
void wf_flush_tlb_mm_range(struct mm_struct *mm, unsigned long start, unsigned long end,
			   unsigned int shift, bool tables);

#endif
