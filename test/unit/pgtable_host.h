/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's side of module/arch/x86/entry.h on a host: tables are ordinary memory, and their
 * addresses stand for physical ones.
 */
#ifndef PGTABLE_HOST_H
#define PGTABLE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile __typeof__(x) *)&(x) = (value))

#define WF_PRESENT	(1ULL << 0)
#define WF_WRITE	(1ULL << 1)
#define WF_ACCESSED	(1ULL << 5)
#define WF_DIRTY	(1ULL << 6)
#define WF_HUGE		(1ULL << 7)
#define WF_PFN_MASK	0x000ffffffffff000ULL
#define WF_TABLE_BITS	0x67ULL

static inline u64 *wf_entry_table(u64 entry)
{
	return (u64 *)(uintptr_t)(entry & WF_PFN_MASK);
}

static inline u64 wf_table_address(const u64 *table)
{
	return (u64)(uintptr_t)table;
}

#endif
