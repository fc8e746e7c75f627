// SPDX-License-Identifier: GPL-2.0
/* Flags of a mapping are changed by functions only (6.3). */
#include <linux/mm.h>

void probe(struct vm_area_struct *vma);
void probe(struct vm_area_struct *vma)
{
	vm_flags_mod(vma, 0, 0);
}
