// SPDX-License-Identifier: GPL-2.0
/* copy_thread() takes the arguments of clone in a structure (5.19). */
#include <linux/sched/task.h>

extern int (*probe)(struct task_struct *task, const struct kernel_clone_args *args);
int (*probe)(struct task_struct *task, const struct kernel_clone_args *args) = copy_thread;
