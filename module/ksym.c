// SPDX-License-Identifier: GPL-2.0
/*
 * Finds kernel functions that are not exported. kallsyms_lookup_name() itself is found with a
 * kprobe that is set but not armed. Runs once, at load, before anything else may use the results.
 */
#define pr_fmt(fmt) "wfpatch: " fmt

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/memfd.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <asm/cpufeature.h>
#include <asm/mmu_context.h>
#include "ksym.h"

/* What the kernel's headers declare must be what we call. */
#define WF_SAME(name)	static_assert(__same_type(name, wf_proto_##name), #name)
WF_SAME(switch_mm_irqs_off);
WF_SAME(mm_alloc);
WF_SAME(access_remote_vm);
WF_SAME(copy_thread);
WF_SAME(exit_mm_release);
WF_SAME(exec_mm_release);
WF_SAME(do_madvise);
WF_SAME(mprotect_fixup);
WF_SAME(fixup_user_fault);
WF_SAME(ftrace_location);
WF_SAME(mm_access);
WF_SAME(pidfd_pid);
#ifdef CONFIG_MEMFD_CREATE
WF_SAME(memfd_fcntl);
#endif
WF_SAME(task_work_cancel);

/* kallsyms_lookup_name() */
DEFINE_STATIC_CALL_NULL(wf_lookup, wf_ksym_address);

#define WF_KSYM_DEFINE(type, name, parameters) DEFINE_STATIC_CALL_NULL(wf_##name, wf_proto_##name);
WF_KSYMS(WF_KSYM_DEFINE)
WF_KSYMS_OPTIONAL(WF_KSYM_DEFINE)

unsigned long wf_ksym_address(const char *name)
{
	return static_call(wf_lookup)(name);
}

static int wf_ksym_find_lookup(void)
{
	/* Never armed. (And with ftrace switched off, to arm it would be the end of ftrace.) */
	struct kprobe probe = {
		.symbol_name = "kallsyms_lookup_name",
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long (*lookup)(const char *name);
	int ret;

	ret = register_kprobe(&probe);
	if (ret) {
		pr_err("cannot probe kallsyms_lookup_name: error %d; the kernel needs CONFIG_KPROBES and CONFIG_KALLSYMS, and must not be locked down\n",
		       ret);
		return ret;
	}
	unregister_kprobe(&probe);

	/* A probe on a function with a landing pad lies behind it: functions are aligned to 16. */
	lookup = (void *)((unsigned long)probe.addr & ~4UL);
	static_call_update(wf_lookup, lookup);
	return 0;
}

/* 5.10 checks that the pointer has exactly the type of the call. */
#define WF_KSYM_FIND(type, name, parameters)						\
	do {										\
		type (*target)parameters = (void *)wf_ksym_address(#name);		\
											\
		if (!target) {								\
			pr_err("this kernel has no function %s\n", #name);		\
			return -ENOENT;							\
		}									\
		static_call_update(wf_##name, target);					\
	} while (0);

#define WF_KSYM_TRY(type, name, parameters)						\
	do {										\
		type (*target)parameters = (void *)wf_ksym_address(#name);		\
											\
		if (target)								\
			static_call_update(wf_##name, target);				\
	} while (0);

int wf_ksym_init(void)
{
	int ret = wf_ksym_find_lookup();

	if (ret)
		return ret;
	WF_KSYMS(WF_KSYM_FIND)
	WF_KSYMS_OPTIONAL(WF_KSYM_TRY)
	return 0;
}
