// SPDX-License-Identifier: GPL-2.0
/*
 * Transitions. The explicit one: the status page says where threads shall go, each goes by itself at a
 * point of its own choice (wfpatch_quiesce() in the library), and the module tells when all have. The
 * automatic one: the module moves each thread when that is safe for it, by a plan (gate.c).
 */
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include "compat.h"
#include "event.h"
#include "gate.h"
#include "thread.h"
#include "trace.h"
#include "transition.h"
#include "turnstile.h"

/* Counting again: at first soon, for an exec takes no longer; not often when nothing comes of it. */
#define WF_RECOUNT_FIRST	(HZ / 20)
#define WF_RECOUNT_MAX		HZ

/* A pass of gates that has left threads behind is repeated: at first at once, then ever more rarely. */
#define WF_PASS_FIRST		max(HZ / 100, 1)
#define WF_PASS_MAX		(HZ / 3)

/* A reference to the process goes with the work. */
static void wf_recount_later(struct wf_process *p, unsigned long delay)
{
	wf_process_get(p);
	if (wf_queue_delayed_work(&p->recount, delay))
		wf_process_put_later(p);
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

/* A plan that is not the process's any more. */
static void wf_plan_end(struct wf_plan *plan)
{
	if (!plan)
		return;
	wf_turnstile_end(plan->turnstile);
	wf_plan_put(plan);
}

/* What is about to begin, and that it takes the place of another. Mutex held. */
static void wf_transition_trace(struct wf_process *p, u32 view, const struct wf_plan *plan)
{
	u32 seq = p->status->seq;

	if (READ_ONCE(p->in_transition))
		trace_wfpatch_transition_end(p->mm, p->tgid, p->target, seq, 0, WF_TRACE_CANCELLED);
	trace_wfpatch_transition_begin(p->mm, p->tgid, view, seq + 1 ?: 1,
				       plan ? WFPATCH_TRANSITION_AUTO : 0,
				       plan && plan->spans ? plan->spans->nr : 0);
}

/* View lock held. @plan: or NULL, then threads go by themselves. Returns the plan before. */
static struct wf_plan *wf_transition_set(struct wf_process *p, u32 view, struct wf_plan *plan)
{
	struct wf_plan *old = p->plan;
	u32 seq = p->status->seq + 1 ?: 1;	/* never 0 */

	lockdep_assert_held(&p->lock);
	p->plan = plan;
	if (plan)
		plan->seq = seq;
	p->target = view;
	p->in_transition = true;
	p->total = 0;
	/* Not counted yet. */
	WRITE_ONCE(p->status->pending, 1);
	WRITE_ONCE(p->status->target, view);
	/* A thread that sees the new seq must see the target of it. */
	smp_store_release(&p->status->seq, seq);
	return old;
}

/* What may keep a transition from beginning. Mutex held. */
static int wf_transition_may(struct wf_process *p, u32 view, bool automatic)
{
	if (p->dead)
		return -ESRCH;
	/* Threads are on their way to the base, from where nobody else leads them. */
	if (p->abandoned || (p->plan && p->plan->committed))
		return -EBUSY;
	/* Those in a turnstile do not come out by themselves. */
	if (!automatic && (p->plan || wf_turnstile_exists(p, NULL)))
		return -EBUSY;
	return view && !wf_view_find(p, view) ? -ENOENT : 0;
}

static void wf_transition_run(struct wf_process *p, bool automatic)
{
	p->recount_delay = automatic ? WF_PASS_FIRST : WF_RECOUNT_FIRST;
	wf_recount_later(p, automatic ? 0 : p->recount_delay);
}

static int wf_transition_explicit(struct wf_process *p, u32 view)
{
	unsigned long flags;
	int ret;

	mutex_lock(&p->mutex);
	ret = wf_transition_may(p, view, false);
	if (!ret) {
		wf_transition_trace(p, view, NULL);
		raw_spin_lock_irqsave(&p->lock, flags);
		wf_transition_set(p, view, NULL);
		raw_spin_unlock_irqrestore(&p->lock, flags);
	}
	mutex_unlock(&p->mutex);
	if (!ret) {
		wf_transition_run(p, false);
		wf_transition_check(p, false);
	}
	return ret;
}

/*
 * Begin a plan that has its turnstile, if it shall have one. @spare is what the threads return by if
 * everybody closes his handle; it takes the place of the one before. Mutex held.
 */
static struct wf_plan *wf_plan_begin(struct wf_process *p, struct wf_plan *plan,
				     struct wf_plan **spare)
{
	struct wf_plan *old;
	unsigned long flags;

	swap(p->spare_plan, *spare);
	wf_transition_trace(p, plan->target, plan);
	raw_spin_lock_irqsave(&p->lock, flags);
	old = wf_transition_set(p, plan->target, plan);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return old;
}

/* 32-bit code has stacks of another kind. */
static bool wf_transition_is_compat(struct wf_process *p)
{
	struct task_struct *group, *task;
	bool compat = false;

	rcu_read_lock();
	for_each_process_thread(group, task)
		compat |= READ_ONCE(task->mm) == p->mm && test_tsk_thread_flag(task, TIF_ADDR32);
	rcu_read_unlock();
	return compat;
}

/*
 * Where the threads come from: from the base, or on the way back there from the last target. Only these
 * get a turnstile; threads in other views come over asleep, or at a gate. Mutex held.
 */
static bool wf_transition_source(struct wf_process *p, u32 target, u32 *source)
{
	*source = target ? WFPATCH_BASE_VIEW : p->target;
	return *source != target;
}

/* Only where all threads are in the base and nobody can lead one away is it clear where they return to. Mutex held. */
static int wf_transition_may_call(struct wf_process *p)
{
	bool busy = p->nr_views || p->nr_pins;
	struct wf_view *view;
	unsigned long flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	list_for_each_entry(view, &p->list, list)
		busy |= view->nr_threads && !view->passed && (!view->turnstile || view->origin);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return busy ? -EBUSY : 0;
}

/* @call: 0, or what one thread shall run; then threads return to where they are. */
static int wf_transition_auto(struct wf_process *p, u32 view, struct wf_spans *spans,
			      unsigned long call)
{
	struct wf_plan *plan, *spare, *old = NULL;
	bool turnstile = false;
	u32 source = WFPATCH_BASE_VIEW;
	int ret;

	if (wf_transition_is_compat(p))
		return -EOPNOTSUPP;
	plan = wf_plan_alloc(view, spans);
	spare = wf_plan_alloc(WFPATCH_BASE_VIEW, spans);
	ret = plan && spare ? 0 : -ENOMEM;
	mutex_lock(&p->plan_mutex);
	if (!ret) {
		mutex_lock(&p->mutex);
		ret = wf_transition_may(p, view, true);
		if (!ret && call)
			ret = wf_transition_may_call(p);
		turnstile = call || wf_transition_source(p, view, &source);
		mutex_unlock(&p->mutex);
	}
	if (!ret && turnstile)
		ret = wf_turnstile_make(p, source, spans, &plan->turnstile);
	if (!ret) {
		plan->call = call;
		plan->calling = call;
		mutex_lock(&p->mutex);
		ret = wf_transition_may(p, view, true);
		if (!ret && call)
			ret = plan->turnstile ? wf_transition_may_call(p) : -EBUSY;
		if (!ret) {
			old = wf_plan_begin(p, plan, &spare);
			plan = NULL;
		}
		mutex_unlock(&p->mutex);
	}
	mutex_unlock(&p->plan_mutex);
	if (!ret)
		wf_transition_run(p, true);
	wf_plan_end(plan);
	wf_plan_end(old);
	wf_plan_put(spare);
	return ret;
}

/* Is what it says of a call right? */
static int wf_transition_check_call(const struct wfpatch_transition *request,
				    const struct wf_spans *spans)
{
	unsigned int i;

	if (request->view || !request->call || request->call >= TASK_SIZE_MAX)
		return -EINVAL;
	for (i = 0; i < spans->nr; i++)
		if (spans->span[i].flags & WFPATCH_SPAN_ENTRY)
			return 0;
	return -EINVAL;
}

int wf_transition_request(struct wf_process *p, const struct wfpatch_transition *request)
{
	bool call = request->flags & WFPATCH_TRANSITION_CALL;
	struct wf_spans *spans;
	int ret;

	if (!call && request->call)
		return -EINVAL;
	if (!(request->flags & WFPATCH_TRANSITION_AUTO)) {
		if (request->nr_ranges || request->ranges || call)
			return -EINVAL;
		return wf_transition_explicit(p, request->view);
	}
	spans = wf_spans_get_user(request->ranges, request->nr_ranges);
	if (IS_ERR(spans))
		return PTR_ERR(spans);
	ret = call ? wf_transition_check_call(request, spans) : 0;
	if (!ret)
		ret = wf_transition_auto(p, request->view, spans, request->call);
	wf_spans_put(spans);
	return ret;
}

/* A view has become the base: its threads go there, wherever they are. Mutex held; the view is gone. */
void wf_transition_committed(struct wf_process *p, struct wf_plan *plan)
{
	struct wf_plan *spare = NULL, *old;

	old = wf_plan_begin(p, plan, &spare);
	wf_transition_run(p, true);
	wf_plan_end(old);
	wf_plan_put(spare);
}

/*
 * Nobody has a handle any more. Where the module has moved threads, it leads them back; then the views
 * are deleted. False: there is nothing to lead back. Mutex held.
 */
bool wf_transition_abandon(struct wf_process *p)
{
	struct wf_plan *spare = NULL, *old;
	struct wf_view *view;
	unsigned long flags;
	bool away = false;

	if (p->dead || p->abandoned || !p->spare_plan)
		return p->abandoned;
	raw_spin_lock_irqsave(&p->lock, flags);
	list_for_each_entry(view, &p->list, list)
		away |= view->nr_threads && (!view->deleted || view->turnstile);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (!away)
		return false;
	p->abandoned = true;
	swap(spare, p->spare_plan);
	spare->began = jiffies;
	spare->source = p->target;
	old = wf_plan_begin(p, spare, &p->spare_plan);
	wf_transition_run(p, true);
	wf_plan_end(old);
	return true;
}

/* Nobody is left to wait for the transition. Threads that have no handle still get to the base. Mutex held. */
void wf_transition_stop(struct wf_process *p)
{
	struct wf_plan *old = NULL, *spare = p->spare_plan;
	u32 target = p->target, seq = p->status->seq;
	bool stopped = false;
	unsigned long flags;

	p->spare_plan = NULL;
	wf_plan_put(spare);
	raw_spin_lock_irqsave(&p->lock, flags);
	if (!p->plan || !p->plan->committed || p->dead) {
		swap(old, p->plan);
		stopped = p->in_transition;
		p->in_transition = false;
		WRITE_ONCE(p->status->pending, 0);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (stopped)
		trace_wfpatch_transition_end(p->mm, p->tgid, target, seq, 0, WF_TRACE_ABANDONED);
	wf_plan_end(old);
	wf_recount_cancel(p);
}

/* A view that a transition is going to or coming from must not be deleted. Mutex held. */
bool wf_transition_needs(struct wf_process *p, struct wf_view *view)
{
	unsigned long flags;
	bool target;

	if (view->committing || wf_turnstile_exists(p, view))
		return true;
	raw_spin_lock_irqsave(&p->lock, flags);
	target = p->in_transition && p->target == view->id;
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
		if (!wf_thread_at(task, target))
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
	struct wf_plan *plan = NULL;
	unsigned int total, outside;
	unsigned long flags;
	u32 target, seq;
	bool done, ended = false;

	if (!READ_ONCE(p->in_transition))
		return;
	/* Counts are taken one after the other: the last one stored is the last one made. */
	mutex_lock(&p->count_mutex);
	raw_spin_lock_irqsave(&p->lock, flags);
	target = p->target;
	seq = p->status->seq;
	done = !p->in_transition || (p->plan && p->plan->calling) ||
	       (!leaving && !recount && wf_transition_is_far(p));
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (done)
		goto out;

	wf_transition_count(p, target, leaving, &total, &outside);
	raw_spin_lock_irqsave(&p->lock, flags);
	if (p->in_transition && p->status->seq == seq && !(p->plan && p->plan->calling)) {
		p->total = total;
		WRITE_ONCE(p->status->pending, outside);
		if (!outside) {
			p->in_transition = false;
			swap(plan, p->plan);
			wf_turnstile_pass(p, plan ? plan->turnstile : NULL);
			ended = true;
		}
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (ended) {
		event.view = target;
		event.count = total;
		if (plan && plan->committed) {
			event.type = WFPATCH_EVENT_COMMITTED;
			event.view = plan->committed;
		}
	}
out:
	mutex_unlock(&p->count_mutex);
	if (!ended)
		return;
	/* Who is told may go on at once: nothing of the plan is left then. */
	if (plan) {
		wf_plan_end(plan);
		wf_gates_clear(p);
	}
	trace_wfpatch_transition_end(p->mm, p->tgid, target, seq, total, WF_TRACE_DONE);
	wf_event_send(p, &event);
	wf_recount_cancel(p);
}

/*
 * Has the transition ended? Called after every change that may end it: a thread that migrated or
 * began, and one that ends or calls exec (@leaving). Sleeps.
 */
void wf_transition_check(struct wf_process *p, bool leaving)
{
	unsigned long flags;
	bool kick;

	if (!READ_ONCE(p->plan)) {
		wf_transition_look(p, leaving, false);
		return;
	}
	/* Threads that the module moves are not made to work for it. */
	raw_spin_lock_irqsave(&p->lock, flags);
	kick = p->plan && (leaving || !wf_transition_is_far(p));
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (kick)
		wf_recount_later(p, 0);
}

/* A thread has gone to the code that was to be called: the others need not stay behind the turnstile. */
void wf_transition_called(struct wf_process *p)
{
	p->recount_delay = WF_PASS_FIRST;
	wf_recount_later(p, 0);
}

/* The threads that were led back are in the base. */
static void wf_transition_abandoned(struct wf_process *p)
{
	mutex_lock(&p->mutex);
	if (p->abandoned && !READ_ONCE(p->in_transition)) {
		p->abandoned = false;
		wf_view_delete_all(p);
	}
	mutex_unlock(&p->mutex);
}

/* A plan that was begun where nothing could be waited for gets its turnstile. If it cannot, it does without. */
static void wf_transition_trap(struct wf_process *p)
{
	struct wf_view *turnstile = NULL;
	struct wf_plan *plan;
	unsigned long flags;

	if (!READ_ONCE(p->abandoned) || !mmget_not_zero(p->mm))
		return;
	mutex_lock(&p->plan_mutex);
	/* Nobody but us ends it. */
	plan = READ_ONCE(p->plan);
	if (plan && plan->spans && plan->source && !plan->turnstile) {
		wf_turnstile_make(p, plan->source, plan->spans, &turnstile);
		raw_spin_lock_irqsave(&p->lock, flags);
		if (p->plan == plan)
			swap(plan->turnstile, turnstile);
		raw_spin_unlock_irqrestore(&p->lock, flags);
		wf_turnstile_end(turnstile);
	}
	mutex_unlock(&p->plan_mutex);
	mmput(p->mm);
}

/*
 * One pass of gates, and counting again. No hook tells when a task that calls exec has arrived in its
 * new address space; until then others count it as missing (and it may have been on its way when the
 * transition began). Therefore the count is repeated as long as the transition goes on.
 */
static void wf_transition_recount(struct work_struct *work)
{
	struct wf_process *p = container_of(to_delayed_work(work), struct wf_process, recount);
	bool automatic = READ_ONCE(p->plan);

	if (automatic) {
		wf_transition_trap(p);
		/* Threads that come to their gates meanwhile know then that others are missing. */
		if (READ_ONCE(p->target) && !READ_ONCE(p->total))
			wf_transition_look(p, false, true);
		wf_gates_pass(p);
	}
	wf_transition_look(p, false, true);
	if (READ_ONCE(p->in_transition)) {
		p->recount_delay = min_t(unsigned long, p->recount_delay * 2,
					 automatic ? WF_PASS_MAX : WF_RECOUNT_MAX);
		wf_recount_later(p, p->recount_delay);
	}
	wf_transition_abandoned(p);
	wf_process_put(p);
}

void wf_transition_init(struct wf_process *p)
{
	INIT_DELAYED_WORK(&p->recount, wf_transition_recount);
}
