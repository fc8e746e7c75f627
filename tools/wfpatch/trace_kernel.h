/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's side of "wfpatch trace": loading the programs, and reading what they found. */
#ifndef WF_TRACE_KERNEL_H
#define WF_TRACE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "trace.h"

struct trace_kernel;

typedef int (*trace_record_fn)(void *context, const struct wf_trace_record *record);
typedef int (*trace_stats_fn)(void *context, __u64 mm, const struct wf_trace_stats *stats);

/*
 * All return 0 or a negative errno. @error of trace_kernel_open() gets a line that says what was
 * wrong and what to do; -ENODEV: it is the module that is not there, or another version.
 * @all: a record of each event.
 */
int trace_kernel_open(struct trace_kernel **kernel, bool all, trace_record_fn record, void *context,
		      char *error, size_t size);
void trace_kernel_close(struct trace_kernel *kernel);
/* Passes on records, and waits for some at most @ms. What the function returns ends it, if not 0. */
int trace_kernel_poll(struct trace_kernel *kernel, int ms);
/* Passes on the counters of all processes. */
int trace_kernel_stats(struct trace_kernel *kernel, trace_stats_fn stats, void *context);
void trace_kernel_forget(struct trace_kernel *kernel, __u64 mm);
/* Events that found no room. */
__u64 trace_kernel_lost(struct trace_kernel *kernel);

#endif
