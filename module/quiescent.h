/* SPDX-License-Identifier: GPL-2.0 */
/* Is a thread in code that is being replaced? */
#ifndef WF_QUIESCENT_H
#define WF_QUIESCENT_H

#include "process.h"
#include "wfpatch.h"

struct pt_regs;
struct wf_view;

#define WF_MAX_AREAS	4

/*
 * Code that a transition replaces, sorted by address. Shared by the transitions to and fro. Most words of a
 * stack are outside of all areas, which is seen faster than that they are in no span.
 */
struct wf_spans {
	refcount_t refs;
	unsigned int nr;
	unsigned int nr_areas;
	struct {
		unsigned long start;
		unsigned long len;
	} area[WF_MAX_AREAS];
	struct wfpatch_span span[];
};

/* What was found when a thread was looked at. */
struct wf_look {
	u32 reason;			/* enum wfpatch_blocked_reason */
	u32 looks;
	u32 seq;			/* of the transition */
	bool handler;			/* a signal handler runs, as it seems */
	unsigned long ip;
	unsigned long where;
	unsigned long word;
};

struct wf_spans *wf_spans_get_user(u64 ranges, u32 nr);
void wf_spans_get(struct wf_spans *spans);
void wf_spans_put(struct wf_spans *spans);
bool wf_span_is_entry(const struct wf_spans *spans, unsigned long ip);

bool wf_quiescent(struct wf_process *p, struct wf_view *view, const struct wf_spans *spans,
		  const struct pt_regs *regs, struct wf_look *look);
bool wf_quiescent_probes(struct task_struct *task, const struct wf_spans *spans,
			 struct wf_look *look);

#endif
