// SPDX-License-Identifier: GPL-2.0
/*
 * All hooks: one ftrace_ops for all functions, and what is decided at each. A handler runs in raw
 * atomic context: it looks at registers and at records that need no lock. Where more is to be done,
 * it sends the call to a wrapper, by setting the instruction pointer, and the wrapper calls the
 * function itself.
 *
 * PERMANENT: nobody can switch ftrace off (the sysctl kernel.ftrace_enabled) while hooks are armed.
 * Nobody else may redirect the same functions then (IPMODIFY: livepatch, kprobes with a
 * post-handler, before 6.0 BPF's fentry); what only looks on (perf, kprobes, tracers) works beside us.
 */
#define pr_fmt(fmt) "wfpatch: " fmt

#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/sched/task.h>
#include <linux/workqueue.h>
#include "arch/x86/carrier.h"
#include "arch/x86/perf.h"
#include "coherence.h"
#include "compat.h"
#include "fault.h"
#include "hooks.h"
#include "ksym.h"
#include "madvise.h"
#include "pin.h"
#include "thread.h"
#include "transition.h"
#include "turnstile.h"

DEFINE_PER_CPU(long, wf_wrappers);
DEFINE_PER_CPU(bool, wf_flush_own);

#define WF_CALL_BITS	6
static struct hlist_head wf_calls[1 << WF_CALL_BITS];
static DEFINE_RAW_SPINLOCK(wf_calls_lock);

static struct hlist_head *wf_call_bucket(struct task_struct *task)
{
	return &wf_calls[hash_ptr(task, WF_CALL_BITS)];
}

void wf_call_begin(struct wf_call *call, enum wf_hook hook)
{
	unsigned long flags;

	wf_wrapper_enter();
	call->task = current;
	call->hook = hook;
	raw_spin_lock_irqsave(&wf_calls_lock, flags);
	hlist_add_head(&call->node, wf_call_bucket(current));
	raw_spin_unlock_irqrestore(&wf_calls_lock, flags);
}

void wf_call_end(struct wf_call *call)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&wf_calls_lock, flags);
	hlist_del(&call->node);
	raw_spin_unlock_irqrestore(&wf_calls_lock, flags);
	wf_wrapper_exit();
}

/* Is this call of a hooked function made by the wrapper that stands for it? */
static bool wf_call_is_own(enum wf_hook hook)
{
	struct wf_call *call;
	unsigned long flags;
	bool own = false;

	raw_spin_lock_irqsave(&wf_calls_lock, flags);
	hlist_for_each_entry(call, wf_call_bucket(current), node)
		own |= call->task == current && call->hook == hook;
	raw_spin_unlock_irqrestore(&wf_calls_lock, flags);
	return own;
}

static void wf_redirect(struct pt_regs *regs, void *wrapper)
{
	regs->ip = (unsigned long)wrapper;
}

/* A process with views, by address space. For decisions only: it may end at any time. */
static struct wf_process *wf_hooked(struct mm_struct *mm)
{
	struct wf_process *p;

	if (!mm || !mm_has_notifiers(mm))
		return NULL;
	rcu_read_lock();
	p = wf_process_find(mm);
	if (p && !READ_ONCE(p->nr_live))
		p = NULL;
	rcu_read_unlock();
	return p;
}

/* switch_mm_irqs_off(prev, next, task): a thread in a view gets the view's carrier. */
static void wf_switch_hook(struct pt_regs *regs)
{
	struct mm_struct *next = (struct mm_struct *)regs->si, *carrier;
	struct task_struct *task = (struct task_struct *)regs->dx ?: current;

	if (task->mm != next || !next)
		return;
	carrier = wf_thread_carrier(task);
	if (carrier) {
		wf_carrier_update(carrier, next);
		regs->si = (unsigned long)carrier;
	}
}

/* handle_mm_fault(vma, addr, flags, regs): faults of the processor come with registers. */
static void wf_fault_hook(struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)regs->di;
	struct wf_thread *thread = wf_thread_of(current);

	if (!thread || !regs->cx || thread->in_fault)
		return;
	if (vma->vm_mm == current->mm && vma->vm_mm == thread->process->mm)
		wf_redirect(regs, wf_handle_mm_fault);
}

/* fixup_user_fault(mm, addr, flags, unlocked): for the thread's own memory only */
static void wf_fixup_hook(struct pt_regs *regs)
{
	struct mm_struct *mm = (struct mm_struct *)regs->di;

	if (mm == current->mm && wf_thread_carrier(current) && !wf_call_is_own(WF_HOOK_FIXUP))
		wf_redirect(regs, wf_fixup_user_fault);
}

#if WF_HOOKED_FLUSH
/* flush_tlb_mm_range(mm, start, end, shift, tables) */
static void wf_flush_hook(struct pt_regs *regs)
{
	if (__this_cpu_read(wf_flush_own)) {
		__this_cpu_write(wf_flush_own, false);
		return;
	}
	/* The base changed before: pairs with the barrier in wf_view_list(). */
	smp_mb();
	if (wf_hooked((struct mm_struct *)regs->di))
		wf_redirect(regs, wf_flush_tlb_mm_range);
}
#endif

/* copy_process(pid, trace, node, args) */
static void wf_copy_process_hook(struct pt_regs *regs)
{
	struct kernel_clone_args *args = (struct kernel_clone_args *)regs->cx;

	if (wf_thread_of(current) && args->flags & CLONE_VM &&
	    !wf_call_is_own(WF_HOOK_COPY_PROCESS))
		wf_redirect(regs, wf_copy_process);
}

/* copy_thread(..., task, ...) */
static void wf_copy_thread_hook(struct pt_regs *regs)
{
	struct task_struct *task = wf_copy_thread_task(regs);

	if (wf_thread_of(current) && task->mm && task->mm != current->mm &&
	    !wf_call_is_own(WF_HOOK_COPY_THREAD))
		wf_redirect(regs, wf_copy_thread);
}

/*
 * The end of a thread's life in its address space. The kernel's part comes first: it clears the
 * thread id and walks robust futexes in memory, which the thread sees as its view has it.
 */
static void wf_leave(struct mm_struct *mm)
{
	struct wf_process *p;

	/* Also of a record that is in the base, for a transition. */
	if (wf_thread_leave(current))
		return;
	p = wf_process_find_get(mm);
	if (p) {
		wf_transition_check(p, true);
		wf_process_put(p);
	}
}

static void wf_exit_mm_release(struct task_struct *task, struct mm_struct *mm)
{
	struct wf_call call;

	wf_call_begin(&call, WF_HOOK_EXIT);
	wf_ksym(exit_mm_release)(task, mm);
	wf_leave(mm);
	wf_call_end(&call);
}

static void wf_exec_mm_release(struct task_struct *task, struct mm_struct *mm)
{
	struct wf_call call;

	wf_call_begin(&call, WF_HOOK_EXEC);
	wf_ksym(exec_mm_release)(task, mm);
	wf_leave(mm);
	wf_call_end(&call);
}

/* exit_mm_release(task, mm), exec_mm_release(task, mm) */
static bool wf_release_wanted(struct pt_regs *regs, enum wf_hook hook)
{
	struct wf_process *p;

	if ((struct task_struct *)regs->di != current || wf_call_is_own(hook))
		return false;
	if (wf_thread_of(current))
		return true;
	p = wf_hooked((struct mm_struct *)regs->si);
	return p && READ_ONCE(p->in_transition);
}

static void wf_exit_hook(struct pt_regs *regs)
{
	if (wf_release_wanted(regs, WF_HOOK_EXIT))
		wf_redirect(regs, wf_exit_mm_release);
}

static void wf_exec_hook(struct pt_regs *regs)
{
	if (wf_release_wanted(regs, WF_HOOK_EXEC))
		wf_redirect(regs, wf_exec_mm_release);
}

/* do_madvise(mm, start, len, advice) */
static void wf_madvise_hook(struct pt_regs *regs)
{
	if (wf_madvise_wanted(regs->cx) && wf_hooked((struct mm_struct *)regs->di) &&
	    !wf_call_is_own(WF_HOOK_MADVISE))
		wf_redirect(regs, wf_do_madvise);
}

/* madvise(start, len, advice) and process_madvise(pidfd, ranges, nr, advice, flags) */
static void wf_sys_madvise_hook(struct pt_regs *regs)
{
	const struct pt_regs *args = (const struct pt_regs *)regs->di;

	if (wf_madvise_wanted(args->dx) && wf_hooked(current->mm))
		wf_redirect(regs, wf_sys_madvise);
}

static void wf_sys_madvise32_hook(struct pt_regs *regs)
{
	const struct pt_regs *args = (const struct pt_regs *)regs->di;

	if (wf_madvise_wanted(args->dx) && wf_hooked(current->mm))
		wf_redirect(regs, wf_sys_madvise32);
}

static void wf_process_madvise_hook(struct pt_regs *regs)
{
	const struct pt_regs *args = (const struct pt_regs *)regs->di;

	if (wf_madvise_wanted(args->r10) && wf_hooked(current->mm) &&
	    !wf_call_is_own(WF_HOOK_PROCESS_MADVISE))
		wf_redirect(regs, wf_sys_process_madvise);
}

static void wf_process_madvise32_hook(struct pt_regs *regs)
{
	const struct pt_regs *args = (const struct pt_regs *)regs->di;

	if (wf_madvise_wanted(args->si) && wf_hooked(current->mm) &&
	    !wf_call_is_own(WF_HOOK_PROCESS_MADVISE))
		wf_redirect(regs, wf_sys_process_madvise32);
}

/* mprotect_fixup(..., vma, prev, start, end, flags) */
static void wf_mprotect_hook(struct pt_regs *regs)
{
	struct vm_area_struct *vma = wf_mprotect_vma(regs);

	if (wf_hooked(vma->vm_mm) && !wf_call_is_own(WF_HOOK_MPROTECT))
		wf_redirect(regs, wf_mprotect_fixup);
}

/* In place of the system call: the descriptor table is loaded from the mm that is switched to. */
static long wf_modify_ldt(const struct pt_regs *regs)
{
	return -EOPNOTSUPP;
}

/* modify_ldt(func, ptr, bytecount): 0 and 2 read. The second entry is for 32-bit callers. */
static void wf_ldt_hook(struct pt_regs *regs)
{
	unsigned long func = ((struct pt_regs *)regs->di)->di;

	if (func != 0 && func != 2 && wf_hooked(current->mm))
		wf_redirect(regs, wf_modify_ldt);
}

static void wf_ldt32_hook(struct pt_regs *regs)
{
	u32 func = ((struct pt_regs *)regs->di)->bx;

	if (func != 0 && func != 2 && wf_hooked(current->mm))
		wf_redirect(regs, wf_modify_ldt);
}

/* x86_pmu_event_mapped(event, mm), x86_pmu_event_unmapped(event, mm) */
static void wf_pmu_mapped_hook(struct pt_regs *regs)
{
	if (wf_hooked((struct mm_struct *)regs->si) && !wf_call_is_own(WF_HOOK_PMU_MAPPED))
		wf_redirect(regs, wf_pmu_event_mapped);
}

static void wf_pmu_unmapped_hook(struct pt_regs *regs)
{
	if (wf_hooked((struct mm_struct *)regs->si) && !wf_call_is_own(WF_HOOK_PMU_UNMAPPED))
		wf_redirect(regs, wf_pmu_event_unmapped);
}

/* uprobe_deny_signal(void): called before any signal is taken. No frame is built in a single step. */
static void wf_signal_hook(struct pt_regs *regs)
{
	wf_step_cancel();
}

/* nmi_uaccess_okay(void): any context */
static void wf_nmi_uaccess_hook(struct pt_regs *regs)
{
	if (wf_nmi_uaccess_wanted())
		wf_redirect(regs, wf_nmi_uaccess_okay);
}

static const struct wf_hook_entry {
	const char *symbol;
	void (*handler)(struct pt_regs *regs);
	bool optional;
} wf_hook_table[] = {
	{ "switch_mm_irqs_off", wf_switch_hook },
	{ "handle_mm_fault", wf_fault_hook },
	{ "fixup_user_fault", wf_fixup_hook },
#if WF_HOOKED_FLUSH
	{ "flush_tlb_mm_range", wf_flush_hook },
#endif
	{ "copy_process", wf_copy_process_hook },
	{ "copy_thread", wf_copy_thread_hook },
	{ "exit_mm_release", wf_exit_hook },
	{ "exec_mm_release", wf_exec_hook },
	{ "do_madvise", wf_madvise_hook },
	{ "__x64_sys_madvise", wf_sys_madvise_hook },
	{ "__ia32_sys_madvise", wf_sys_madvise32_hook, true },
	{ "__x64_sys_process_madvise", wf_process_madvise_hook, true },
	{ "__ia32_sys_process_madvise", wf_process_madvise32_hook, true },
	{ "mprotect_fixup", wf_mprotect_hook },
	{ "__x64_sys_modify_ldt", wf_ldt_hook, true },
	{ "__ia32_sys_modify_ldt", wf_ldt32_hook, true },
	{ "x86_pmu_event_mapped", wf_pmu_mapped_hook, true },
	{ "x86_pmu_event_unmapped", wf_pmu_unmapped_hook, true },
	{ "nmi_uaccess_okay", wf_nmi_uaccess_hook, true },
	{ "uprobe_deny_signal", wf_signal_hook, true },
};

/* The hooks that this kernel has, hashed by the address that ftrace calls from. Set at load only. */
#define WF_SLOT_BITS	6
static struct wf_hook_slot {
	unsigned long ip;
	const struct wf_hook_entry *hook;
} wf_hook_slots[1 << WF_SLOT_BITS];
static_assert(ARRAY_SIZE(wf_hook_table) <= ARRAY_SIZE(wf_hook_slots) / 2);

/* The slot of @ip, or the free one that it may have. */
static struct wf_hook_slot *wf_hook_slot(unsigned long ip)
{
	unsigned int i = hash_long(ip, WF_SLOT_BITS);

	while (wf_hook_slots[i].ip && wf_hook_slots[i].ip != ip)
		i = (i + 1) % ARRAY_SIZE(wf_hook_slots);
	return &wf_hook_slots[i];
}

static void notrace wf_hook_call(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
				 WF_FTRACE_ARGS *args)
{
	const struct wf_hook_entry *hook;

	preempt_disable_notrace();
	hook = wf_hook_slot(ip)->hook;
	if (!WARN_ON_ONCE(!hook))
		hook->handler(wf_ftrace_regs(args));
	preempt_enable_notrace();
}

#define WF_HOOK_FLAGS	(FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY |	\
			 FTRACE_OPS_FL_PERMANENT | WF_FTRACE_NO_RECURSION)

static struct ftrace_ops wf_hooks = { .func = wf_hook_call, .flags = WF_HOOK_FLAGS };

static const int *wf_ftrace_enabled;	/* the sysctl of that name */

static DEFINE_MUTEX(wf_hooks_mutex);
static atomic_t wf_hooks_users;		/* leaves 0 under wf_hooks_mutex only */
static bool wf_hooks_on;		/* wf_hooks_mutex */
static bool wf_hooks_stay;		/* the same: they cannot be disarmed, nor the module unloaded */

static void notrace wf_hook_nothing(unsigned long ip, unsigned long parent,
				    struct ftrace_ops *ops, WF_FTRACE_ARGS *args)
{
}

/* Which function is it that we may not redirect? Each is tried alone, which takes a while. */
static void wf_hooks_explain(void)
{
	static struct ftrace_ops alone = { .func = wf_hook_nothing, .flags = WF_HOOK_FLAGS };
	static DEFINE_RATELIMIT_STATE(often, 10 * HZ, 1);
	unsigned int i;

	if (!__ratelimit(&often))
		return;
	for (i = 0; i < ARRAY_SIZE(wf_hook_slots); i++) {
		const struct wf_hook_slot *slot = &wf_hook_slots[i];
		int ret;

		if (!slot->ip || ftrace_set_filter_ip(&alone, slot->ip, 0, 1))
			continue;
		ret = register_ftrace_function(&alone);
		if (!ret)
			unregister_ftrace_function(&alone);
		else if (ret == -EBUSY)
			pr_err("cannot redirect %s: someone else does already; see /sys/kernel/livepatch, and who has a probe with a post-handler or a BPF program there\n",
			       slot->hook->symbol);
	}
	ftrace_set_filter(&alone, NULL, 0, 1);
}

static int wf_hooks_arm(void)
{
	int ret, tries = 0;

	/* A BPF program at one of the functions may be coming or going just now. */
	do {
		ret = register_ftrace_function(&wf_hooks);
	} while (ret == -EAGAIN && tries++ < 1000);
	if (!ret) {
		ret = wf_turnstiles_begin();
		if (ret) {
			unregister_ftrace_function(&wf_hooks);
			return ret;
		}
		preempt_notifier_inc();
		wf_hooks_on = true;
		return 0;
	}
	if (ret == -ENOMEM)
		return ret;
	if (wf_ftrace_enabled && !READ_ONCE(*wf_ftrace_enabled))
		pr_err_ratelimited("the kernel's functions cannot be hooked: ftrace is switched off (the sysctl kernel.ftrace_enabled is 0)\n");
	else if (ret == -EBUSY)
		wf_hooks_explain();
	else
		pr_err_ratelimited("the kernel's functions cannot be hooked: ftrace gives error %d\n",
				   ret);
	return -EIO;
}

/* False: ftrace has found a fault of its own and changes no hook any more. Ours stay for ever. */
static bool wf_hooks_off(void)
{
	if (!wf_hooks_on)
		return true;
	if (unregister_ftrace_function(&wf_hooks))
		return false;
	preempt_notifier_dec();
	wf_turnstiles_end();
	wf_hooks_on = false;
	return true;
}

/* A work item, and a little later, because who deletes one view may create the next. */
static void wf_hooks_idle(struct work_struct *work)
{
	mutex_lock(&wf_hooks_mutex);
	if (!atomic_read(&wf_hooks_users) && !wf_hooks_off() && !wf_hooks_stay) {
		pr_err("the hooks cannot be disarmed: ftrace has shut itself down, see the log above; the module stays loaded\n");
		__module_get(THIS_MODULE);
		wf_hooks_stay = true;
	}
	mutex_unlock(&wf_hooks_mutex);
}

static DECLARE_DELAYED_WORK(wf_hooks_work, wf_hooks_idle);

/*
 * The hooks are armed until the matching wf_hooks_put(). Every view holds such a reference, and
 * nothing else does for longer than a request: nothing is hooked without a view (invariant 8).
 * Sleeps.
 */
int wf_hooks_get(void)
{
	int ret = 0;

	mutex_lock(&wf_hooks_mutex);
	if (!wf_hooks_on)
		ret = wf_hooks_arm();
	if (!ret)
		wf_hooks_get_again();
	mutex_unlock(&wf_hooks_mutex);
	return ret;
}

/* The caller has a reference already. */
void wf_hooks_get_again(void)
{
	atomic_inc(&wf_hooks_users);
}

void wf_hooks_put(void)
{
	if (atomic_dec_and_test(&wf_hooks_users))
		schedule_delayed_work(&wf_hooks_work, 2 * HZ);
}

/* Where ftrace calls from in each function: at its beginning, or behind a landing pad there. */
static int wf_hooks_find(void)
{
	const struct wf_hook_entry *hook;

	for (hook = wf_hook_table; hook < wf_hook_table + ARRAY_SIZE(wf_hook_table); hook++) {
		unsigned long addr = wf_ksym_address(hook->symbol);
		unsigned long ip = addr ? wf_ksym(ftrace_location)(addr) : 0;
		struct wf_hook_slot *slot;
		int ret;

		if (!addr && hook->optional)
			continue;
		if (!addr || !ip) {
			pr_err("this kernel has no function %s%s\n", hook->symbol,
			       addr ? " that ftrace can hook" : "");
			return -ENOENT;
		}
		slot = wf_hook_slot(ip);
		if (slot->ip) {
			pr_err("the functions %s and %s are one\n", hook->symbol,
			       slot->hook->symbol);
			return -EINVAL;
		}
		ret = ftrace_set_filter_ip(&wf_hooks, ip, 0, 0);
		if (ret)
			return ret;
		*slot = (struct wf_hook_slot){ .ip = ip, .hook = hook };
		if (hook->handler == wf_signal_hook)
			wf_steps_allowed = true;
	}
	return 0;
}

/* See that everything can be hooked. */
int wf_hooks_init(void)
{
	int ret = wf_hooks_find();

	wf_ftrace_enabled = (const int *)wf_ksym_address("ftrace_enabled");
	if (!ret) {
		mutex_lock(&wf_hooks_mutex);
		ret = wf_hooks_arm();
		if (!ret && !wf_hooks_off())
			ret = -EIO;
		mutex_unlock(&wf_hooks_mutex);
	}
	if (ret)
		ftrace_set_filter(&wf_hooks, NULL, 0, 1);
	return ret;
}

/* No view is left. After this nothing of the module runs but what unloads it. */
void wf_hooks_exit(void)
{
	int cpu;
	long n;

	cancel_delayed_work_sync(&wf_hooks_work);
	while (!wf_hooks_off()) {
		pr_err_ratelimited("cannot be unloaded: ftrace has shut itself down, and the hooks stay\n");
		schedule_timeout_uninterruptible(10 * HZ);
	}
	ftrace_set_filter(&wf_hooks, NULL, 0, 1);
	/* Who was sent to a wrapper but has not counted itself there has not slept since. */
	synchronize_rcu_tasks();
	do {
		n = 0;
		for_each_possible_cpu(cpu)
			n += READ_ONCE(per_cpu(wf_wrappers, cpu));
		if (n)
			schedule_timeout_uninterruptible(1);
	} while (n);
	/* And who has counted itself out but not returned. */
	synchronize_rcu_tasks();
}
