// SPDX-License-Identifier: GPL-2.0
/*
 * Which thread is in which view, and how it goes from one to another.
 *
 * A thread's record is found on task->preempt_notifiers, which only the task itself changes (or its
 * creator before it first runs), and which costs other tasks nothing. The notifier's callback at
 * every switch-in is the self-check that keeps invariant 5: the processor must have the view's
 * tables loaded, or a hook did not run.
 */
#define pr_fmt(fmt) "wfpatch: " fmt

#include <linux/hashtable.h>
#include <linux/irq_work.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include "arch/x86/carrier.h"
#include "coherence.h"
#include "event.h"
#include "thread.h"
#include "trace.h"
#include "transition.h"

static DEFINE_HASHTABLE(wf_threads, 10);	/* by task */
static DEFINE_RAW_SPINLOCK(wf_threads_lock);

static struct preempt_ops wf_thread_ops;

/*
 * The record of a task, NULL if it is in the base. For current, a task that is being switched to,
 * or one that has not run yet.
 */
struct wf_thread *wf_thread_of(struct task_struct *task)
{
	struct preempt_notifier *notifier;

	hlist_for_each_entry(notifier, &task->preempt_notifiers, link)
		if (notifier->ops == &wf_thread_ops)
			return container_of(notifier, struct wf_thread, notifier);
	return NULL;
}

/*
 * The tables that a task shall run on in place of its mm's; NULL for the base. As above. A record
 * of another mm is a leftover: see wf_thread_release_all().
 */
struct mm_struct *wf_thread_carrier(struct task_struct *task)
{
	struct wf_thread *thread = wf_thread_of(task);

	return thread && thread->view->process->mm == task->mm ? thread->view->carrier : NULL;
}

/* The view that any task is in. Under RCU. */
u32 wf_thread_view(struct task_struct *task)
{
	struct wf_thread *thread;

	hash_for_each_possible_rcu(wf_threads, thread, node, (unsigned long)task)
		if (thread->task == task)
			return READ_ONCE(thread->view)->id;
	return 0;
}

/* Interrupts on, preemption off: just switched in. */
static void wf_thread_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct wf_thread *thread = container_of(notifier, struct wf_thread, notifier);
	struct mm_struct *carrier = thread->view->carrier;
	unsigned long flags;

	if (likely(wf_carrier_loaded(carrier)) || thread->view->process->mm != current->mm)
		return;
	local_irq_save(flags);
	wf_carrier_load(carrier);
	local_irq_restore(flags);
	wf_coherence_lost(thread->view->process, thread->task, thread->view->id);
}

static void wf_thread_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
}

static struct preempt_ops wf_thread_ops = {
	.sched_in = wf_thread_sched_in,
	.sched_out = wf_thread_sched_out,
};

/* Sleeps: for requests and for the wrapper of copy_process(). */
struct wf_thread *wf_thread_alloc(void)
{
	struct wf_thread *thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);

	if (thread)
		preempt_notifier_init(&thread->notifier, &wf_thread_ops);
	return thread;
}

void wf_thread_free(struct wf_thread *thread)
{
	kfree(thread);
}

/* Interrupts off; @task is current or has not run yet, and @view has been entered for it. */
static void wf_thread_hook(struct wf_thread *thread, struct task_struct *task,
			   struct wf_view *view)
{
	thread->task = get_task_struct(task);
	WRITE_ONCE(thread->view, view);
	hlist_add_head(&thread->notifier.link, &task->preempt_notifiers);
	raw_spin_lock(&wf_threads_lock);
	hash_add_rcu(wf_threads, &thread->node, (unsigned long)task);
	raw_spin_unlock(&wf_threads_lock);
}

static void wf_thread_unhook(struct wf_thread *thread)
{
	hlist_del_rcu(&thread->notifier.link);
	raw_spin_lock(&wf_threads_lock);
	hash_del_rcu(&thread->node);
	raw_spin_unlock(&wf_threads_lock);
}

/* After wf_thread_unhook(). Others may look at the record under RCU, or be in its notifier. */
static void wf_thread_drop(struct wf_thread *thread)
{
	put_task_struct(thread->task);
	kfree_rcu(thread, rcu);
}

/* A new task, which has not run yet, starts in its creator's view. */
void wf_thread_attach(struct wf_thread *thread, struct task_struct *task, struct wf_view *view)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&view->process->lock, flags);
	wf_view_enter(view);
	wf_thread_hook(thread, task, view);
	raw_spin_unlock_irqrestore(&view->process->lock, flags);
}

/* Tell of a thread that changed its view; @retire: @previous is empty and deleted. */
static void wf_thread_moved(struct wf_process *p, struct wf_view *previous, u32 from, u32 to,
			    bool drained, bool retire, bool leaving)
{
	struct wfpatch_event event = {
		.type = WFPATCH_EVENT_MIGRATED,
		.view = to,
		.previous = from,
		.tid = task_pid_vnr(current),
	};

	wf_count(p, migrations);
	trace_wfpatch_migrate(p->mm, from, to);
	wf_event_send(p, &event);
	if (drained) {
		event.type = WFPATCH_EVENT_DRAINED;
		event.view = from;
		event.previous = 0;
		wf_event_send(p, &event);
	}
	if (retire)
		wf_view_retire(previous);
	wf_transition_check(p, leaving);
}

/*
 * Move the calling thread to view @id. Interrupts stay off from the change of the record until the
 * tables are loaded, so that the two never disagree where user code runs.
 */
static int wf_thread_move(struct wf_process *p, u32 id, u32 *previous, bool leaving)
{
	struct wf_thread *thread = wf_thread_of(current), *new = NULL;
	struct wf_view *from, *to = NULL;
	bool drained = false, retire = false;
	unsigned long flags;
	u32 from_id;
	int ret;

	/* A leftover of another address space: see wf_thread_release_all(). */
	if (thread && thread->view->process != p) {
		wf_thread_leave(current);
		thread = NULL;
	}
	from = thread ? thread->view : NULL;
	from_id = from ? from->id : 0;
	*previous = from_id;
	if (id == from_id)
		return 0;
	if (!thread) {
		new = wf_thread_alloc();
		if (!new)
			return -ENOMEM;
	}

	raw_spin_lock_irqsave(&p->lock, flags);
	if (id) {
		to = wf_view_find(p, id);
		ret = !to || to->deleted ? -ENOENT : wf_arch_process_check(p->mm);
		if (ret) {
			raw_spin_unlock_irqrestore(&p->lock, flags);
			wf_thread_free(new);
			return ret;
		}
		wf_view_enter(to);
	}
	if (from) {
		retire = wf_view_leave(from);
		drained = !from->nr_threads;
	}
	if (!to)
		wf_thread_unhook(thread);
	else if (new)
		wf_thread_hook(new, current, to);
	else
		WRITE_ONCE(thread->view, to);
	/* The lock is raw and interrupts stay off. */
	raw_spin_unlock(&p->lock);
	if (to)
		wf_carrier_update(to->carrier, p->mm);
	wf_carrier_load(to ? to->carrier : current->mm);
	local_irq_restore(flags);

	if (!to)
		wf_thread_drop(thread);
	wf_thread_moved(p, from, from_id, id, drained, retire, leaving);
	return 0;
}

int wf_thread_migrate(struct wf_process *p, u32 id, u32 *previous)
{
	return wf_thread_move(p, id, previous, false);
}

/* The current task ends or calls exec: it goes to the base and is not seen again. */
void wf_thread_leave(struct task_struct *task)
{
	struct wf_thread *thread = wf_thread_of(task);
	struct wf_process *p = thread->view->process;
	u32 previous;

	/* The view's reference may be the process's last. */
	wf_process_get(p);
	wf_thread_move(p, 0, &previous, true);
	wf_process_put(p);
}

/* A record of @p, taken out of the table and the view; NULL if there is none. */
static struct wf_thread *wf_thread_release_one(struct wf_process *p, bool *retire)
{
	struct wf_thread *thread, *found = NULL;
	unsigned long flags;
	int bucket;

	raw_spin_lock_irqsave(&p->lock, flags);
	raw_spin_lock(&wf_threads_lock);
	hash_for_each(wf_threads, bucket, thread, node) {
		if (thread->view->process == p) {
			found = thread;
			break;
		}
	}
	raw_spin_unlock(&wf_threads_lock);
	if (found) {
		wf_thread_unhook(found);
		*retire = wf_view_leave(found->view);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return found;
}

/*
 * The address space ends. Threads left their views when they ended, unless a hook did
 * not run; what they left is cleared away here. Such a task runs no user code of this
 * address space, and nobody but its own switch-in looks at its list of notifiers.
 */
void wf_thread_release_all(struct wf_process *p)
{
	struct wf_thread *thread;
	bool retire;

	while ((thread = wf_thread_release_one(p, &retire))) {
		wf_coherence_lost(p, thread->task, thread->view->id);
		if (retire)
			wf_view_retire(thread->view);
		wf_thread_drop(thread);
	}
}
