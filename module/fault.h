/* SPDX-License-Identifier: GPL-2.0 */
/* Page faults of threads in views. */
#ifndef WF_FAULT_H
#define WF_FAULT_H

#include <linux/mm_types.h>

struct pt_regs;

vm_fault_t wf_handle_mm_fault(struct vm_area_struct *vma, unsigned long addr, unsigned int flags,
			      struct pt_regs *regs);
int wf_fixup_user_fault(struct mm_struct *mm, unsigned long addr, unsigned int flags,
			bool *unlocked);

#endif
