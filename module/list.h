/* SPDX-License-Identifier: GPL-2.0 */
/* Who is where: LIST_VIEWS and LIST_THREADS. */
#ifndef WF_LIST_H
#define WF_LIST_H

#include "process.h"
#include "wfpatch.h"

int wf_list_views(struct wf_process *p, struct wfpatch_list *list);
int wf_list_blocked(struct wf_process *p, struct wfpatch_list *list);
int wf_list_threads(struct wf_process *p, struct wfpatch_list *list);

#endif
