// SPDX-License-Identifier: GPL-2.0
/*
 * The explicit transition: the status page says where threads shall go, each goes by itself at a
 * point of its own choice (wfpatch_quiesce() in the library), and the module tells when all have.
 */
#include <linux/sched/signal.h>
#include "compat.h"
#include "event.h"
#include "thread.h"
#include "transition.h"

int wf_transition_start(struct wf_process *p, u32 view)
{
	unsigned long flags;
	int ret = 0;

	mutex_lock(&p->mutex);
	raw_spin_lock_irqsave(&p->lock, flags);
	if (view && !wf_view_find(p, view)) {
		ret = -ENOENT;
	} else {
		p->target = view;
		p->in_transition = true;
		p->total = 0;
		WRITE_ONCE(p->status->target, view);
		/* A thread that sees the new seq must see the target of it. Never 0. */
		smp_store_release(&p->status->seq, p->status->seq + 1 ?: 1);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	mutex_unlock(&p->mutex);
	if (!ret)
		wf_transition_check(p);
	return ret;
}

/* A view that a transition is going to must not be deleted. Mutex held. */
bool wf_transition_target(struct wf_process *p, u32 view)
{
	unsigned long flags;
	bool target;

	raw_spin_lock_irqsave(&p->lock, flags);
	target = p->in_transition && p->target == view;
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return target;
}

/*
 * Count the threads of the process that will run user code again, and those of them that are not
 * in @target. A thread on its way out does not count: it may not have left its view yet, but it
 * will run nothing there.
 */
static void wf_transition_count(struct wf_process *p, u32 target, unsigned int *total,
				unsigned int *outside)
{
	struct task_struct *group, *task;

	*total = *outside = 0;
	rcu_read_lock();
	for_each_process_thread(group, task) {
		if (READ_ONCE(task->mm) != p->mm || task->flags & (PF_EXITING | WF_PF_WORKER))
			continue;
		++*total;
		if (wf_thread_view(task) != target)
			++*outside;
	}
	rcu_read_unlock();
}

/*
 * Has the transition ended? Called after every change that may end it: a thread that migrated, and
 * one that ends. Walking all tasks is put off while the target's own count shows that some are
 * missing, so that thousands of threads do not each walk over all others.
 */
void wf_transition_check(struct wf_process *p)
{
	struct wfpatch_event event = { .type = WFPATCH_EVENT_DONE };
	unsigned int total, outside;
	struct wf_view *view;
	unsigned long flags;
	bool ended;
	u32 target;

	if (!READ_ONCE(p->in_transition))
		return;
	raw_spin_lock_irqsave(&p->lock, flags);
	target = p->target;
	view = target ? wf_view_find(p, target) : NULL;
	ended = !p->in_transition;
	if (!ended && view && view->nr_threads < p->total && !(current->flags & PF_EXITING)) {
		WRITE_ONCE(p->status->pending, p->total - view->nr_threads);
		ended = true;
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (ended)
		return;

	wf_transition_count(p, target, &total, &outside);
	raw_spin_lock_irqsave(&p->lock, flags);
	if (!p->in_transition || p->target != target) {
		outside = 1;
	} else {
		p->total = total;
		WRITE_ONCE(p->status->pending, outside);
		if (!outside)
			p->in_transition = false;
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (outside)
		return;
	event.view = target;
	event.count = total;
	wf_event_send(p, &event);
}
