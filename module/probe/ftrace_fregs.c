// SPDX-License-Identifier: GPL-2.0
/* A callback of ftrace gets struct ftrace_regs (from 5.11), not struct pt_regs. */
#include <linux/ftrace.h>

extern void (*probe)(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
		     struct ftrace_regs *regs);
void (*probe)(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
	      struct ftrace_regs *regs) = (ftrace_func_t)NULL;
