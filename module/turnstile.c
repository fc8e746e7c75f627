// SPDX-License-Identifier: GPL-2.0
/*
 * The turnstile: what a view shows, but with a trap at the entry of every function to be replaced. A
 * thread may go there at any time, because where the two differ no thread can be except at an entry,
 * with nothing of the function run. There the trap stops it before the first old instruction, and its
 * gate (gate.c) sends it to the new view if the rest of its stack allows.
 *
 * A thread that is trapped inside, in a function that another one to be replaced has called, goes on
 * with the old code: it runs the first instruction of the function without the trap, by a single step,
 * and returns. So it is the outermost call of the next round that finds it clean. That costs two
 * exceptions a call, so there is a limit for each stay in the turnstile; it doubles with every stay.
 *
 * Raw atomic: wf_trap(), wf_step_begin(), wf_step_cancel(), wf_step_end(). Making a turnstile sleeps.
 *
 * A turnstile is nobody's to ask for, list or delete. It is freed when its plan has ended and its last
 * thread has left it.
 */
#include <linux/kdebug.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/sched/task_stack.h>
#include <asm/debugreg.h>
#include <asm/ptrace.h>
#include "arch/x86/carrier.h"
#include "gate.h"
#include "hooks.h"
#include "io.h"
#include "ksym.h"
#include "overlay.h"
#include "thread.h"
#include "turnstile.h"

#define WF_TRAP		0xcc	/* int3 */

/* --- making one ------------------------------------------------------------------------------- */

/* How many traps there would be. */
static unsigned int wf_turnstile_entries(const struct wf_spans *spans)
{
	unsigned int i, n = 0;

	for (i = 0; i < spans->nr; i++)
		n += spans->span[i].flags & WFPATCH_SPAN_ENTRY;
	return n;
}

/*
 * May threads run in a copy of the source? Not where they could store to pages that the copy has for
 * itself. Mmap lock and mutex held.
 */
static bool wf_turnstile_allowed(struct wf_process *p, struct wf_view *source)
{
	struct wf_overlay *overlay;
	unsigned long addr = 0, flags;

	if (p->nr_pins)
		return false;
	while (source) {
		struct vm_area_struct *vma;

		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = wf_overlay_next(source, addr);
		addr = overlay ? overlay->addr : 0;
		raw_spin_unlock_irqrestore(&p->lock, flags);
		if (!overlay)
			break;
		vma = find_vma(p->mm, addr);
		if (vma && vma->vm_flags & VM_WRITE)
			return false;
		addr += PAGE_SIZE;
	}
	return true;
}

/* A copy of the source without traps yet; NULL if there shall be none. */
static struct wf_view *wf_turnstile_begin(struct wf_process *p, u32 id, struct wf_spans *spans)
{
	struct wf_view *source = id ? wf_view_find(p, id) : NULL, *view;
	int ret;

	if (p->dead)
		return ERR_PTR(-ESRCH);
	if (id && !source)
		return ERR_PTR(-ENOENT);
	if (!wf_turnstile_allowed(p, source))
		return NULL;
	ret = wf_arch_process_check(p->mm);
	if (ret)
		return ERR_PTR(ret);
	view = wf_view_begin(p, id, id);
	if (!view)
		return ERR_PTR(-ENOMEM);
	view->turnstile = true;
	view->origin = source;
	view->traps = spans;
	wf_spans_get(spans);
	ret = source ? wf_overlay_share(source, view) : 0;
	if (ret) {
		wf_view_give_up(view);
		return ERR_PTR(ret);
	}
	return view;
}

static int wf_turnstile_set_traps(struct wf_process *p, struct wf_view *view,
				  const struct wf_spans *spans)
{
	unsigned int i, n = 0, nr = wf_turnstile_entries(spans);
	unsigned long *addrs;
	int ret;

	addrs = kvmalloc_array(nr, sizeof(*addrs), GFP_KERNEL_ACCOUNT);
	if (!addrs)
		return -ENOMEM;
	for (i = 0; i < spans->nr; i++)
		if (spans->span[i].flags & WFPATCH_SPAN_ENTRY)
			addrs[n++] = spans->span[i].start;
	ret = wf_view_put_bytes(p, view, addrs, n, WF_TRAP);
	kvfree(addrs);
	return ret;
}

/*
 * Make a turnstile of view @source, 0 for the base. *@turnstile is NULL if there is nothing to trap, or
 * if threads could store to memory that is the view's own. Sleeps. No lock is held.
 */
int wf_turnstile_make(struct wf_process *p, u32 source, struct wf_spans *spans,
		      struct wf_view **turnstile)
{
	struct wf_view *view;
	int ret;

	*turnstile = NULL;
	if (!wf_turnstile_entries(spans))
		return 0;
	ret = wf_hooks_get();
	if (ret)
		return ret;
	wf_arch_process_hold(p->mm);
	mmap_read_lock(p->mm);
	mutex_lock(&p->mutex);
	view = wf_turnstile_begin(p, source, spans);
	mutex_unlock(&p->mutex);
	mmap_read_unlock(p->mm);
	wf_arch_process_let(p->mm);
	wf_hooks_put();
	if (IS_ERR_OR_NULL(view))
		return PTR_ERR_OR_ZERO(view);
	ret = wf_turnstile_set_traps(p, view, spans);
	if (ret)
		wf_turnstile_end(view);
	else
		*turnstile = view;
	return ret;
}

/*
 * A transition has come to its end: in its turnstile, and in those of plans before it, there is nobody but
 * threads on their way out, which run no user code again. They keep it, but are in nobody's way: what it
 * was made of may go before them. View lock held. @turnstile: the plan's, or NULL.
 */
void wf_turnstile_pass(struct wf_process *p, const struct wf_view *turnstile)
{
	struct wf_view *view;

	lockdep_assert_held(&p->lock);
	list_for_each_entry(view, &p->list, list) {
		/* One that is not deleted is being made for the next transition. */
		if (!view->turnstile || (!view->deleted && view != turnstile))
			continue;
		view->passed = true;
		view->origin = NULL;
	}
}

/* Is there one, in use or with threads in it that go on? Of @source, or of any view if that is NULL. */
bool wf_turnstile_exists(struct wf_process *p, const struct wf_view *source)
{
	struct wf_view *view;
	unsigned long flags;
	bool exists = false;

	raw_spin_lock_irqsave(&p->lock, flags);
	list_for_each_entry(view, &p->list, list)
		exists |= view->turnstile && !view->retired && !view->passed &&
			  (!source || view->origin == source);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	return exists;
}

/* Nobody shall enter it any more; freed behind its last thread. */
void wf_turnstile_end(struct wf_view *view)
{
	struct wf_process *p;
	unsigned long flags;
	bool retire;

	if (!view)
		return;
	p = view->process;
	raw_spin_lock_irqsave(&p->lock, flags);
	view->deleted = true;
	retire = wf_view_ends(view);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (retire)
		wf_view_retire(view);
}

/* --- the traps -------------------------------------------------------------------------------- */

#define WF_STEPS_MIN	64
#define WF_STEPS_MAX	8192

/*
 * A step sets the trap flag of the thread for one instruction. Nothing else may see it: not a frame of a
 * signal, from which it would come back when nobody expects it. So a signal ends the step before it is
 * taken (wf_step_cancel()), which takes a hook; without it there are no steps. And the hooks stay armed,
 * and the record where it is, until the step has ended.
 */
bool wf_steps_allowed;
static atomic_t wf_steps_open;

/*
 * The current thread has just left the turnstile for what it is made of, at a trap. Have it come back
 * after one instruction. False: it shall not, for this time. View lock held, so that the record stays.
 */
bool wf_step_begin(struct wf_thread *thread)
{
	struct pt_regs *regs = task_pt_regs(current);

	/* A debugger has its own mind. */
	if (!wf_steps_allowed || thread->step_held || regs->flags & X86_EFLAGS_TF ||
	    test_thread_flag(TIF_SINGLESTEP) || test_thread_flag(TIF_BLOCKSTEP))
		return false;
	if (!thread->steps_max)
		thread->steps_max = WF_STEPS_MIN;
	if (thread->steps++ == thread->steps_max) {
		thread->steps_max = min(2 * thread->steps_max, WF_STEPS_MAX);
		thread->steps = 0;
		return false;
	}
	regs->flags |= X86_EFLAGS_TF;
	thread->stepping = true;
	thread->step_held = true;
	atomic_inc(&wf_steps_open);
	wf_hooks_get_again();
	return true;
}

/*
 * pushf and popf, system calls and software interrupts do not go with a single step; no function begins
 * with them, but who knows. Sleeps.
 */
bool wf_step_is_odd(struct wf_process *p, unsigned long ip)
{
	u8 code[2];

	if (wf_ksym(access_remote_vm)(p->mm, ip, code, sizeof(code), FOLL_FORCE) != sizeof(code))
		return true;
	switch (code[0]) {
	case 0x9c:
	case 0x9d:
	case 0xcc:
	case 0xcd:
	case 0xcf:
	case 0xf1:
		return true;
	case 0x0f:
		return code[1] == 0x05 || code[1] == 0x34;
	}
	return false;
}

/* The current thread is going to take a signal. Raw atomic. */
void wf_step_cancel(void)
{
	struct wf_thread *thread;

	if (likely(!atomic_read(&wf_steps_open)))
		return;
	rcu_read_lock();
	thread = wf_thread_find(current);
	if (thread && thread->stepping) {
		thread->stepping = false;
		task_pt_regs(current)->flags &= ~X86_EFLAGS_TF;
		wf_gate_request(thread);
	}
	rcu_read_unlock();
}

/* At the gate after a step, or when the thread does not come back from it. */
void wf_step_forget(struct wf_thread *thread)
{
	if (thread->stepping || !thread->step_held)
		return;
	thread->step_held = false;
	atomic_dec(&wf_steps_open);
	wf_hooks_put();
}

/* The instruction is over. Its gate takes the thread back to the turnstile. As below. */
static int wf_step_end(struct die_args *args)
{
	unsigned long *dr6 = (unsigned long *)ERR_PTR(args->err);
	struct wf_thread *thread;
	bool ours;

	rcu_read_lock();
	thread = wf_thread_find(current);
	ours = thread && thread->stepping && *dr6 & DR_STEP;
	if (ours) {
		thread->stepping = false;
		thread->stepped = true;
		args->regs->flags &= ~X86_EFLAGS_TF;
		*dr6 &= ~DR_STEP;
		wf_gate_request(thread);
	}
	rcu_read_unlock();
	/* A watchpoint of a debugger may have struck as well. */
	return ours && !(*dr6 & DR_TRAP_BITS) ? NOTIFY_STOP : NOTIFY_DONE;
}

/*
 * A trap in user code. Ours are told by the view that the thread is in, so that none is taken for a
 * debugger's, whatever has become of the transition. Interrupts are off; nothing here sleeps.
 */
static int wf_trap(struct notifier_block *block, unsigned long what, void *data)
{
	struct die_args *args = data;
	struct wf_thread *thread;
	struct wf_view *view;

	if (!args->regs || !user_mode(args->regs))
		return NOTIFY_DONE;
	if (what == DIE_DEBUG)
		return wf_step_end(args);
	if (what != DIE_INT3)
		return NOTIFY_DONE;
	thread = wf_thread_of(current);
	view = thread && thread->process->mm == current->mm ? thread->view : NULL;
	if (!view || !view->turnstile || !wf_span_is_entry(view->traps, args->regs->ip - 1))
		return NOTIFY_DONE;
	/* As if it had not been there. The gate is passed before the thread runs on. */
	args->regs->ip--;
	wf_gate_request(thread);
	return NOTIFY_STOP;
}

/* Before uprobes, who take a trap that they do not know for a race of their own. */
static struct notifier_block wf_trap_block = {
	.notifier_call = wf_trap,
	.priority = INT_MAX,
};

int wf_turnstiles_begin(void)
{
	return register_die_notifier(&wf_trap_block);
}

void wf_turnstiles_end(void)
{
	unregister_die_notifier(&wf_trap_block);
}
