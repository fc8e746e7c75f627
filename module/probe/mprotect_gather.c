// SPDX-License-Identifier: GPL-2.0
/* mprotect_fixup() takes a gather, and no iterator (5.19 to 6.2). */
#include <linux/mm.h>

extern int (*probe)(struct mmu_gather *tlb, struct vm_area_struct *vma,
		    struct vm_area_struct **prev, unsigned long start, unsigned long end,
		    unsigned long flags);
int (*probe)(struct mmu_gather *tlb, struct vm_area_struct *vma, struct vm_area_struct **prev,
	     unsigned long start, unsigned long end, unsigned long flags) = mprotect_fixup;
