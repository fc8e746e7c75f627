// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's side of "wfpatch trace": a program at each tracepoint of the module. It counts for each
 * process (known by its mm), and passes on what is not frequent as records in a ring buffer.
 *
 * The programs know nothing about the kernel that they run on but what the tool puts into config:
 * no type information of kernel or module is needed, so one build serves all kernels from 5.10.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "trace.h"

/* As in uapi/wfpatch.h, which does not go with -target bpf. */
#define WFPATCH_TRANSITION_AUTO (1U << 0)

char _license[] SEC("license") = "GPL";

const volatile struct wf_trace_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WF_TRACE_PROCESSES);
	__type(key, __u64);
	__type(value, struct wf_trace_stats);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WF_TRACE_RING);
} records SEC(".maps");

/* Events that found no room in one of the others. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

/* What a process begins with: too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wf_trace_stats);
} zero SEC(".maps");

#define count(counter) __sync_fetch_and_add(&(counter), 1)

static __always_inline void count_lost(void)
{
	__u64 *counter;
	__u32 key = 0;

	counter = bpf_map_lookup_elem(&lost, &key);
	if (counter)
		count(*counter);
}

static __always_inline struct wf_trace_stats *stats_of(__u64 mm)
{
	struct wf_trace_stats *stats = bpf_map_lookup_elem(&processes, &mm);
	__u32 key = 0;

	if (stats)
		return stats;
	stats = bpf_map_lookup_elem(&zero, &key);
	if (!stats)
		return NULL;
	/* Another processor may be first. */
	bpf_map_update_elem(&processes, &mm, stats, BPF_NOEXIST);
	stats = bpf_map_lookup_elem(&processes, &mm);
	if (!stats)
		count_lost();
	return stats;
}

static __always_inline void send(struct wf_trace_stats *stats, __u32 type, void *event, __u32 size)
{
	struct wf_trace_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		count_lost();
		return;
	}
	record->time = bpf_ktime_get_ns();
	record->type = type;
	record->tgid = stats->tgid;
	bpf_probe_read_kernel(&record->event, size, event);
	bpf_ringbuf_submit(record, 0);
}

/*
 * PROGRAM(name) { body }: at tracepoint wfpatch_name, with its own fields in e and the counters of the
 * process in stats. A field's place depends on the common fields before it, which differ between
 * kernels, and the context cannot be read at an offset that the compiler does not know; so it is
 * read as memory.
 */
#define PROGRAM(name)									\
static __always_inline void on_##name(struct wf_trace_##name *e, struct wf_trace_stats *stats);	\
SEC("tracepoint/wfpatch/wfpatch_" #name)						\
int wfpatch_##name(void *context)							\
{											\
	struct wf_trace_##name e = {};							\
	struct wf_trace_stats *stats;							\
											\
	bpf_probe_read_kernel(&e, sizeof(e), context + config.start);			\
	stats = stats_of(e.mm);								\
	if (!stats)									\
		return 0;								\
	stats->tgid = e.tgid;								\
	on_##name(&e, stats);								\
	return 0;									\
}											\
static __always_inline void on_##name(struct wf_trace_##name *e, struct wf_trace_stats *stats)

#define SEND(name) send(stats, WF_TRACE_##name, e, sizeof(*e))

/* cppcheck-suppress unknownMacro; it does not find SEC() in libbpf's header. */
PROGRAM(open)
{
	SEND(open);
}

PROGRAM(create)
{
	count(stats->created);
	SEND(create);
}

PROGRAM(delete)
{
	count(stats->deleted);
	SEND(delete);
}

/* Which power of two a time reaches, in microseconds. */
static __always_inline __u32 slot_of(__u64 ns)
{
	__u64 us = ns / 1000;
	__u32 slot = 0;

	for (__u32 shift = 32; shift; shift /= 2) {
		if (us >> shift) {
			us >>= shift;
			slot += shift;
		}
	}
	slot += us;	/* 0 or 1 is left */
	if (slot >= WF_TRACE_SLOTS)
		slot = WF_TRACE_SLOTS - 1;
	/* The verifier of older kernels wants to see it in the value that is used. */
	asm volatile("" : "+r"(slot));
	return slot & (WF_TRACE_SLOTS - 1);
}

/* The latency of a migration is the time since its transition began. */
PROGRAM(migrate)
{
	__u64 begin = stats->begin, ns;
	_Bool counted = begin && e->to == stats->target;

	count(stats->migrations);
	if (counted) {
		ns = bpf_ktime_get_ns() - begin;
		count(stats->latency[slot_of(ns)]);
		__sync_fetch_and_add(&stats->latency_sum, ns);
		if (ns > stats->latency_max)
			stats->latency_max = ns;
	}
	/* Of an AUTO transition a move tells the same, and more. */
	if (config.all || (counted && !(stats->flags & WFPATCH_TRANSITION_AUTO)))
		SEND(migrate);
}

PROGRAM(overlay)
{
	if (e->action == WF_TRACE_MAKE)
		count(stats->made);
	else if (e->action == WF_TRACE_DROP)
		count(stats->dropped);
	else
		count(stats->copied);
	if (config.all)
		SEND(overlay);
}

PROGRAM(sync)
{
	count(stats->syncs);
	if (config.all)
		SEND(sync);
}

PROGRAM(revalidate)
{
	count(stats->revalidations);
	if (e->changed)
		count(stats->changed);
	if (config.all)
		SEND(revalidate);
}

PROGRAM(transition_begin)
{
	stats->target = e->view;
	stats->flags = e->flags;
	stats->seq = e->seq;
	stats->begin = bpf_ktime_get_ns();
	count(stats->transitions);
	SEND(transition_begin);
}

PROGRAM(transition_end)
{
	/* Not if it is the end of one that this one has taken the place of. */
	if (stats->seq == e->seq)
		stats->begin = 0;
	SEND(transition_end);
}

PROGRAM(look)
{
	count(stats->looks);
	SEND(look);
}

PROGRAM(move)
{
	count(stats->moves);
	SEND(move);
}

PROGRAM(trap)
{
	count(stats->traps);
	SEND(trap);
}

PROGRAM(commit)
{
	count(stats->commits);
	SEND(commit);
}
