/* SPDX-License-Identifier: GPL-2.0 */
/* Bringing all threads of a process to one view. */
#ifndef WF_TRANSITION_H
#define WF_TRANSITION_H

#include "process.h"

int wf_transition_start(struct wf_process *p, u32 view);
void wf_transition_check(struct wf_process *p, bool leaving);
bool wf_transition_target(struct wf_process *p, u32 view);

#endif
