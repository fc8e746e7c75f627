// SPDX-License-Identifier: GPL-2.0
/* mprotect_fixup() takes an iterator and a gather (6.3). */
#include <linux/mm.h>

extern int (*probe)(struct vma_iterator *vmi, struct mmu_gather *tlb, struct vm_area_struct *vma,
		    struct vm_area_struct **prev, unsigned long start, unsigned long end,
		    unsigned long flags);
int (*probe)(struct vma_iterator *vmi, struct mmu_gather *tlb, struct vm_area_struct *vma,
	     struct vm_area_struct **prev, unsigned long start, unsigned long end,
	     unsigned long flags) = mprotect_fixup;
