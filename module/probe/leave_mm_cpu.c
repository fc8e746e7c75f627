// SPDX-License-Identifier: GPL-2.0
/* leave_mm() is told the processor (to 6.11). */
#include <linux/mm_types.h>
#include <asm/mmu.h>

extern void (*probe)(int cpu);
void (*probe)(int cpu) = leave_mm;
