// SPDX-License-Identifier: GPL-2.0
/* A task's state is called __state (from 5.14). */
#include <linux/sched.h>

unsigned int probe(struct task_struct *task);
unsigned int probe(struct task_struct *task)
{
	return READ_ONCE(task->__state);
}
