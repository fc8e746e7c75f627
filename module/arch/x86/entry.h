/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page-table entries of x86-64 as plain 64-bit values: bits, and where the table of an entry is.
 * Kernel-only headers are behind __KERNEL__, so that pgtable.c is also built and tested on a host.
 */
#ifndef WF_ARCH_X86_ENTRY_H
#define WF_ARCH_X86_ENTRY_H

#ifdef __KERNEL__
#include <linux/mm.h>
#include <asm/io.h>
#include <asm/pgtable.h>

#define WF_PRESENT	_PAGE_PRESENT
#define WF_WRITE	_PAGE_RW
#define WF_ACCESSED	_PAGE_ACCESSED
#define WF_DIRTY	_PAGE_DIRTY
#define WF_HUGE		_PAGE_PSE
#define WF_PFN_MASK	PTE_PFN_MASK
#define WF_TABLE_BITS	_PAGE_TABLE

static inline u64 *wf_entry_table(u64 entry)
{
	return __va(entry & WF_PFN_MASK);
}

static inline u64 wf_table_address(const u64 *table)
{
	return __pa(table);
}
#else
#include "pgtable_host.h"
#endif

/* Bits 9-11 and 52-58: ignored by the processor, used by the base in leaves, by a view as below. */
#define WF_SOFT_BITS	((0x7ULL << 9) | (0x7fULL << 52))
#define WF_OVERLAY	(1ULL << 9)	/* in a leaf: the view's own page, present or not */
#define WF_PRIVATE	(1ULL << 10)	/* in another entry: the view's own table */

#define WF_PAT_4K	(1ULL << 7)
#define WF_PAT_HUGE	(1ULL << 12)

#endif
