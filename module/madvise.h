/* SPDX-License-Identifier: GPL-2.0 */
/* madvise() on memory of a process with views. */
#ifndef WF_MADVISE_H
#define WF_MADVISE_H

#include <linux/types.h>

struct mm_struct;
struct pt_regs;

bool wf_madvise_wanted(int advice);
int wf_do_madvise(struct mm_struct *mm, unsigned long start, size_t len, int advice);
long wf_sys_madvise(const struct pt_regs *regs);
long wf_sys_madvise32(const struct pt_regs *regs);
long wf_sys_process_madvise(const struct pt_regs *regs);
long wf_sys_process_madvise32(const struct pt_regs *regs);

#endif
