/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which thread is in which view. A thread in a view has a record, on the task's own list of
 * preempt notifiers; a thread in the base has none, unless a transition is at work on it.
 */
#ifndef WF_THREAD_H
#define WF_THREAD_H

#include <linux/preempt.h>
#include <linux/task_work.h>
#include "compat.h"
#include "quiescent.h"
#include "view.h"

struct wf_thread {
	struct preempt_notifier notifier;	/* on the task's list while in a view */
	struct hlist_node node;		/* table by task, RCU */
	struct list_head list;		/* wf_process.threads; view lock */
	struct task_struct *task;	/* a reference */
	struct wf_process *process;	/* a reference */
	struct wf_view *view;		/* NULL: the base. View lock to write, see wf_thread_set() */
	refcount_t refs;		/* being in the table; a gate that is queued; who looks */
	bool listed;			/* view lock: in the table */
	unsigned int busy;		/* own: at work with the view, not to be moved by others */
	bool in_fault;			/* own: inside our wrapper of handle_mm_fault() */

	/* gate.c */
	struct callback_head gate;
	atomic_t gate_count;		/* odd: it is queued */
	atomic_t taking_back;		/* how many may be taking it off the queue */
	struct wf_look look;		/* view lock to write */
	bool stepping;			/* own and view lock: runs one instruction, see wf_step_begin() */
	bool stepped;			/* own: has run it, and is on its way back */
	bool step_held;			/* own: the hooks are held for the step */
	unsigned int steps;		/* own: in this stay in the turnstile */
	unsigned int steps_max;		/* own: at most */
	struct rcu_head rcu;
};

/* What a change of view has brought about; to be told by wf_thread_tell() without locks. */
struct wf_move {
	struct wf_view *from;
	u32 from_id;
	u32 to_id;
	bool drained;
	bool retire;
};

struct wf_thread *wf_thread_of(struct task_struct *task);
struct wf_thread *wf_thread_hold(void);
void wf_thread_let(struct wf_thread *thread);
u32 wf_thread_view(struct task_struct *task);
pid_t wf_thread_tid(struct task_struct *task);
bool wf_thread_at(struct task_struct *task, u32 view);
struct wf_thread *wf_thread_find(struct task_struct *task);
struct wf_thread *wf_thread_get(struct task_struct *task);
void wf_thread_put(struct wf_thread *thread);
struct wf_thread *wf_thread_make(struct wf_process *p, struct task_struct *task);
bool wf_thread_unlist(struct wf_thread *thread);
void wf_thread_set(struct wf_thread *thread, struct wf_view *to, struct wf_move *move);
void wf_thread_tell(struct wf_process *p, struct task_struct *task, const struct wf_move *move);
void wf_thread_load(struct wf_process *p, struct wf_view *view);
int wf_thread_migrate(struct wf_process *p, u32 view, u32 *previous);
bool wf_thread_leave(struct task_struct *task);
void wf_thread_release_all(struct wf_process *p);
struct wf_thread *wf_thread_alloc(struct wf_process *p);
void wf_thread_attach(struct wf_thread *thread, struct task_struct *task, struct wf_view *view);
struct mm_struct *wf_thread_carrier(struct task_struct *task);

struct task_struct *wf_copy_process(struct pid *pid, int trace, int node,
				    struct kernel_clone_args *args);
int wf_copy_thread(WF_COPY_THREAD_PARAMETERS);

#endif
