/* SPDX-License-Identifier: GPL-2.0 */
/* Gates: moving the threads of a process that knows nothing of views. See gate.c. */
#ifndef WF_GATE_H
#define WF_GATE_H

#include "quiescent.h"
#include "thread.h"

/* A transition that the module makes. */
struct wf_plan {
	refcount_t refs;
	u32 target;
	u32 seq;			/* of the status page */
	struct wf_spans *spans;		/* a reference; NULL: threads may move anywhere, at any time */
	struct wf_view *turnstile;	/* NULL: none. Ours until wf_plan_end() */
	u32 source;			/* of a turnstile that is still to be made, 0 if none is */
	u32 committed;			/* this view has become the base, 0 if that is not what it is for */
	unsigned long began;		/* jiffies */
	bool told;			/* of a thread that is in the way */
	unsigned long call;		/* code that one thread shall run; 0: the plan is no such call */
	bool calling;			/* view lock: no thread has been sent there yet */
};

struct wf_plan *wf_plan_alloc(u32 target, struct wf_spans *spans);
void wf_plan_put(struct wf_plan *plan);

void wf_gate_init(struct wf_thread *thread);
bool wf_gate_request(struct wf_thread *thread);
int wf_gates_pass(struct wf_process *p);
void wf_gates_clear(struct wf_process *p);

#endif
