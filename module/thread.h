/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which thread is in which view. A thread in a view has a record, on the task's own list of
 * preempt notifiers; a thread in the base has none.
 */
#ifndef WF_THREAD_H
#define WF_THREAD_H

#include <linux/preempt.h>
#include "compat.h"
#include "view.h"

struct wf_thread {
	struct preempt_notifier notifier;
	struct hlist_node node;		/* table by task, RCU */
	struct task_struct *task;
	struct wf_view *view;		/* view lock to write; the thread itself may read it */
	bool in_fault;			/* own: inside our wrapper of handle_mm_fault() */
	struct rcu_head rcu;
};

struct wf_thread *wf_thread_of(struct task_struct *task);
u32 wf_thread_view(struct task_struct *task);
int wf_thread_migrate(struct wf_process *p, u32 view, u32 *previous);
void wf_thread_leave(struct task_struct *task);
void wf_thread_release_all(struct wf_process *p);
struct wf_thread *wf_thread_alloc(void);
void wf_thread_free(struct wf_thread *thread);
void wf_thread_attach(struct wf_thread *thread, struct task_struct *task, struct wf_view *view);
struct mm_struct *wf_thread_carrier(struct task_struct *task);

struct task_struct *wf_copy_process(struct pid *pid, int trace, int node,
				    struct kernel_clone_args *args);
int wf_copy_thread(WF_COPY_THREAD_PARAMETERS);

#endif
