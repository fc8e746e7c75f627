// SPDX-License-Identifier: GPL-2.0
/* task_call_func() (from 5.16), before that try_invoke_on_locked_down_task(). */
#include <linux/sched.h>
#include <linux/wait.h>

task_call_f probe;
