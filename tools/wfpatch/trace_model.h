/* SPDX-License-Identifier: GPL-2.0 */
/* What "wfpatch trace" knows about processes, and how it is shown. */
#ifndef WF_TRACE_MODEL_H
#define WF_TRACE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "trace.h"

#define TRACE_COMM 16

/* A thread of a process in transition. */
struct trace_thread {
	pid_t tid;
	bool moved;		/* came to the target */
	unsigned int looks;	/* how often it was looked at and not moved; the rest is of the last */
	__u32 reason;
	__u64 ip;
	__u64 where;
	__u64 word;
};

struct trace_transition {
	bool active;
	__u32 view;
	__u32 seq;
	__u32 flags;
	__u32 nr_spans;
	__u64 begin;			/* ns, CLOCK_MONOTONIC; 0: before the tool did */
	struct trace_thread *threads;	/* sorted by tid */
	size_t nr_threads;
	size_t room;
};

struct trace_process {
	struct trace_process *next;
	__u64 mm;
	pid_t tgid;		/* 0: not known yet */
	char comm[TRACE_COMM];
	bool ended;
	bool missed;		/* was not there at the last interval */
	struct wf_trace_stats now;
	struct wf_trace_stats before;	/* at the last interval */
	struct trace_transition transition;
	void *symbols;		/* of the tool's, for name_address() */
};

#define TRACE_NAME 192

struct trace_model {
	struct trace_process *processes;	/* in the order in which they came */
	const pid_t *pids;			/* those wanted */
	size_t nr_pids;				/* 0: all */
	__u64 lost;				/* events without room */
	__s64 clock_offset;			/* CLOCK_REALTIME - CLOCK_MONOTONIC, ns */
	/* What lies at an address; NULL: nobody knows. May keep something in symbols. */
	void (*name_address)(struct trace_process *process, __u64 address, char name[TRACE_NAME]);
	/* Forget it: a transition begins, and the process has other mappings. */
	void (*forget_names)(struct trace_process *process);
};

/* NULL: no memory. */
struct trace_process *trace_process_get(struct trace_model *model, __u64 mm);
bool trace_process_wanted(const struct trace_model *model, const struct trace_process *process);
/* Takes the state of a process from a record. -ENOMEM: no memory for its threads. */
int trace_model_record(struct trace_model *model, struct trace_process *process,
		       const struct wf_trace_record *record);
void trace_model_stats(struct trace_process *process, const struct wf_trace_stats *stats);
/* Processes that have gone; true: its counters in the kernel are to be deleted. */
bool trace_process_ended(struct trace_process *process);
/* Keeps no more than this of those that have ended. */
void trace_model_forget(struct trace_model *model, size_t keep);
void trace_model_free(struct trace_model *model);

/* Threads of the transition under way that have not come over and still exist. */
struct trace_thread *trace_next_missing(const struct trace_process *process,
					const struct trace_thread *after);
/* Their count; *@moved: those that have come. */
size_t trace_count_missing(const struct trace_process *process, size_t *moved);
/* The name of what lies at an address, else the address. */
void trace_name_address(const struct trace_model *model, const struct trace_process *process,
			__u64 address, char name[TRACE_NAME]);
/* The name of a thread, or "" when it has ended. */
void trace_thread_name(pid_t tgid, pid_t tid, char name[TRACE_COMM]);

/* trace_text.c, trace_json.c. Times are ns of CLOCK_MONOTONIC, @seconds the length of the interval. */
void trace_text_record(FILE *out, const struct trace_model *model,
		       const struct trace_process *process, const struct wf_trace_record *record);
void trace_text_interval(FILE *out, const struct trace_model *model, __u64 time, double seconds);
void trace_text_screen(FILE *out, const struct trace_model *model, __u64 time, double seconds,
		       char **recent, size_t nr_recent, unsigned int rows, unsigned int columns);
void trace_text_end(FILE *out, const struct trace_model *model, double seconds);
void trace_json_start(FILE *out, const struct trace_model *model, __u64 time);
void trace_json_record(FILE *out, const struct trace_model *model,
		       const struct trace_process *process, const struct wf_trace_record *record);
/* @ended: the last line, with the processes that have ended. */
void trace_json_interval(FILE *out, const struct trace_model *model, bool ended, __u64 time,
			 double seconds);

const char *trace_end_reason(__s32 reason);

/* The command, trace.c. */
int wf_cmd_trace(int argc, char **argv);

#endif
