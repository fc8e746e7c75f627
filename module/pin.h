/* SPDX-License-Identifier: GPL-2.0 */
/* Pinned ranges: memory that is view-local. */
#ifndef WF_PIN_H
#define WF_PIN_H

#include "compat.h"
#include "view.h"

int wf_pin(struct wf_process *p, unsigned long start, unsigned long len);
int wf_unpin(struct wf_process *p, unsigned long start, unsigned long len);
int wf_pins_fill(struct wf_view *view);
void wf_pins_free(struct wf_process *p);

void wf_pin_refresh(struct wf_view *view, unsigned long start, unsigned long end);
void wf_pin_again(struct wf_view *view, unsigned long start, unsigned long end);
int wf_mprotect_fixup(WF_MPROTECT_PARAMETERS);

#endif
