/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the BPF programs of trace.bpf.c and the tool tell each other. The structs of events repeat
 * the tracepoints of module/trace.h field by field; the tool compares them with what the running
 * kernel says about its events before it loads anything.
 */
#ifndef WF_TRACE_H
#define WF_TRACE_H

#include <linux/types.h>

/* X(name) for each tracepoint, in the order of enum wf_trace_type. */
#define WF_TRACE_EVENTS(X)								\
	X(open) X(create) X(delete) X(migrate) X(overlay) X(sync) X(revalidate)		\
	X(transition_begin) X(transition_end) X(look) X(move) X(trap) X(commit)

enum wf_trace_type {
#define WF_TRACE_TYPE(name) WF_TRACE_##name,
	WF_TRACE_EVENTS(WF_TRACE_TYPE)
#undef WF_TRACE_TYPE
	WF_TRACE_NR_TYPES,
};

struct wf_trace_open {
	__u64 mm;
	__s32 tgid;
	__s32 by;
};

struct wf_trace_create {
	__u64 mm;
	__s32 tgid;
	__u32 view;
	__u32 parent;
};

struct wf_trace_delete {
	__u64 mm;
	__s32 tgid;
	__u32 view;
	__u32 threads;
};

struct wf_trace_migrate {
	__u64 mm;
	__s32 tgid;
	__s32 tid;
	__u32 from;
	__u32 to;
};

struct wf_trace_overlay {
	__u64 mm;
	__s32 tgid;
	__u32 view;
	__u64 addr;
	__s32 action;
};

struct wf_trace_sync {
	__u64 mm;
	__s32 tgid;
	__u32 view;
	__u64 addr;
};

struct wf_trace_revalidate {
	__u64 mm;
	__s32 tgid;
	__u32 view;
	__u64 start;
	__u64 end;
	__u8 changed;
};

struct wf_trace_transition_begin {
	__u64 mm;
	__s32 tgid;
	__u32 view;
	__u32 seq;
	__u32 flags;
	__u32 nr_spans;
};

struct wf_trace_transition_end {
	__u64 mm;
	__s32 tgid;
	__u32 view;
	__u32 seq;
	__u32 threads;
	__s32 reason;
};

struct wf_trace_look {
	__u64 mm;
	__s32 tgid;
	__s32 tid;
	__u32 view;
	__u32 reason;
	__u64 ip;
	__u64 where;
	__u64 word;
};

struct wf_trace_move {
	__u64 mm;
	__s32 tgid;
	__s32 tid;
	__u32 from;
	__u32 to;
	__s32 how;
};

struct wf_trace_trap {
	__u64 mm;
	__s32 tgid;
	__s32 tid;
	__u64 addr;
	__u8 moved;
};

struct wf_trace_commit {
	__u64 mm;
	__s32 tgid;
	__u32 view;
	__u32 pages;
	__s32 result;
};

/* As in module/trace.h. */
enum { WF_TRACE_MAKE, WF_TRACE_COPY, WF_TRACE_DROP };
enum { WF_TRACE_DONE, WF_TRACE_CANCELLED, WF_TRACE_ABANDONED };
enum { WF_TRACE_POINT, WF_TRACE_ASLEEP, WF_TRACE_GATE, WF_TRACE_TRAPPED };

union wf_trace_event {
#define WF_TRACE_MEMBER(name) struct wf_trace_##name name;
	WF_TRACE_EVENTS(WF_TRACE_MEMBER)
#undef WF_TRACE_MEMBER
	__u64 mm;	/* each begins with it */
};

/* One event, in the ring buffer. */
struct wf_trace_record {
	__u64 time;	/* ns, CLOCK_MONOTONIC */
	__u32 type;	/* enum wf_trace_type */
	__s32 tgid;	/* of the process */
	union wf_trace_event event;
};

/* Slot 0: less than 1 us. Slot n: from 2^(n-1) us to less than 2^n us; the last: all above. A power of two. */
#define WF_TRACE_SLOTS 32

/* X(name) for each counter of a process. */
#define WF_TRACE_COUNTERS(X)								\
	X(created) X(deleted) X(migrations) X(made) X(copied) X(dropped) X(syncs)		\
	X(revalidations) X(changed) X(transitions) X(looks) X(moves) X(traps) X(commits)

struct wf_trace_stats {
#define WF_TRACE_COUNTER(name) __u64 name;
	WF_TRACE_COUNTERS(WF_TRACE_COUNTER)
#undef WF_TRACE_COUNTER
	__u64 latency[WF_TRACE_SLOTS];	/* of migrations to the target of a transition */
	__u64 latency_sum;		/* ns */
	__u64 latency_max;		/* ns */
	__u64 begin;			/* when the transition under way began, 0 if there is none */
	__u32 target;			/* its view */
	__u32 flags;			/* of its request */
	__u32 seq;
	__s32 tgid;
};

/* Processes that are counted at once. Others are lost, and said to be. */
#define WF_TRACE_PROCESSES 4096
/* Bytes of the ring buffer. */
#define WF_TRACE_RING (1U << 20)

/* What the tool finds out before it loads the programs; their .rodata. */
struct wf_trace_config {
	__u32 start;		/* where an event's own fields begin: behind the common ones */
	__u32 all;		/* a record of frequent events, too, which else are only counted */
};

#endif
