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

int wf_do_madvise(struct mm_struct *mm, unsigned long start, size_t len, int advice);
int wf_mprotect_fixup(WF_MPROTECT_PARAMETERS);

#endif
