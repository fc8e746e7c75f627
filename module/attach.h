/* SPDX-License-Identifier: GPL-2.0 */
/* The process that a handle stands for, if that is not the caller's own. */
#ifndef WF_ATTACH_H
#define WF_ATTACH_H

#include <linux/mm_types.h>
#include <linux/sched.h>

struct wf_process;

/* Whom a request is about, for as long as it lasts. */
struct wf_target {
	struct wf_process *process;
	struct mm_struct *mm;		/* process->mm, with users: it does not end meanwhile */
	struct task_struct *task;	/* one of its threads; it may end */
};

struct pid *wf_attach_pid(int pidfd);
int wf_attach_get(struct pid *pid, struct mm_struct *mm, struct wf_target *target);
void wf_attach_put(struct wf_target *target);

#endif
