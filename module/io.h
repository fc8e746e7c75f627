/* SPDX-License-Identifier: GPL-2.0 */
/* Writing and reading a view's memory. */
#ifndef WF_IO_H
#define WF_IO_H

#include "process.h"
#include "wfpatch.h"

struct wf_view;

int wf_view_write(struct wf_process *p, u32 view, u64 segs, u32 nr);
int wf_view_put_bytes(struct wf_process *p, struct wf_view *view, const unsigned long *addrs,
		      unsigned int nr, u8 byte);
int wf_view_read(struct wf_process *p, u32 view, u64 segs, u32 nr);

#endif
