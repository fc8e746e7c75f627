/* SPDX-License-Identifier: GPL-2.0 */
/* Bringing all threads of a process to one view. */
#ifndef WF_TRANSITION_H
#define WF_TRANSITION_H

#include "process.h"
#include "wfpatch.h"

struct wf_plan;
struct wf_view;

void wf_transition_init(struct wf_process *p);
int wf_transition_request(struct wf_process *p, const struct wfpatch_transition *request);
void wf_transition_check(struct wf_process *p, bool leaving);
void wf_transition_called(struct wf_process *p);
void wf_transition_stop(struct wf_process *p);
bool wf_transition_abandon(struct wf_process *p);
void wf_transition_committed(struct wf_process *p, struct wf_plan *plan);
bool wf_transition_needs(struct wf_process *p, struct wf_view *view);
bool wf_transition_is_at(struct wf_process *p, u32 view);

#endif
