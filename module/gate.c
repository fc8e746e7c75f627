// SPDX-License-Identifier: GPL-2.0
/*
 * Gates: how the threads of a process come to another view without doing anything for it, without
 * being woken, stopped or interrupted.
 *
 * A gate is a task work. From the moment at which it is queued and the thread was seen off its
 * processor, the thread is in the kernel and does not reach user code without running the gate, which
 * counts. So its registers and stack can be looked at from outside, at leisure: if the gate has not
 * counted at the end, they were what they are all the time. If the thread is quiescent, its record is
 * changed while it sleeps, and its next switch-in loads the view. If it has passed its gate meanwhile, what
 * was seen is forgotten. It does not wait for who looks: that may take a while, for the processor or for
 * a page of the stack.
 *
 * The record is changed with the task held off its processor (wf_task_call(): the scheduler's locks),
 * for the task might have been woken in the kernel and be on its way to the gate; and there a thread
 * can register notifiers of its own (KVM).
 *
 * A thread that runs user code comes to its gate soon, since queueing it kicks the processor, and looks
 * at itself. Only wf_gate_flip() and what it calls run in raw atomic context, under the scheduler's locks
 * and the view lock; and wf_gate_request(), which a trap calls too. All else here may sleep.
 *
 * One that is not quiescent is moved to the turnstile (turnstile.c) or left alone, and
 * gated again by a later pass.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/uprobes.h>
#include <asm/syscall.h>
#include <asm/unistd.h>
#include "arch/x86/carrier.h"
#include "compat.h"
#include "event.h"
#include "gate.h"
#include "hooks.h"
#include "ksym.h"
#include "trace.h"
#include "transition.h"
#include "turnstile.h"

/* @spans: or NULL; the plan takes a reference of its own. */
struct wf_plan *wf_plan_alloc(u32 target, struct wf_spans *spans)
{
	struct wf_plan *plan = kzalloc(sizeof(*plan), GFP_KERNEL_ACCOUNT);

	if (!plan)
		return NULL;
	refcount_set(&plan->refs, 1);
	plan->target = target;
	plan->began = jiffies;
	plan->spans = spans;
	if (spans)
		wf_spans_get(spans);
	return plan;
}

void wf_plan_put(struct wf_plan *plan)
{
	if (!plan || !refcount_dec_and_test(&plan->refs))
		return;
	wf_spans_put(plan->spans);
	kfree(plan);
}

/* The process's plan, with a reference. */
static struct wf_plan *wf_plan_get(struct wf_process *p)
{
	struct wf_plan *plan;
	unsigned long flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	plan = p->plan;
	if (plan)
		refcount_inc(&plan->refs);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return plan;
}

/* --- where to --------------------------------------------------------------------------------- */

/* What was found out about a thread, and for which view that holds. */
struct wf_verdict {
	struct wf_plan *plan;
	struct wf_view *view;
	int gate;		/* of another thread: what its gate had counted before; 0: of current */
	bool quiescent;
	bool at_entry;		/* of a function to be replaced, none of which has run */
	bool odd;		/* the instruction at the entry shows or changes the trap flag */
	bool pushed;		/* the entry's address is below the stack pointer, for who is called */
	bool trapped;		/* out: from the turnstile to what it is made of, to go on inside */
	bool called;		/* out: to the code that the plan is to have called */
};

/*
 * Where it shall go by a plan that is for a call: from the base behind the turnstile until one thread has been
 * sent to that code, and then back. View lock held.
 */
static struct wf_view *wf_gate_to_call(struct wf_thread *thread, const struct wf_verdict *verdict)
{
	struct wf_plan *plan = verdict->plan;
	struct wf_view *from = thread->view;

	/* There are no other views than turnstiles, or were none when it began. */
	if (from && !from->turnstile)
		return from;
	return plan->calling && !verdict->at_entry ? plan->turnstile : NULL;
}

/*
 * Where the thread shall go now. Between a turnstile and what it is made of every thread may move at
 * any time: they differ at entries only, and there in nothing but how the function is called. View
 * lock held.
 */
static struct wf_view *wf_gate_to(struct wf_thread *thread, const struct wf_verdict *verdict)
{
	struct wf_plan *plan = verdict->plan;
	struct wf_process *p = thread->process;
	struct wf_view *target = plan->target ? wf_view_find(p, plan->target) : NULL;
	struct wf_view *from = thread->view;

	/* It cannot be deleted. */
	if (WARN_ON_ONCE(plan->target && !target))
		return from;
	if (plan->call)
		return wf_gate_to_call(thread, verdict);
	if (from && from->turnstile && from != plan->turnstile)
		from = from->origin;
	if (from == target || !plan->spans || verdict->quiescent)
		return target;
	if (!plan->turnstile)
		return from;
	/* Called, but further up in its stack it is inside: on with the old code. */
	if (from == plan->turnstile)
		return verdict->at_entry ? from->origin : from;
	if (from == plan->turnstile->origin && !verdict->at_entry)
		return plan->turnstile;
	return from;
}

/*
 * Move the thread as the verdict says, unless the world has changed since. View lock held, and the
 * thread cannot run, or is current. False: look again.
 */
static bool wf_gate_move(struct wf_thread *thread, struct wf_verdict *verdict,
			 struct wf_move *move)
{
	struct wf_process *p = thread->process;
	struct wf_view *to;

	if (p->plan != verdict->plan || thread->view != verdict->view || !thread->listed)
		return false;
	to = wf_gate_to(thread, verdict);
	if (to == thread->view || (to && wf_arch_process_check(p->mm)))
		return true;
	if (thread->view && thread->view == verdict->plan->turnstile && !verdict->quiescent)
		verdict->trapped = verdict->at_entry && to == thread->view->origin;
	wf_thread_set(thread, to, move);
	return true;
}

/*
 * A thread has called a function with a plan that is for a call. Whoever is in a signal handler may have
 * interrupted an allocation or hold any lock; and who only shares the memory is another process. They go
 * on, like those inside. What is below the stack pointer means nothing at an entry. Sleeps.
 */
static void wf_gate_call_prepare(struct wf_thread *thread, struct wf_verdict *verdict,
				 const struct pt_regs *regs, const struct wf_look *look)
{
	u64 __user *word = (u64 __user *)(regs->sp - sizeof(u64));

	if (!READ_ONCE(verdict->plan->calling))
		return;
	if (verdict->gate || look->handler || !user_64bit_mode((struct pt_regs *)regs) ||
	    task_tgid_nr(thread->task) != thread->process->tgid || put_user(regs->ip, word))
		verdict->quiescent = false;
	verdict->pushed = verdict->quiescent;
}

/* The current thread goes to the code that is to be called, if nobody has before. View lock held. */
static void wf_gate_call(struct wf_thread *thread, struct wf_verdict *verdict)
{
	struct wf_plan *plan = verdict->plan;
	struct pt_regs *regs = task_pt_regs(current);

	if (!verdict->pushed || !verdict->quiescent || !plan->calling ||
	    thread->process->plan != plan || thread->view != verdict->view ||
	    thread->view != plan->turnstile)
		return;
	WRITE_ONCE(plan->calling, false);
	verdict->called = true;
	regs->sp -= sizeof(u64);
	regs->ip = plan->call;
}

/*
 * Look at a thread with these registers. If it is another one, and passes its gate meanwhile, what comes
 * out means nothing. Sleeps.
 */
static void wf_gate_look(struct wf_thread *thread, struct wf_verdict *verdict,
			 const struct pt_regs *regs)
{
	struct wf_process *p = thread->process;
	struct wf_plan *plan = verdict->plan;
	struct wf_look look;
	unsigned long flags;
	bool holds;

	/* Whoever is there already stays, whatever its stack has. */
	if (!plan->spans || wf_view_is(verdict->view, plan->target))
		return;
	raw_spin_lock_irqsave(&p->lock, flags);
	look = thread->look;
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (look.seq != plan->seq)
		look = (struct wf_look){ .seq = plan->seq };
	verdict->at_entry = wf_span_is_entry(plan->spans, regs->ip);
	/* For a call it is nobody's business where else a thread is. */
	if (plan->call && !verdict->at_entry)
		return;
	verdict->quiescent = wf_quiescent(p, verdict->view, plan->spans, regs, &look);
	if (plan->call)
		wf_gate_call_prepare(thread, verdict, regs, &look);
	if (verdict->at_entry && !verdict->quiescent)
		verdict->odd = wf_step_is_odd(p, regs->ip);
	raw_spin_lock_irqsave(&p->lock, flags);
	holds = !verdict->gate || atomic_read(&thread->gate_count) == verdict->gate;
	if (holds)
		thread->look = look;
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (holds && !verdict->quiescent)
		trace_wfpatch_look(p->mm, p->tgid, task_pid_nr(thread->task),
				   wf_view_id(verdict->view), look.reason, look.ip, look.where,
				   look.word);
}

/* A thread that was moved, or not. @how: enum wf_trace_how. */
static void wf_gate_tell(struct wf_thread *thread, const struct wf_move *move, int how)
{
	struct wf_process *p = thread->process;

	if (move->from_id != move->to_id)
		trace_wfpatch_move(p->mm, p->tgid, task_pid_nr(thread->task), move->from_id,
				   move->to_id, how);
	wf_thread_tell(p, thread->task, move);
}

/* --- the thread itself ------------------------------------------------------------------------ */

/* What probes keep of the current thread, or of one that is held. View lock held. */
static void wf_gate_probes(struct wf_thread *thread, struct wf_verdict *verdict)
{
	if (verdict->quiescent &&
	    !wf_quiescent_probes(thread->task, verdict->plan->spans, &thread->look))
		verdict->quiescent = false;
}

static bool wf_gate_self_move(struct wf_thread *thread, struct wf_verdict *verdict)
{
	struct wf_process *p = thread->process;
	struct wf_move move = { };
	unsigned long flags, ip = task_pt_regs(current)->ip;
	bool done, trapped;

	raw_spin_lock_irqsave(&p->lock, flags);
	trapped = verdict->at_entry && thread->view && thread->view->turnstile;
	wf_gate_probes(thread, verdict);
	wf_gate_call(thread, verdict);
	done = wf_gate_move(thread, verdict, &move);
	if (verdict->trapped && !verdict->odd)
		wf_step_begin(thread);
	/* The lock is raw and interrupts stay off until the tables are loaded. */
	raw_spin_unlock(&p->lock);
	if (thread->view != verdict->view)
		wf_thread_load(p, thread->view);
	local_irq_restore(flags);
	if (trapped)
		trace_wfpatch_trap(p->mm, p->tgid, task_pid_nr(current),
				   ip, verdict->quiescent);
	wf_gate_tell(thread, &move, trapped ? WF_TRACE_TRAP : WF_TRACE_GATE);
	if (verdict->called)
		wf_transition_called(p);
	return done;
}

/* The current thread is on its way to user code, or on its way out. */
static void wf_gate_self(struct wf_thread *thread, bool stepped)
{
	struct wf_process *p = thread->process;
	struct wf_verdict verdict;
	unsigned long flags;
	bool unlisted, done;

	wf_step_forget(thread);
	do {
		verdict = (struct wf_verdict){ .plan = wf_plan_get(p) };
		raw_spin_lock_irqsave(&p->lock, flags);
		verdict.view = thread->view;
		/* Nobody needs a record in the base any more. */
		unlisted = !verdict.plan && wf_thread_unlist(thread);
		done = !verdict.plan || !thread->listed;
		raw_spin_unlock_irqrestore(&p->lock, flags);
		if (unlisted)
			wf_thread_put(thread);
		if (!done) {
			/* Inside it was an instruction ago. */
			if (!stepped)
				wf_gate_look(thread, &verdict, task_pt_regs(current));
			stepped = false;
			done = wf_gate_self_move(thread, &verdict);
		}
		wf_plan_put(verdict.plan);
	} while (!done);
}

/* The current thread has left the address space since its record was made. */
static void wf_gate_leftover(struct wf_thread *thread)
{
	struct wf_process *p = thread->process;
	struct wf_move move = { };
	unsigned long flags;
	bool unlisted;

	raw_spin_lock_irqsave(&p->lock, flags);
	thread->stepping = false;
	if (thread->listed && thread->view)
		wf_thread_set(thread, NULL, &move);
	unlisted = wf_thread_unlist(thread);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	wf_step_forget(thread);
	wf_thread_tell(p, current, &move);
	if (unlisted)
		wf_thread_put(thread);
}

static void wf_gate(struct callback_head *work)
{
	struct wf_thread *thread = container_of(work, struct wf_thread, gate);
	struct wf_process *p = thread->process;

	wf_wrapper_enter();
	/* Who looks from outside sees that it is too late, or leaves the thread to itself. */
	atomic_inc(&thread->gate_count);
	thread->busy++;
	/* A record that was made for a thread that is gone already, by exit or exec, goes with its gate. */
	if (current->mm == p->mm)
		wf_gate_self(thread, xchg(&thread->stepped, false));
	else
		wf_gate_leftover(thread);
	thread->busy--;
	wf_transition_check(p, false);
	wf_thread_put(thread);
	wf_wrapper_exit();
}

void wf_gate_init(struct wf_thread *thread)
{
	init_task_work(&thread->gate, wf_gate);
}

/* It counts when it is queued, and again when it is passed or taken back. */
static bool wf_gate_is_queued(int count)
{
	return count & 1;
}

/* Have the thread pass its gate before it runs user code again. False if it never will. */
bool wf_gate_request(struct wf_thread *thread)
{
	int count = atomic_read(&thread->gate_count), ret;

	/* In between the thread could come to a trap again and again, and be told that its gate is queued. */
	preempt_disable();
	do {
		if (wf_gate_is_queued(count)) {
			preempt_enable();
			return true;
		}
	} while (!atomic_try_cmpxchg(&thread->gate_count, &count, count + 1));
	refcount_inc(&thread->refs);
	ret = task_work_add(thread->task, &thread->gate, TWA_RESUME);
	preempt_enable();
	if (!ret)
		return true;
	atomic_inc(&thread->gate_count);
	wf_thread_put(thread);
	return false;
}

/* Of a thread that sleeps on. One that has a step to end does that at its gate. */
static void wf_gate_take_back(struct wf_thread *thread)
{
	if (READ_ONCE(thread->step_held) || !wf_gate_is_queued(atomic_read(&thread->gate_count)))
		return;
	/* Another plan may have begun, and its pass must not count on this gate. */
	atomic_inc(&thread->taking_back);
	smp_mb__after_atomic();		/* seen before the gate is gone: wf_gate_counted() */
	if (wf_ksym(task_work_cancel)(thread->task, &thread->gate)) {
		atomic_inc(&thread->gate_count);
		wf_thread_put(thread);
	}
	smp_mb__before_atomic();	/* and until it has counted */
	atomic_dec(&thread->taking_back);
}

/*
 * What the gate has counted: odd if the thread is behind it, 0 if that cannot be told. In this order: who
 * takes the gate back counts before he is through.
 */
static int wf_gate_counted(const struct wf_thread *thread)
{
	if (atomic_read_acquire(&thread->taking_back))
		return 0;
	return atomic_read_acquire(&thread->gate_count);
}

/* --- from outside ----------------------------------------------------------------------------- */

static bool wf_call_forks(struct task_struct *task, unsigned long number)
{
#ifdef CONFIG_IA32_EMULATION
	/* The numbers of 32-bit calls, which a 64-bit program may make; of its own they are others. */
	if (task_thread_info(task)->status & TS_COMPAT)
		return number == 2 || number == 120 || number == 190;
#endif
	/* Calls of x32 have the same numbers, and a bit. */
	switch (number & ~0x40000000UL) {
	case __NR_clone:
	case __NR_fork:
	case __NR_vfork:
	case __NR_clone3:
		return true;
	}
	return false;
}

/*
 * Is the thread making another one that nobody can see yet? That one will be in the base if the call
 * began there: the two must not part. One that waits for a child of vfork is through with it.
 */
static bool wf_gate_forks(struct task_struct *task, const struct pt_regs *regs)
{
	struct task_struct *group, *child;
	bool waits = false;

	if (!wf_call_forks(task, regs->orig_ax))
		return false;
	rcu_read_lock();
	for_each_process_thread(group, child)
		waits |= READ_ONCE(child->vfork_done) &&
			 rcu_access_pointer(child->real_parent) == task;
	rcu_read_unlock();
	return !waits;
}

/* Two visits to a thread behind its gate: before it is looked at, and afterwards. */
struct wf_visit {
	struct wf_thread *thread;
	struct wf_verdict *verdict;
	struct pt_regs regs;
	struct wf_move move;
};

/* Is it off its processor, in the kernel and not on its way out? The scheduler's locks are held. */
static bool wf_gate_is_closed(const struct wf_thread *thread, const struct task_struct *task)
{
	/* Pairs with the end of a switch from it: what it did is seen. */
	if (smp_load_acquire(&task->on_cpu))
		return false;
	return !(task->flags & PF_EXITING) && task->mm == thread->process->mm;
}

/*
 * May probes be at work on what they keep of the thread, or exec free it? They come by an exception, or by
 * calls of their own.
 */
static bool wf_gate_is_probed(const struct task_struct *task, const struct pt_regs *regs)
{
#ifdef CONFIG_UPROBES
	switch ((long)regs->orig_ax) {
	case -1:
	case __NR_execve:
	case __NR_execveat:
#ifdef __NR_uretprobe
	case __NR_uretprobe:
#endif
#ifdef __NR_uprobe
	case __NR_uprobe:
#endif
		return task->utask;
	}
#endif
	return false;
}

/* The scheduler's locks are held: the task neither starts nor stops running. */
static wf_task_call_t wf_gate_visit(struct task_struct *task, void *arg)
{
	struct wf_visit *visit = arg;
	int count = wf_gate_counted(visit->thread);

	if (!wf_gate_is_queued(count) || !wf_gate_is_closed(visit->thread, task))
		return false;
	visit->verdict->gate = count;
	visit->regs = *task_pt_regs(task);
	return true;
}

/* The same. */
static wf_task_call_t wf_gate_flip(struct task_struct *task, void *arg)
{
	struct wf_visit *visit = arg;
	struct wf_thread *thread = visit->thread;
	struct wf_process *p = thread->process;
	wf_task_call_t done = false;

	if (!wf_gate_is_closed(thread, task) || thread->busy)
		return false;
	/* Has it been behind its gate all the time? */
	if (wf_gate_counted(thread) != visit->verdict->gate)
		return false;
	/* The kernel itself changes registers: the end of a signal's handler does, and probes. */
	if (memcmp(&visit->regs, task_pt_regs(task), sizeof(visit->regs)) ||
	    wf_gate_is_probed(task, &visit->regs))
		return false;
	raw_spin_lock(&p->lock);
	wf_gate_probes(thread, visit->verdict);
	done = wf_gate_move(thread, visit->verdict, &visit->move);
	raw_spin_unlock(&p->lock);
	return done;
}

/* Look at a thread that may be asleep behind its gate, and move it there. */
static void wf_gate_asleep(struct wf_thread *thread, struct wf_plan *plan)
{
	struct wf_process *p = thread->process;
	struct wf_verdict verdict = { .plan = plan };
	struct wf_visit visit = { .thread = thread, .verdict = &verdict };
	unsigned long flags;

	if (!wf_task_call(thread->task, wf_gate_visit, &visit) ||
	    wf_gate_forks(thread->task, &visit.regs))
		return;
	/* It may run in the kernel and leave its view there: by VIEW_MIGRATE, or because it ends. */
	raw_spin_lock_irqsave(&p->lock, flags);
	verdict.view = thread->view;
	if (verdict.view)
		wf_view_hold(verdict.view);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	wf_gate_look(thread, &verdict, &visit.regs);
	wf_task_call(thread->task, wf_gate_flip, &visit);
	wf_gate_tell(thread, &visit.move, WF_TRACE_ASLEEP);
	if (verdict.view)
		wf_view_let(verdict.view);
}

/* Is it where the plan wants it? Under RCU. */
static bool wf_gate_is_there(const struct wf_plan *plan, struct task_struct *task)
{
	struct wf_thread *thread;

	if (!READ_ONCE(plan->calling))
		return wf_thread_at(task, plan->target);
	/* Behind the turnstile, and not behind that of a call before, which has other traps. */
	thread = wf_thread_find(task);
	return thread && READ_ONCE(thread->view) == plan->turnstile;
}

/* A thread that will run user code of the process and is not where it shall be. Under RCU. */
static bool wf_gate_wanted(struct wf_process *p, const struct wf_plan *plan,
			   struct task_struct *task)
{
	return READ_ONCE(task->mm) == p->mm && !(task->flags & (PF_EXITING | WF_PF_WORKER)) &&
	       !wf_task_is_new(task) && !wf_gate_is_there(plan, task);
}

/* The tasks that a pass is for, with references; their number, or an error. */
static long wf_gates_collect(struct wf_process *p, const struct wf_plan *plan,
			     struct task_struct ***tasks)
{
	struct task_struct *group, *task;
	unsigned long room = 0, n = 0;

	rcu_read_lock();
	for_each_process_thread(group, task)
		room += wf_gate_wanted(p, plan, task);
	rcu_read_unlock();
	/* Those that come in between are for the next pass. */
	*tasks = kvmalloc_array(room + 1, sizeof(**tasks), GFP_KERNEL_ACCOUNT);
	if (!*tasks)
		return -ENOMEM;
	rcu_read_lock();
	for_each_process_thread(group, task)
		if (n < room && wf_gate_wanted(p, plan, task))
			(*tasks)[n++] = get_task_struct(task);
	rcu_read_unlock();
	return n;
}

/* Tell once of a thread that has been in the way for a second. */
static void wf_gates_tell(struct wf_process *p, struct wf_plan *plan, struct wf_thread *thread)
{
	struct wfpatch_event event = { .type = WFPATCH_EVENT_BLOCKED };
	struct wf_look look;
	unsigned long flags;

	if (plan->told || !plan->spans || time_before(jiffies, plan->began + HZ))
		return;
	raw_spin_lock_irqsave(&p->lock, flags);
	look = thread->look;
	event.view = wf_view_id(thread->view);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (look.seq != plan->seq || look.reason == WFPATCH_BLOCKED_UNSEEN)
		return;
	plan->told = true;
	event.tid = wf_thread_tid(thread->task);
	event.addr = look.reason == WFPATCH_BLOCKED_STACK ? look.word : look.ip;
	wf_event_send(p, &event);
}

/*
 * Queue the gate of a thread, and look at the thread at once if it sleeps: the sooner, the fewer wake up
 * before and have to do that themselves. Sleeps.
 */
static void wf_gate_open(struct wf_process *p, struct wf_plan *plan, struct task_struct *task)
{
	struct wf_thread *thread = wf_thread_make(p, task);
	unsigned long flags;
	bool unlisted = false;

	if (!thread)
		return;
	/* It has left another address space and come here without passing its gate yet. */
	if (thread->process != p)
		goto out;
	/* After the end of the plan nobody would clear it away. */
	raw_spin_lock_irqsave(&p->lock, flags);
	if (p->plan != plan)
		unlisted = wf_thread_unlist(thread);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (!unlisted && !wf_gate_request(thread)) {
		raw_spin_lock_irqsave(&p->lock, flags);
		unlisted = wf_thread_unlist(thread);
		raw_spin_unlock_irqrestore(&p->lock, flags);
	}
	if (unlisted) {
		wf_thread_put(thread);
	} else {
		/* Cleared away before its gate was queued? */
		if (!READ_ONCE(thread->listed))
			wf_gate_take_back(thread);
		wf_gate_asleep(thread, plan);
		wf_gates_tell(p, plan, thread);
	}
out:
	wf_thread_put(thread);
}

/*
 * One pass over all threads that are missing. Of a plan that has ended meanwhile nothing is done.
 * Sleeps.
 */
int wf_gates_pass(struct wf_process *p)
{
	struct wf_plan *plan = wf_plan_get(p);
	struct task_struct **tasks = NULL;
	long i, n;

	if (!plan)
		return 0;
	/* Without users there is nobody to move. */
	if (!mmget_not_zero(p->mm)) {
		wf_plan_put(plan);
		return 0;
	}
	n = wf_gates_collect(p, plan, &tasks);
	for (i = 0; i < n; i++) {
		wf_gate_open(p, plan, tasks[i]);
		put_task_struct(tasks[i]);
		/*
		 * Threads that have just been woken have a better claim to the processor than who is at work for
		 * long, but after a sleep of our own the scheduler would let us have our share first.
		 */
		schedule();
	}
	kvfree(tasks);
	wf_plan_put(plan);
	/* It may have ended, and been cleared away, before the last gate was queued. */
	if (!READ_ONCE(p->plan))
		wf_gates_clear(p);
	mmput(p->mm);
	return n < 0 ? n : 0;
}

/* The next record to be cleared away, with a reference; it goes to the end of the list, or out of it. */
static struct wf_thread *wf_gates_next(struct wf_process *p, bool *unlisted)
{
	struct wf_thread *thread = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	if (!p->plan)
		thread = list_first_entry_or_null(&p->threads, struct wf_thread, list);
	if (thread) {
		refcount_inc(&thread->refs);
		list_move_tail(&thread->list, &p->threads);
		*unlisted = wf_thread_unlist(thread);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return thread;
}

/*
 * A plan has ended and none is there: no gate stays with a thread that sleeps on, and no record of a
 * thread in the base. A gate that is being passed just now clears itself away. Sleeps.
 */
void wf_gates_clear(struct wf_process *p)
{
	struct wf_thread *thread;
	unsigned long n, flags;
	bool unlisted;

	raw_spin_lock_irqsave(&p->lock, flags);
	n = p->nr_records;
	raw_spin_unlock_irqrestore(&p->lock, flags);
	while (n-- && (thread = wf_gates_next(p, &unlisted))) {
		if (unlisted)
			wf_thread_put(thread);
		wf_gate_take_back(thread);
		wf_thread_put(thread);
		cond_resched();
	}
}
