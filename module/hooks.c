// SPDX-License-Identifier: GPL-2.0
/*
 * All kprobes, and what their handlers decide. A handler runs in raw atomic context: it looks at
 * registers and at records that need no lock. Where more is to be done, it sends the call to a
 * wrapper, by setting the instruction pointer, and the wrapper calls the function itself.
 *
 * A probe with a post-handler is one that may change the instruction pointer: without, the kernel
 * would take a jump-optimized probe or an ftrace hook that cannot.
 */
#define pr_fmt(fmt) "wfpatch: " fmt

#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
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

/* Is this call of a probed function made by the wrapper that stands for it? */
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

static int wf_redirect(struct pt_regs *regs, void *wrapper)
{
	regs->ip = (unsigned long)wrapper;
	return 1;
}

static void wf_post(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
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
static int wf_switch_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct mm_struct *next = (struct mm_struct *)regs->si, *carrier;
	struct task_struct *task = (struct task_struct *)regs->dx ?: current;

	if (task->mm != next || !next)
		return 0;
	carrier = wf_thread_carrier(task);
	if (carrier) {
		wf_carrier_update(carrier, next);
		regs->si = (unsigned long)carrier;
	}
	return 0;
}

/* handle_mm_fault(vma, addr, flags, regs): faults of the processor come with registers. */
static int wf_fault_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)regs->di;
	struct wf_thread *thread = wf_thread_of(current);

	if (!thread || !regs->cx || thread->in_fault)
		return 0;
	if (vma->vm_mm != current->mm || vma->vm_mm != thread->view->process->mm)
		return 0;
	return wf_redirect(regs, wf_handle_mm_fault);
}

/* fixup_user_fault(mm, addr, flags, unlocked): for the thread's own memory only */
static int wf_fixup_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct mm_struct *mm = (struct mm_struct *)regs->di;

	if (mm != current->mm || !wf_thread_carrier(current) || wf_call_is_own(WF_HOOK_FIXUP))
		return 0;
	return wf_redirect(regs, wf_fixup_user_fault);
}

#if WF_PROBE_FLUSH
/* flush_tlb_mm_range(mm, start, end, shift, tables) */
static int wf_flush_pre(struct kprobe *probe, struct pt_regs *regs)
{
	if (__this_cpu_read(wf_flush_own)) {
		__this_cpu_write(wf_flush_own, false);
		return 0;
	}
	/* The base changed before: pairs with the barrier in wf_view_list(). */
	smp_mb();
	if (!wf_hooked((struct mm_struct *)regs->di))
		return 0;
	return wf_redirect(regs, wf_flush_tlb_mm_range);
}
#endif

/* copy_process(pid, trace, node, args) */
static int wf_copy_process_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct kernel_clone_args *args = (struct kernel_clone_args *)regs->cx;

	if (!wf_thread_of(current) || !(args->flags & CLONE_VM) ||
	    wf_call_is_own(WF_HOOK_COPY_PROCESS))
		return 0;
	return wf_redirect(regs, wf_copy_process);
}

/* copy_thread(..., task, ...) */
static int wf_copy_thread_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct task_struct *task = wf_copy_thread_task(regs);

	if (!wf_thread_of(current) || !task->mm || task->mm == current->mm ||
	    wf_call_is_own(WF_HOOK_COPY_THREAD))
		return 0;
	return wf_redirect(regs, wf_copy_thread);
}

/*
 * The end of a thread's life in its address space. The kernel's part comes first: it clears the
 * thread id and walks robust futexes in memory, which the thread sees as its view has it.
 */
static void wf_leave(struct mm_struct *mm)
{
	struct wf_process *p;

	if (wf_thread_of(current)) {
		wf_thread_leave(current);
		return;
	}
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

static int wf_exit_pre(struct kprobe *probe, struct pt_regs *regs)
{
	if (!wf_release_wanted(regs, WF_HOOK_EXIT))
		return 0;
	return wf_redirect(regs, wf_exit_mm_release);
}

static int wf_exec_pre(struct kprobe *probe, struct pt_regs *regs)
{
	if (!wf_release_wanted(regs, WF_HOOK_EXEC))
		return 0;
	return wf_redirect(regs, wf_exec_mm_release);
}

/* do_madvise(mm, start, len, advice) */
static int wf_madvise_pre(struct kprobe *probe, struct pt_regs *regs)
{
	if (!wf_madvise_wanted(regs->cx) || !wf_hooked((struct mm_struct *)regs->di) ||
	    wf_call_is_own(WF_HOOK_MADVISE))
		return 0;
	return wf_redirect(regs, wf_do_madvise);
}

/* madvise(start, len, advice) and process_madvise(pidfd, ranges, nr, advice, flags) */
static int wf_sys_madvise_pre(struct kprobe *probe, struct pt_regs *regs)
{
	const struct pt_regs *args = (const struct pt_regs *)regs->di;

	if (!wf_madvise_wanted(args->dx) || !wf_hooked(current->mm))
		return 0;
	return wf_redirect(regs, wf_sys_madvise);
}

static int wf_sys_madvise32_pre(struct kprobe *probe, struct pt_regs *regs)
{
	const struct pt_regs *args = (const struct pt_regs *)regs->di;

	if (!wf_madvise_wanted(args->dx) || !wf_hooked(current->mm))
		return 0;
	return wf_redirect(regs, wf_sys_madvise32);
}

static int wf_process_madvise_pre(struct kprobe *probe, struct pt_regs *regs)
{
	const struct pt_regs *args = (const struct pt_regs *)regs->di;

	if (!wf_madvise_wanted(args->r10) || !wf_hooked(current->mm) ||
	    wf_call_is_own(WF_HOOK_PROCESS_MADVISE))
		return 0;
	return wf_redirect(regs, wf_sys_process_madvise);
}

static int wf_process_madvise32_pre(struct kprobe *probe, struct pt_regs *regs)
{
	const struct pt_regs *args = (const struct pt_regs *)regs->di;

	if (!wf_madvise_wanted(args->si) || !wf_hooked(current->mm) ||
	    wf_call_is_own(WF_HOOK_PROCESS_MADVISE))
		return 0;
	return wf_redirect(regs, wf_sys_process_madvise32);
}

/* mprotect_fixup(..., vma, prev, start, end, flags) */
static int wf_mprotect_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct vm_area_struct *vma = wf_mprotect_vma(regs);

	if (!wf_hooked(vma->vm_mm) || wf_call_is_own(WF_HOOK_MPROTECT))
		return 0;
	return wf_redirect(regs, wf_mprotect_fixup);
}

/* In place of the system call: the descriptor table is loaded from the mm that is switched to. */
static long wf_modify_ldt(const struct pt_regs *regs)
{
	return -EOPNOTSUPP;
}

/* modify_ldt(func, ptr, bytecount): 0 and 2 read. The second entry is for 32-bit callers. */
static int wf_ldt_pre(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long func = ((struct pt_regs *)regs->di)->di;

	if (func == 0 || func == 2 || !wf_hooked(current->mm))
		return 0;
	return wf_redirect(regs, wf_modify_ldt);
}

static int wf_ldt32_pre(struct kprobe *probe, struct pt_regs *regs)
{
	u32 func = ((struct pt_regs *)regs->di)->bx;

	if (func == 0 || func == 2 || !wf_hooked(current->mm))
		return 0;
	return wf_redirect(regs, wf_modify_ldt);
}

/* x86_pmu_event_mapped(event, mm), x86_pmu_event_unmapped(event, mm) */
static int wf_pmu_mapped_pre(struct kprobe *probe, struct pt_regs *regs)
{
	if (!wf_hooked((struct mm_struct *)regs->si) || wf_call_is_own(WF_HOOK_PMU_MAPPED))
		return 0;
	return wf_redirect(regs, wf_pmu_event_mapped);
}

static int wf_pmu_unmapped_pre(struct kprobe *probe, struct pt_regs *regs)
{
	if (!wf_hooked((struct mm_struct *)regs->si) || wf_call_is_own(WF_HOOK_PMU_UNMAPPED))
		return 0;
	return wf_redirect(regs, wf_pmu_event_unmapped);
}

/* nmi_uaccess_okay(void): any context. When a probe of someone else is interrupted, it is missed. */
static int wf_nmi_uaccess_pre(struct kprobe *probe, struct pt_regs *regs)
{
	return wf_nmi_uaccess_wanted() ? wf_redirect(regs, wf_nmi_uaccess_okay) : 0;
}

static const struct {
	const char *symbol;
	kprobe_pre_handler_t pre;
	bool optional;
} wf_hook_table[] = {
	{ "switch_mm_irqs_off", wf_switch_pre },
	{ "handle_mm_fault", wf_fault_pre },
	{ "fixup_user_fault", wf_fixup_pre },
#if WF_PROBE_FLUSH
	{ "flush_tlb_mm_range", wf_flush_pre },
#endif
	{ "copy_process", wf_copy_process_pre },
	{ "copy_thread", wf_copy_thread_pre },
	{ "exit_mm_release", wf_exit_pre },
	{ "exec_mm_release", wf_exec_pre },
	{ "do_madvise", wf_madvise_pre },
	{ "__x64_sys_madvise", wf_sys_madvise_pre },
	{ "__ia32_sys_madvise", wf_sys_madvise32_pre, true },
	{ "__x64_sys_process_madvise", wf_process_madvise_pre, true },
	{ "__ia32_sys_process_madvise", wf_process_madvise32_pre, true },
	{ "mprotect_fixup", wf_mprotect_pre },
	{ "__x64_sys_modify_ldt", wf_ldt_pre, true },
	{ "__ia32_sys_modify_ldt", wf_ldt32_pre, true },
	{ "x86_pmu_event_mapped", wf_pmu_mapped_pre, true },
	{ "x86_pmu_event_unmapped", wf_pmu_unmapped_pre, true },
	{ "nmi_uaccess_okay", wf_nmi_uaccess_pre, true },
};

#define WF_NR_HOOKS	ARRAY_SIZE(wf_hook_table)

static struct kprobe wf_probes[WF_NR_HOOKS];
static bool wf_hook_present[WF_NR_HOOKS];
static const bool *wf_kprobes_disarmed;	/* kprobes/enabled in debugfs, inverted */
static const int *wf_ftrace_enabled;	/* the sysctl of that name */

static DEFINE_MUTEX(wf_hooks_mutex);
static atomic_t wf_hooks_users;		/* leaves 0 under wf_hooks_mutex only */
static bool wf_hooks_on;		/* wf_hooks_mutex */

/* Take back the first @n probes. */
static void wf_hooks_unregister(unsigned int n)
{
	struct kprobe *probes[WF_NR_HOOKS];
	unsigned int i, count = 0;

	for (i = 0; i < n; i++)
		if (wf_hook_present[i])
			probes[count++] = &wf_probes[i];
	unregister_kprobes(probes, count);
}

static void wf_hooks_off(void)
{
	if (!wf_hooks_on)
		return;
	wf_hooks_unregister(WF_NR_HOOKS);
	preempt_notifier_dec();
	wf_hooks_on = false;
}

/*
 * Is there a probe of someone else that ours would join? The kernel armed it as one that does not
 * change the instruction pointer, and would not do it again for ours.
 */
static bool wf_hook_is_taken(unsigned int i)
{
	unsigned long addr = wf_ksym_address(wf_hook_table[i].symbol);
	struct kprobe *probe;
	bool taken;

	/* A probe at an entry that ftrace can hook is found a few bytes behind it, or at it. */
	addr = wf_ksym(ftrace_location)(addr) ?: addr;
	preempt_disable();
	probe = wf_ksym(get_kprobe)((void *)addr);
	taken = probe && !probe->post_handler;
	preempt_enable();
	return taken;
}

static int wf_hooks_arm(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < WF_NR_HOOKS; i++) {
		if (!wf_hook_present[i])
			continue;
		wf_probes[i] = (struct kprobe){
			.symbol_name = wf_hook_table[i].symbol,
			.pre_handler = wf_hook_table[i].pre,
			.post_handler = wf_post,
		};
		ret = wf_hook_is_taken(i) ? -EBUSY : register_kprobe(&wf_probes[i]);
		if (ret) {
			pr_err_ratelimited("cannot probe %s: error %d; is it probed or redirected by someone else (perf, bpf, livepatch)?\n",
					   wf_hook_table[i].symbol, ret);
			wf_hooks_unregister(i);
			return -EIO;
		}
	}
	preempt_notifier_inc();
	wf_hooks_on = true;
	if (!wf_hooks_armed()) {
		pr_err_ratelimited("the probes do not work: they are disabled (see kprobes/enabled in debugfs and the sysctl kernel.ftrace_enabled)\n");
		wf_hooks_off();
		return -EIO;
	}
	return 0;
}

/* Are the probes in force? Administrators can disable all of them. Cheap; any context. */
bool wf_hooks_armed(void)
{
	return !(wf_kprobes_disarmed && READ_ONCE(*wf_kprobes_disarmed)) &&
	       !(wf_ftrace_enabled && !READ_ONCE(*wf_ftrace_enabled));
}

/* A little later, because who deletes one view may create the next. */
static void wf_hooks_idle(struct work_struct *work)
{
	mutex_lock(&wf_hooks_mutex);
	if (!atomic_read(&wf_hooks_users))
		wf_hooks_off();
	mutex_unlock(&wf_hooks_mutex);
}

static DECLARE_DELAYED_WORK(wf_hooks_work, wf_hooks_idle);

/*
 * The probes are armed until the matching wf_hooks_put(). Every view holds such a reference, and
 * nothing else does for longer than a request: nothing is hooked without a view (invariant 8).
 * Sleeps.
 */
int wf_hooks_get(void)
{
	int ret = 0;

	mutex_lock(&wf_hooks_mutex);
	if (!wf_hooks_on)
		ret = wf_hooks_arm();
	else if (!wf_hooks_armed())
		ret = -EIO;
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

/* See that every probe can be set. */
int wf_hooks_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < WF_NR_HOOKS; i++) {
		wf_hook_present[i] = wf_ksym_address(wf_hook_table[i].symbol);
		if (!wf_hook_present[i] && !wf_hook_table[i].optional) {
			pr_err("this kernel has no function %s\n", wf_hook_table[i].symbol);
			return -ENOENT;
		}
	}
	wf_kprobes_disarmed = (const bool *)wf_ksym_address("kprobes_all_disarmed");
	wf_ftrace_enabled = (const int *)wf_ksym_address("ftrace_enabled");
	mutex_lock(&wf_hooks_mutex);
	ret = wf_hooks_arm();
	wf_hooks_off();
	mutex_unlock(&wf_hooks_mutex);
	return ret;
}

/* No view is left. After this nothing of the module runs but what unloads it. */
void wf_hooks_exit(void)
{
	int cpu;
	long n;

	cancel_delayed_work_sync(&wf_hooks_work);
	wf_hooks_off();
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
