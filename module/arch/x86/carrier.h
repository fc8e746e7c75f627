/* SPDX-License-Identifier: GPL-2.0 */
/* The carrier: the mm_struct that carries a view's root through the kernel's TLB code. */
#ifndef WF_ARCH_X86_CARRIER_H
#define WF_ARCH_X86_CARRIER_H

#include <linux/mm_types.h>

struct wf_pgtable;

int wf_arch_check(void);
int wf_arch_process_check(struct mm_struct *mm);
void wf_arch_process_hold(struct mm_struct *mm);
void wf_arch_process_let(struct mm_struct *mm);
struct mm_struct *wf_carrier_create(struct mm_struct *mm, struct wf_pgtable *pgtable);
void wf_carrier_destroy(struct mm_struct *carrier);
void wf_carrier_let_go(struct mm_struct *carrier);
void wf_carrier_flush(struct mm_struct *carrier, unsigned long start, unsigned long end,
		      bool tables);
void wf_carrier_update(struct mm_struct *carrier, const struct mm_struct *mm);
void wf_carrier_load(struct mm_struct *mm);
bool wf_carrier_loaded(const struct mm_struct *mm);

#endif
