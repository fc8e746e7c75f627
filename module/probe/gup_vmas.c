// SPDX-License-Identifier: GPL-2.0
/* get_user_pages_remote() also returns mappings (to 6.4). */
#include <linux/mm.h>

extern long (*probe)(struct mm_struct *mm, unsigned long start, unsigned long nr,
		     unsigned int flags, struct page **pages, struct vm_area_struct **vmas,
		     int *locked);
long (*probe)(struct mm_struct *mm, unsigned long start, unsigned long nr, unsigned int flags,
	      struct page **pages, struct vm_area_struct **vmas, int *locked) =
	get_user_pages_remote;
