/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: what views do. @mm names the process; addresses are user addresses. @tgid and @tid are
 * those of the process and thread concerned, in the initial pid namespace: who causes an event may be
 * another, or a worker. tools/wfpatch/trace.h repeats the layout of all events.
 */
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

/* How a transition ended: every thread came over; another took its place; nobody waits any more. */
enum wf_trace_end {
	WF_TRACE_DONE,
	WF_TRACE_CANCELLED,
	WF_TRACE_ABANDONED,
};

/* Where a transition moved a thread: at a point of its own, in its sleep, at its gate, at a trap. */
enum wf_trace_how {
	WF_TRACE_POINT,
	WF_TRACE_ASLEEP,
	WF_TRACE_GATE,
	WF_TRACE_TRAP,
};
#endif

TRACE_EVENT(wfpatch_create,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, u32 view, u32 parent),
	TP_ARGS(mm, tgid, view, parent),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(u32, view)
		__field(u32, parent)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->view = view;
		__entry->parent = parent;
	),
	TP_printk("mm=%p tgid=%d view=%u parent=%u", __entry->mm, __entry->tgid, __entry->view,
		  __entry->parent)
);

TRACE_EVENT(wfpatch_delete,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, u32 view, unsigned int threads),
	TP_ARGS(mm, tgid, view, threads),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(u32, view)
		__field(unsigned int, threads)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->view = view;
		__entry->threads = threads;
	),
	TP_printk("mm=%p tgid=%d view=%u threads=%u", __entry->mm, __entry->tgid, __entry->view,
		  __entry->threads)
);

TRACE_EVENT(wfpatch_migrate,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, pid_t tid, u32 from, u32 to),
	TP_ARGS(mm, tgid, tid, from, to),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(pid_t, tid)
		__field(u32, from)
		__field(u32, to)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->tid = tid;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("mm=%p tgid=%d tid=%d from=%u to=%u", __entry->mm, __entry->tgid, __entry->tid,
		  __entry->from, __entry->to)
);

TRACE_EVENT(wfpatch_overlay,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, u32 view, unsigned long addr, int action),
	TP_ARGS(mm, tgid, view, addr, action),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(u32, view)
		__field(unsigned long, addr)
		__field(int, action)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->view = view;
		__entry->addr = addr;
		__entry->action = action;
	),
	TP_printk("mm=%p tgid=%d view=%u addr=%#lx %s", __entry->mm, __entry->tgid, __entry->view,
		  __entry->addr,
		  __print_symbolic(__entry->action, { WF_TRACE_MAKE, "make" },
				   { WF_TRACE_COPY, "copy" }, { WF_TRACE_DROP, "drop" }))
);

TRACE_EVENT(wfpatch_sync,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, u32 view, unsigned long addr),
	TP_ARGS(mm, tgid, view, addr),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(u32, view)
		__field(unsigned long, addr)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->view = view;
		__entry->addr = addr;
	),
	TP_printk("mm=%p tgid=%d view=%u addr=%#lx", __entry->mm, __entry->tgid, __entry->view,
		  __entry->addr)
);

TRACE_EVENT(wfpatch_revalidate,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, u32 view, unsigned long start,
		 unsigned long end, bool changed),
	TP_ARGS(mm, tgid, view, start, end, changed),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(u32, view)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(bool, changed)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->view = view;
		__entry->start = start;
		__entry->end = end;
		__entry->changed = changed;
	),
	TP_printk("mm=%p tgid=%d view=%u start=%#lx end=%#lx%s", __entry->mm, __entry->tgid,
		  __entry->view, __entry->start, __entry->end, __entry->changed ? " changed" : "")
);

/* A handle was opened for a process, by a thread of process @by. */
TRACE_EVENT(wfpatch_open,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, pid_t by),
	TP_ARGS(mm, tgid, by),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(pid_t, by)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->by = by;
	),
	TP_printk("mm=%p tgid=%d by=%d", __entry->mm, __entry->tgid, __entry->by)
);

/* @flags: of the request; @nr_spans: the functions or ranges that it names. */
TRACE_EVENT(wfpatch_transition_begin,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, u32 view, u32 seq, u32 flags, u32 nr_spans),
	TP_ARGS(mm, tgid, view, seq, flags, nr_spans),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(u32, view)
		__field(u32, seq)
		__field(u32, flags)
		__field(u32, nr_spans)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->view = view;
		__entry->seq = seq;
		__entry->flags = flags;
		__entry->nr_spans = nr_spans;
	),
	TP_printk("mm=%p tgid=%d view=%u seq=%u flags=%#x spans=%u", __entry->mm, __entry->tgid,
		  __entry->view, __entry->seq, __entry->flags, __entry->nr_spans)
);

/* @threads: how many are in @view, 0 if that is not known. */
TRACE_EVENT(wfpatch_transition_end,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, u32 view, u32 seq, u32 threads, int reason),
	TP_ARGS(mm, tgid, view, seq, threads, reason),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(u32, view)
		__field(u32, seq)
		__field(u32, threads)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->view = view;
		__entry->seq = seq;
		__entry->threads = threads;
		__entry->reason = reason;
	),
	TP_printk("mm=%p tgid=%d view=%u seq=%u threads=%u %s", __entry->mm, __entry->tgid,
		  __entry->view, __entry->seq, __entry->threads,
		  __print_symbolic(__entry->reason, { WF_TRACE_DONE, "done" },
				   { WF_TRACE_CANCELLED, "cancelled" },
				   { WF_TRACE_ABANDONED, "abandoned" }))
);

/* A thread was looked at and not moved: @reason is an enum wfpatch_blocked_reason. */
TRACE_EVENT(wfpatch_look,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, pid_t tid, u32 view, u32 reason,
		 unsigned long ip, unsigned long where, unsigned long word),
	TP_ARGS(mm, tgid, tid, view, reason, ip, where, word),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(pid_t, tid)
		__field(u32, view)
		__field(u32, reason)
		__field(unsigned long, ip)
		__field(unsigned long, where)
		__field(unsigned long, word)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->tid = tid;
		__entry->view = view;
		__entry->reason = reason;
		__entry->ip = ip;
		__entry->where = where;
		__entry->word = word;
	),
	TP_printk("mm=%p tgid=%d tid=%d view=%u reason=%u ip=%#lx where=%#lx word=%#lx",
		  __entry->mm, __entry->tgid, __entry->tid, __entry->view, __entry->reason,
		  __entry->ip, __entry->where, __entry->word)
);

/* A transition moved a thread; wfpatch_migrate comes as well. */
TRACE_EVENT(wfpatch_move,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, pid_t tid, u32 from, u32 to, int how),
	TP_ARGS(mm, tgid, tid, from, to, how),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(pid_t, tid)
		__field(u32, from)
		__field(u32, to)
		__field(int, how)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->tid = tid;
		__entry->from = from;
		__entry->to = to;
		__entry->how = how;
	),
	TP_printk("mm=%p tgid=%d tid=%d from=%u to=%u %s", __entry->mm, __entry->tgid,
		  __entry->tid, __entry->from, __entry->to,
		  __print_symbolic(__entry->how, { WF_TRACE_POINT, "point" },
				   { WF_TRACE_ASLEEP, "asleep" }, { WF_TRACE_GATE, "gate" },
				   { WF_TRACE_TRAP, "trap" }))
);

/* A thread called a function that is to be replaced; @moved: its stack was clean. */
TRACE_EVENT(wfpatch_trap,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, pid_t tid, unsigned long addr, bool moved),
	TP_ARGS(mm, tgid, tid, addr, moved),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(pid_t, tid)
		__field(unsigned long, addr)
		__field(bool, moved)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->tid = tid;
		__entry->addr = addr;
		__entry->moved = moved;
	),
	TP_printk("mm=%p tgid=%d tid=%d addr=%#lx%s", __entry->mm, __entry->tgid, __entry->tid,
		  __entry->addr, __entry->moved ? " moved" : "")
);

/* @pages: written to the base; @result: 0 or a negative errno. */
TRACE_EVENT(wfpatch_commit,
	TP_PROTO(struct mm_struct *mm, pid_t tgid, u32 view, u32 pages, int result),
	TP_ARGS(mm, tgid, view, pages, result),
	TP_STRUCT__entry(
		__field(void *, mm)
		__field(pid_t, tgid)
		__field(u32, view)
		__field(u32, pages)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->tgid = tgid;
		__entry->view = view;
		__entry->pages = pages;
		__entry->result = result;
	),
	TP_printk("mm=%p tgid=%d view=%u pages=%u result=%d", __entry->mm, __entry->tgid,
		  __entry->view, __entry->pages, __entry->result)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
