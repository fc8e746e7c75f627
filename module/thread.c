// SPDX-License-Identifier: GPL-2.0
/*
 * Which thread is in which view, and how it goes from one to another.
 *
 * A thread's record is found on task->preempt_notifiers, which costs other tasks nothing. That list
 * is changed by the task itself, by its creator before it first runs, or by who holds it off its
 * processor (wf_task_call(), see gate.c). The notifier's callback at every switch-in is the
 * self-check that keeps invariant 5: the processor must have the view's tables loaded, or a hook
 * did not run.
 *
 * While a thread sleeps, a transition may change its view, and free the one that it was in. Who works
 * with the current thread's view and may sleep, or be preempted, holds it: wf_thread_hold().
 */
#define pr_fmt(fmt) "wfpatch: " fmt

#include <linux/hashtable.h>
#include <linux/irq_work.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include "arch/x86/carrier.h"
#include "coherence.h"
#include "event.h"
#include "gate.h"
#include "thread.h"
#include "trace.h"
#include "transition.h"
#include "turnstile.h"

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

	return thread && thread->process->mm == task->mm ? thread->view->carrier : NULL;
}

/* The current thread's record, and nobody else moves it until wf_thread_let(). NULL: in the base. */
struct wf_thread *wf_thread_hold(void)
{
	struct wf_thread *thread;

	/* Who moves it does so when it does not run. */
	preempt_disable();
	thread = wf_thread_of(current);
	if (thread)
		thread->busy++;
	preempt_enable();
	return thread;
}

void wf_thread_let(struct wf_thread *thread)
{
	if (thread)
		thread->busy--;
}

/* Any task's record, also one in the base. Under RCU or wf_threads_lock. */
struct wf_thread *wf_thread_find(struct task_struct *task)
{
	struct wf_thread *thread;

	hash_for_each_possible_rcu(wf_threads, thread, node, (unsigned long)task,
				   lockdep_is_held(&wf_threads_lock))
		if (thread->task == task)
			return thread;
	return NULL;
}

/* The same with a reference. */
struct wf_thread *wf_thread_get(struct task_struct *task)
{
	struct wf_thread *thread;

	rcu_read_lock();
	thread = wf_thread_find(task);
	if (thread && !refcount_inc_not_zero(&thread->refs))
		thread = NULL;
	rcu_read_unlock();
	return thread;
}

/* The view that any task is in, as others know it: a turnstile passes for what it is made of. Under RCU. */
u32 wf_thread_view(struct task_struct *task)
{
	struct wf_thread *thread = wf_thread_find(task);

	return thread ? wf_view_id(READ_ONCE(thread->view)) : 0;
}

/* Is it in that view, and not in a turnstile made of it? Under RCU. */
bool wf_thread_at(struct task_struct *task, u32 id)
{
	struct wf_thread *thread = wf_thread_find(task);

	return wf_view_is(thread ? READ_ONCE(thread->view) : NULL, id);
}

/* Interrupts on, preemption off: just switched in. */
static void wf_thread_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct wf_thread *thread = container_of(notifier, struct wf_thread, notifier);
	struct mm_struct *carrier = thread->view->carrier;
	unsigned long flags;

	if (likely(wf_carrier_loaded(carrier)) || thread->process->mm != current->mm)
		return;
	local_irq_save(flags);
	wf_carrier_load(carrier);
	local_irq_restore(flags);
	wf_coherence_lost(thread->process, thread->task, thread->view->id);
}

static void wf_thread_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
}

static struct preempt_ops wf_thread_ops = {
	.sched_in = wf_thread_sched_in,
	.sched_out = wf_thread_sched_out,
};

/* A record, not in the table yet. The caller has a reference to the process. Sleeps. */
struct wf_thread *wf_thread_alloc(struct wf_process *p)
{
	struct wf_thread *thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);

	if (!thread)
		return NULL;
	preempt_notifier_init(&thread->notifier, &wf_thread_ops);
	INIT_LIST_HEAD(&thread->list);
	refcount_set(&thread->refs, 1);
	wf_gate_init(thread);
	wf_process_get(p);
	thread->process = p;
	return thread;
}

/* Others may look at the record under RCU, or be in its notifier. */
void wf_thread_put(struct wf_thread *thread)
{
	if (!thread || !refcount_dec_and_test(&thread->refs))
		return;
	if (thread->task)
		put_task_struct(thread->task);
	/* The caller may hold anything. */
	wf_process_put_later(thread->process);
	kfree_rcu(thread, rcu);
}

/* View lock held. The table's reference is the one that the record was made with. */
static void wf_thread_list(struct wf_thread *thread, struct task_struct *task)
{
	lockdep_assert_held(&thread->process->lock);
	thread->task = get_task_struct(task);
	thread->listed = true;
	list_add(&thread->list, &thread->process->threads);
	thread->process->nr_records++;
	raw_spin_lock(&wf_threads_lock);
	hash_add_rcu(wf_threads, &thread->node, (unsigned long)task);
	raw_spin_unlock(&wf_threads_lock);
}

/*
 * Take a record that is in no view out of the table, and that is not needed for the end of a single step.
 * Returns whether it was taken; then the caller drops the table's reference. View lock held.
 */
bool wf_thread_unlist(struct wf_thread *thread)
{
	lockdep_assert_held(&thread->process->lock);
	if (!thread->listed || thread->view || thread->stepping)
		return false;
	thread->listed = false;
	list_del_init(&thread->list);
	thread->process->nr_records--;
	raw_spin_lock(&wf_threads_lock);
	hash_del_rcu(&thread->node);
	raw_spin_unlock(&wf_threads_lock);
	return true;
}

/* The record of @task, which may be in the base, with a reference; made if there is none. Sleeps. */
struct wf_thread *wf_thread_make(struct wf_process *p, struct task_struct *task)
{
	struct wf_thread *thread = wf_thread_get(task), *new;
	unsigned long flags;

	if (thread)
		return thread;
	new = wf_thread_alloc(p);
	if (!new)
		return NULL;
	raw_spin_lock_irqsave(&p->lock, flags);
	thread = wf_thread_get(task);
	if (!thread) {
		wf_thread_list(new, task);
		refcount_inc(&new->refs);
		thread = new;
		new = NULL;
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	wf_thread_put(new);
	return thread;
}

/*
 * Change a record that is in the table. The task is current with interrupts off, has not run yet, or
 * is held off its processor. View lock held. The caller tells of it afterwards.
 */
void wf_thread_set(struct wf_thread *thread, struct wf_view *to, struct wf_move *move)
{
	struct wf_view *from = thread->view;

	lockdep_assert_held(&thread->process->lock);
	*move = (struct wf_move){
		.from = from, .from_id = wf_view_id(from), .to_id = wf_view_id(to),
	};
	if (to)
		wf_view_enter(to);
	if (from) {
		move->retire = wf_view_leave(from);
		move->drained = !from->nr_threads && !from->turnstile;
	}
	WRITE_ONCE(thread->view, to);
	if (to && !from)
		hlist_add_head_rcu(&thread->notifier.link, &thread->task->preempt_notifiers);
	if (!to && from)
		hlist_del_rcu(&thread->notifier.link);
}

/* Run the current thread on the tables of @view, NULL for the base. Interrupts are off. */
void wf_thread_load(struct wf_process *p, struct wf_view *view)
{
	if (view)
		wf_carrier_update(view->carrier, p->mm);
	wf_carrier_load(view ? view->carrier : current->mm);
}

/* A new task, which has not run yet, starts in its creator's view. */
void wf_thread_attach(struct wf_thread *thread, struct task_struct *task, struct wf_view *view)
{
	struct wf_process *p = view->process;
	struct wf_move move;
	unsigned long flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	wf_thread_list(thread, task);
	wf_thread_set(thread, view, &move);
	raw_spin_unlock_irqrestore(&p->lock, flags);
}

/* As its own gettid() says; 0 if it has ended. */
pid_t wf_thread_tid(struct task_struct *task)
{
	pid_t tid;

	rcu_read_lock();
	tid = task_pid_nr_ns(task, task_active_pid_ns(task));
	rcu_read_unlock();
	return tid;
}

/* Tell of a thread that changed its view. To a turnstile and back is nobody's business. */
void wf_thread_tell(struct wf_process *p, struct task_struct *task, const struct wf_move *move)
{
	struct wfpatch_event event = {
		.type = WFPATCH_EVENT_MIGRATED,
		.view = move->to_id,
		.previous = move->from_id,
		.tid = wf_thread_tid(task),
	};

	if (move->from_id != move->to_id) {
		wf_count(p, migrations);
		trace_wfpatch_migrate(p->mm, p->tgid, task_pid_nr(task), move->from_id,
				      move->to_id);
		wf_event_send(p, &event);
	}
	if (move->drained) {
		event.type = WFPATCH_EVENT_DRAINED;
		event.view = move->from_id;
		event.previous = 0;
		wf_event_send(p, &event);
	}
	if (move->retire)
		wf_view_retire(move->from);
}

/* A view that threads may go to by themselves. View lock held. */
static int wf_thread_may_go(struct wf_process *p, struct wf_view *from, u32 id,
			    struct wf_view **to)
{
	*to = NULL;
	/* Until it is the base, nobody leaves a view that is being made the base. */
	if (from && from->committing)
		return -EBUSY;
	if (!id)
		return 0;
	*to = wf_view_find(p, id);
	if (!*to || (*to)->deleted)
		return -ENOENT;
	return wf_arch_process_check(p->mm);
}

/*
 * Move the calling thread to view @id. Interrupts stay off from the change of the record until the
 * tables are loaded, so that the two never disagree where user code runs.
 */
static int wf_thread_move(struct wf_process *p, u32 id, u32 *previous, bool leaving)
{
	struct wf_thread *thread;
	struct wf_view *to = NULL;
	struct wf_move move;
	unsigned long flags;
	bool unlisted;
	int ret = 0;

	thread = wf_thread_get(current);
	/* A leftover of another address space: see wf_thread_release_all(). */
	if (thread && thread->process != p) {
		wf_thread_put(thread);
		wf_thread_leave(current);
		thread = NULL;
	}
	*previous = 0;
	if (!thread && !id)
		return 0;
	if (!thread)
		thread = wf_thread_make(p, current);
	if (!thread)
		return -ENOMEM;

	raw_spin_lock_irqsave(&p->lock, flags);
	*previous = wf_view_id(thread->view);
	if (leaving)
		thread->stepping = false;
	else
		ret = wf_thread_may_go(p, thread->view, id, &to);
	if (!ret && thread->view != to) {
		wf_thread_set(thread, to, &move);
		/* The lock is raw and interrupts stay off. */
		raw_spin_unlock(&p->lock);
		wf_thread_load(p, to);
		raw_spin_lock(&p->lock);
	} else {
		move = (struct wf_move){ };
	}
	/* In a transition it stays for its gate, unless the thread does not come back. */
	unlisted = (leaving || !p->plan) && wf_thread_unlist(thread);
	raw_spin_unlock_irqrestore(&p->lock, flags);

	if (leaving)
		wf_step_forget(thread);
	if (unlisted)
		wf_thread_put(thread);
	wf_thread_put(thread);
	if (!ret) {
		wf_thread_tell(p, current, &move);
		if (move.from_id != move.to_id || leaving)
			wf_transition_check(p, leaving);
	}
	return ret;
}

int wf_thread_migrate(struct wf_process *p, u32 id, u32 *previous)
{
	return wf_thread_move(p, id, previous, false);
}

/*
 * The current task ends or calls exec: it goes to the base and is not seen again. False if it has no
 * record.
 */
bool wf_thread_leave(struct task_struct *task)
{
	struct wf_thread *thread = wf_thread_get(task);
	struct wf_process *p;
	u32 previous;

	if (!thread)
		return false;
	p = thread->process;
	/* The record's reference may be the process's last. */
	wf_process_get(p);
	wf_thread_put(thread);
	wf_thread_move(p, 0, &previous, true);
	wf_process_put(p);
	return true;
}

/*
 * The address space ends. Threads left their views when they ended, unless a hook did not run; what
 * they left is cleared away here. Such a task runs no user code of this address space, and nobody
 * but its own switch-in looks at its list of notifiers.
 */
void wf_thread_release_all(struct wf_process *p)
{
	struct wf_thread *thread;
	struct wf_move move;
	unsigned long flags;

	for (;;) {
		move = (struct wf_move){ };
		raw_spin_lock_irqsave(&p->lock, flags);
		thread = list_first_entry_or_null(&p->threads, struct wf_thread, list);
		if (thread) {
			if (thread->view)
				wf_thread_set(thread, NULL, &move);
			thread->stepping = false;
			wf_thread_unlist(thread);
		}
		raw_spin_unlock_irqrestore(&p->lock, flags);
		if (!thread)
			break;
		wf_step_forget(thread);
		if (move.from)
			wf_coherence_lost(p, thread->task, move.from_id);
		if (move.retire)
			wf_view_retire(move.from);
		wf_thread_put(thread);
	}
}
