/* SPDX-License-Identifier: GPL-2.0 */
/* The hooks: armed while there is a view. */
#ifndef WF_HOOKS_H
#define WF_HOOKS_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/preempt.h>

struct task_struct;

/* Functions that are replaced by a wrapper which calls them. */
enum wf_hook {
	WF_HOOK_COPY_PROCESS,
	WF_HOOK_COPY_THREAD,
	WF_HOOK_EXIT,
	WF_HOOK_EXEC,
	WF_HOOK_FIXUP,
	WF_HOOK_MADVISE,
	WF_HOOK_MPROTECT,
	WF_HOOK_PROCESS_MADVISE,
	WF_HOOK_PMU_MAPPED,
	WF_HOOK_PMU_UNMAPPED,
};

/* A wrapper at work, on its stack: the function that it calls passes the hook. */
struct wf_call {
	struct hlist_node node;
	struct task_struct *task;
	enum wf_hook hook;
};

void wf_call_begin(struct wf_call *call, enum wf_hook hook);
void wf_call_end(struct wf_call *call);

int wf_hooks_init(void);
void wf_hooks_exit(void);
int wf_hooks_get(void);
void wf_hooks_get_again(void);
void wf_hooks_put(void);

/* How many wrappers are at work: none may be when the module goes. */
DECLARE_PER_CPU(long, wf_wrappers);
static inline void wf_wrapper_enter(void)
{
	this_cpu_inc(wf_wrappers);
}

static inline void wf_wrapper_exit(void)
{
	this_cpu_dec(wf_wrappers);
}

/*
 * The next call of flush_tlb_mm_range() on this processor is our wrapper's own. Preemption stays
 * off meanwhile, as it does in most of that function anyway.
 */
DECLARE_PER_CPU(bool, wf_flush_own);
static inline void wf_flush_pass(bool begin)
{
	if (begin)
		preempt_disable();
	__this_cpu_write(wf_flush_own, begin);
	if (!begin)
		preempt_enable();
}

#endif
