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

/* Counting again: at first soon, for an exec takes no longer; not often when nothing comes of it. */
#define WF_RECOUNT_FIRST	(HZ / 20)
#define WF_RECOUNT_MAX		HZ

/* A reference to the process goes with the work. */
static void wf_recount_later(struct wf_process *p, unsigned long delay)
{
	wf_process_get(p);
	if (wf_queue_delayed_work(&p->recount, delay))
		wf_process_put(p);
}

/* The transition has ended; unless the next has begun. The caller has a reference of its own. */
static void wf_recount_cancel(struct wf_process *p)
{
	if (cancel_delayed_work(&p->recount))
		wf_process_put_later(p);
	/* Pairs with the lock under which the next begins, before it queues the work. */
	smp_mb();
	if (READ_ONCE(p->in_transition))
		wf_recount_later(p, WF_RECOUNT_FIRST);
}

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
		/* Not counted yet. */
		WRITE_ONCE(p->status->pending, 1);
		WRITE_ONCE(p->status->target, view);
		/* A thread that sees the new seq must see the target of it. Never 0. */
		smp_store_release(&p->status->seq, p->status->seq + 1 ?: 1);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	mutex_unlock(&p->mutex);
	if (!ret) {
		p->recount_delay = WF_RECOUNT_FIRST;
		wf_recount_later(p, p->recount_delay);
		wf_transition_check(p, false);
	}
	return ret;
}

/* Nobody is left to wait for the transition. Mutex held. */
void wf_transition_stop(struct wf_process *p)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	p->in_transition = false;
	WRITE_ONCE(p->status->pending, 0);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	wf_recount_cancel(p);
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
 * will run nothing there; nor does the current one if it is @leaving for another address space.
 */
static void wf_transition_count(struct wf_process *p, u32 target, bool leaving,
				unsigned int *total, unsigned int *outside)
{
	struct task_struct *group, *task;

	*total = *outside = 0;
	rcu_read_lock();
	for_each_process_thread(group, task) {
		if (READ_ONCE(task->mm) != p->mm || task->flags & (PF_EXITING | WF_PF_WORKER))
			continue;
		if (leaving && task == current)
			continue;
		++*total;
		if (wf_thread_view(task) != target)
			++*outside;
	}
	rcu_read_unlock();
}

/*
 * Do the counts at hand show that threads are missing? Walking all tasks is put off meanwhile, so
 * that thousands of threads do not each walk over all others. View lock held.
 */
static bool wf_transition_is_far(struct wf_process *p)
{
	unsigned int missing = 0;
	struct wf_view *view;

	if (!p->target) {
		list_for_each_entry(view, &p->list, list)
			missing += view->nr_threads;
	} else {
		view = wf_view_find(p, p->target);
		if (view && view->nr_threads < p->total)
			missing = p->total - view->nr_threads;
	}
	if (missing)
		WRITE_ONCE(p->status->pending, missing);
	return missing;
}

/* Count, unless the counts at hand make it needless; @recount: do it all the same. Sleeps. */
static void wf_transition_look(struct wf_process *p, bool leaving, bool recount)
{
	struct wfpatch_event event = { .type = WFPATCH_EVENT_DONE };
	unsigned int total, outside;
	unsigned long flags;
	u32 target, seq;
	bool done;

	if (!READ_ONCE(p->in_transition))
		return;
	/* Counts are taken one after the other: the last one stored is the last one made. */
	mutex_lock(&p->count_mutex);
	raw_spin_lock_irqsave(&p->lock, flags);
	target = p->target;
	seq = p->status->seq;
	done = !p->in_transition || (!leaving && !recount && wf_transition_is_far(p));
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (done)
		goto out;

	wf_transition_count(p, target, leaving, &total, &outside);
	raw_spin_lock_irqsave(&p->lock, flags);
	if (p->in_transition && p->status->seq == seq) {
		p->total = total;
		WRITE_ONCE(p->status->pending, outside);
		if (!outside) {
			p->in_transition = false;
			done = true;
		}
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (done) {
		event.view = target;
		event.count = total;
		wf_event_send(p, &event);
		wf_recount_cancel(p);
	}
out:
	mutex_unlock(&p->count_mutex);
}

/*
 * Has the transition ended? Called after every change that may end it: a thread that migrated or
 * began, and one that ends or calls exec (@leaving). Sleeps.
 */
void wf_transition_check(struct wf_process *p, bool leaving)
{
	wf_transition_look(p, leaving, false);
}

/*
 * No hook tells when a task that calls exec has arrived in its new address space; until then others
 * count it as missing (and it may have been on its way when the transition began). Therefore the
 * count is repeated as long as the transition goes on.
 */
static void wf_transition_recount(struct work_struct *work)
{
	struct wf_process *p = container_of(to_delayed_work(work), struct wf_process, recount);

	wf_transition_look(p, false, true);
	if (READ_ONCE(p->in_transition)) {
		p->recount_delay = min_t(unsigned long, p->recount_delay * 2, WF_RECOUNT_MAX);
		wf_recount_later(p, p->recount_delay);
	}
	wf_process_put(p);
}

void wf_transition_init(struct wf_process *p)
{
	INIT_DELAYED_WORK(&p->recount, wf_transition_recount);
}
