/* SPDX-License-Identifier: GPL-2.0 */
/* Bringing all threads of a process to one view. */
#ifndef WF_TRANSITION_H
#define WF_TRANSITION_H

#include "process.h"

void wf_transition_init(struct wf_process *p);
int wf_transition_start(struct wf_process *p, u32 view);
void wf_transition_check(struct wf_process *p, bool leaving);
void wf_transition_stop(struct wf_process *p);
bool wf_transition_target(struct wf_process *p, u32 view);

#endif
