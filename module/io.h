/* SPDX-License-Identifier: GPL-2.0 */
/* Writing and reading a view's memory. */
#ifndef WF_IO_H
#define WF_IO_H

#include "process.h"
#include "wfpatch.h"

int wf_view_write(struct wf_process *p, u32 view, u64 segs, u32 nr);
int wf_view_read(struct wf_process *p, u32 view, u64 segs, u32 nr);

#endif
