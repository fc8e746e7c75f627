/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel functions that are not exported. They are called by static calls, never through pointers:
 * on kernels with Indirect Branch Tracking their landing pads may be sealed.
 */
#ifndef WF_KSYM_H
#define WF_KSYM_H

#include <linux/mm.h>
#include <linux/sched/task.h>
#include <linux/static_call.h>
#include <linux/task_work.h>
#include <linux/wait.h>
#include "compat.h"

struct file;
struct perf_event;
struct pid;
struct pt_regs;

/* Without it there are no memfds. */
#ifdef CONFIG_MEMFD_CREATE
#define WF_KSYMS_MEMFD(X)									\
	X(long, memfd_fcntl, (struct file *file, unsigned int cmd, WF_MEMFD_FCNTL_ARG arg))
#else
#define WF_KSYMS_MEMFD(X)
#endif

/* X(return type, name, parameters): one line for each function */
#define WF_KSYMS(X)										\
	X(void, switch_mm_irqs_off, (struct mm_struct *prev, struct mm_struct *next,		\
				     struct task_struct *task))					\
	X(void, flush_tlb_mm_range, (struct mm_struct *mm, unsigned long start,			\
				     unsigned long end, unsigned int shift, bool tables))	\
	X(struct mm_struct *, mm_alloc, (void))							\
	X(int, access_remote_vm, (struct mm_struct *mm, unsigned long addr, void *buf, int len,	\
				  unsigned int flags))						\
	X(struct task_struct *, copy_process, (struct pid *pid, int trace, int node,		\
					       struct kernel_clone_args *args))			\
	X(int, copy_thread, (WF_COPY_THREAD_PARAMETERS))	\
	X(void, exit_mm_release, (struct task_struct *task, struct mm_struct *mm))		\
	X(void, exec_mm_release, (struct task_struct *task, struct mm_struct *mm))		\
	X(int, do_madvise, (struct mm_struct *mm, unsigned long start, size_t len,		\
			    int advice))							\
	X(int, mprotect_fixup, (WF_MPROTECT_PARAMETERS))		\
	X(int, fixup_user_fault, (struct mm_struct *mm, unsigned long addr,			\
				  unsigned int flags, bool *unlocked))				\
	X(unsigned long, ftrace_location, (unsigned long ip))					\
	X(bool, task_work_cancel, (struct task_struct *task, struct callback_head *work))	\
	WF_TASK_CALL_KSYM(X)									\
	X(struct mm_struct *, mm_access, (struct task_struct *task, unsigned int mode))		\
	X(struct pid *, pidfd_pid, (const struct file *file))					\
	WF_KSYMS_MEMFD(X)									\
	X(void, cr4_update_pce, (void *unused))

/* Those that only a hook on the function itself leads to: not called where there is none. */
#define WF_KSYMS_OPTIONAL(X)									\
	X(long, __x64_sys_process_madvise, (const struct pt_regs *regs))			\
	X(long, __ia32_sys_process_madvise, (const struct pt_regs *regs))			\
	X(void, x86_pmu_event_mapped, (struct perf_event *event, struct mm_struct *mm))		\
	X(void, x86_pmu_event_unmapped, (struct perf_event *event, struct mm_struct *mm))

#define WF_KSYM_DECLARE(type, name, parameters)		\
	type wf_proto_##name parameters;		\
	DECLARE_STATIC_CALL(wf_##name, wf_proto_##name);
WF_KSYMS(WF_KSYM_DECLARE)
WF_KSYMS_OPTIONAL(WF_KSYM_DECLARE)
#undef WF_KSYM_DECLARE

/* Call the kernel's function @name. */
#define wf_ksym(name)	static_call(wf_##name)

int wf_ksym_init(void);

/* The address of any kernel symbol, 0 if there is none. For hooks and data, not for calls. */
unsigned long wf_ksym_address(const char *name);

#endif
