/* SPDX-License-Identifier: GPL-2.0 */
/* The turnstile: a view in which the functions to be replaced begin with a trap. */
#ifndef WF_TURNSTILE_H
#define WF_TURNSTILE_H

#include "gate.h"
#include "view.h"

int wf_turnstile_make(struct wf_process *p, u32 source, struct wf_spans *spans,
		      struct wf_view **turnstile);
extern bool wf_steps_allowed;
bool wf_step_begin(struct wf_thread *thread);
bool wf_step_is_odd(struct wf_process *p, unsigned long ip);
void wf_step_cancel(void);
void wf_step_forget(struct wf_thread *thread);
void wf_turnstile_end(struct wf_view *turnstile);
void wf_turnstile_pass(struct wf_process *p, const struct wf_view *turnstile);
bool wf_turnstile_exists(struct wf_process *p, const struct wf_view *source);
int wf_turnstiles_begin(void);
void wf_turnstiles_end(void);

#endif
