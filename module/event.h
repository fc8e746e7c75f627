/* SPDX-License-Identifier: GPL-2.0 */
/* What read(2) of a handle returns. */
#ifndef WF_EVENT_H
#define WF_EVENT_H

#include <linux/wait.h>
#include "limits.h"
#include "process.h"
#include "wfpatch.h"

/* One handle's events. */
struct wf_queue {
	struct list_head node;		/* wf_process.files_lock, as all fields */
	wait_queue_head_t wait;
	unsigned int head;		/* the next to read */
	unsigned int count;
	u64 dropped;			/* after the last record */
	struct wfpatch_event records[WF_MAX_EVENTS];
};

struct wf_queue *wf_queue_create(struct wf_process *p);
void wf_queue_destroy(struct wf_process *p, struct wf_queue *queue);
bool wf_queue_get(struct wf_process *p, struct wf_queue *queue, struct wfpatch_event *event);
void wf_queue_lose(struct wf_process *p, struct wf_queue *queue);
bool wf_queue_is_empty(struct wf_process *p, struct wf_queue *queue);
void wf_event_send(struct wf_process *p, const struct wfpatch_event *event);
void wf_event_hangup(struct wf_process *p);

#endif
