/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints: what views do. @mm names the process; addresses are user addresses. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM wfpatch

#if !defined(WF_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define WF_TRACE_H

#include <linux/tracepoint.h>

#ifndef WF_TRACE_ACTIONS
#define WF_TRACE_ACTIONS
/* What happened to an overlay page. */
enum wf_trace_action {
	WF_TRACE_MAKE,
	WF_TRACE_COPY,
	WF_TRACE_DROP,
};
#endif

TRACE_EVENT(wfpatch_create,
	TP_PROTO(struct mm_struct *mm, u32 view, u32 parent),
	TP_ARGS(mm, view, parent),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(u32, view)
		__field(u32, parent)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->view = view;
		__entry->parent = parent;
	),
	TP_printk("mm=%p view=%u parent=%u", __entry->mm, __entry->view, __entry->parent)
);

TRACE_EVENT(wfpatch_delete,
	TP_PROTO(struct mm_struct *mm, u32 view, unsigned int threads),
	TP_ARGS(mm, view, threads),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(u32, view)
		__field(unsigned int, threads)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->view = view;
		__entry->threads = threads;
	),
	TP_printk("mm=%p view=%u threads=%u", __entry->mm, __entry->view, __entry->threads)
);

TRACE_EVENT(wfpatch_migrate,
	TP_PROTO(struct mm_struct *mm, u32 from, u32 to),
	TP_ARGS(mm, from, to),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(u32, from)
		__field(u32, to)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("mm=%p from=%u to=%u", __entry->mm, __entry->from, __entry->to)
);

TRACE_EVENT(wfpatch_overlay,
	TP_PROTO(struct mm_struct *mm, u32 view, unsigned long addr, int action),
	TP_ARGS(mm, view, addr, action),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(u32, view)
		__field(unsigned long, addr)
		__field(int, action)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->view = view;
		__entry->addr = addr;
		__entry->action = action;
	),
	TP_printk("mm=%p view=%u addr=%#lx %s", __entry->mm, __entry->view, __entry->addr,
		  __print_symbolic(__entry->action, { WF_TRACE_MAKE, "make" },
				   { WF_TRACE_COPY, "copy" }, { WF_TRACE_DROP, "drop" }))
);

TRACE_EVENT(wfpatch_sync,
	TP_PROTO(struct mm_struct *mm, u32 view, unsigned long addr),
	TP_ARGS(mm, view, addr),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(u32, view)
		__field(unsigned long, addr)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->view = view;
		__entry->addr = addr;
	),
	TP_printk("mm=%p view=%u addr=%#lx", __entry->mm, __entry->view, __entry->addr)
);

TRACE_EVENT(wfpatch_revalidate,
	TP_PROTO(struct mm_struct *mm, u32 view, unsigned long start, unsigned long end,
		 bool changed),
	TP_ARGS(mm, view, start, end, changed),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(u32, view)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(bool, changed)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->view = view;
		__entry->start = start;
		__entry->end = end;
		__entry->changed = changed;
	),
	TP_printk("mm=%p view=%u start=%#lx end=%#lx%s", __entry->mm, __entry->view,
		  __entry->start, __entry->end, __entry->changed ? " changed" : "")
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
