// SPDX-License-Identifier: GPL-2.0
/*
 * Events: each handle of a process has a queue of its own. A full queue drops what comes and says
 * how much when it has room again.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include "event.h"

struct wf_queue *wf_queue_create(struct wf_process *p)
{
	struct wf_queue *queue = kvzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	unsigned long flags;

	if (!queue)
		return NULL;
	init_waitqueue_head(&queue->wait);
	raw_spin_lock_irqsave(&p->files_lock, flags);
	list_add_tail_rcu(&queue->node, &p->files);
	raw_spin_unlock_irqrestore(&p->files_lock, flags);
	return queue;
}

void wf_queue_destroy(struct wf_process *p, struct wf_queue *queue)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&p->files_lock, flags);
	list_del_rcu(&queue->node);
	raw_spin_unlock_irqrestore(&p->files_lock, flags);
	/* Senders wake it under rcu_read_lock(). */
	synchronize_rcu();
	kvfree(queue);
}

static void wf_queue_put(struct wf_queue *queue, const struct wfpatch_event *event)
{
	queue->records[(queue->head + queue->count) % WF_MAX_EVENTS] = *event;
	queue->count++;
}

/* The oldest record; false if there is none. */
bool wf_queue_get(struct wf_process *p, struct wf_queue *queue, struct wfpatch_event *event)
{
	unsigned long flags;
	bool any = true;

	raw_spin_lock_irqsave(&p->files_lock, flags);
	if (queue->count) {
		*event = queue->records[queue->head];
		queue->head = (queue->head + 1) % WF_MAX_EVENTS;
		queue->count--;
	} else if (queue->dropped) {
		*event = (struct wfpatch_event){
			.type = WFPATCH_EVENT_OVERFLOW,
			.count = queue->dropped,
		};
		queue->dropped = 0;
	} else {
		any = false;
	}
	raw_spin_unlock_irqrestore(&p->files_lock, flags);
	return any;
}

/* A record that was taken could not be handed over. */
void wf_queue_lose(struct wf_process *p, struct wf_queue *queue)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&p->files_lock, flags);
	queue->dropped++;
	raw_spin_unlock_irqrestore(&p->files_lock, flags);
}

bool wf_queue_is_empty(struct wf_process *p, struct wf_queue *queue)
{
	unsigned long flags;
	bool empty;

	raw_spin_lock_irqsave(&p->files_lock, flags);
	empty = !queue->count && !queue->dropped;
	raw_spin_unlock_irqrestore(&p->files_lock, flags);
	return empty;
}

/*
 * Queue a record for every handle. A queue that has dropped something takes no more until the
 * records before the gap are read, so that the gap is told where it was.
 */
void wf_event_send(struct wf_process *p, const struct wfpatch_event *event)
{
	struct wf_queue *queue;
	unsigned long flags;

	rcu_read_lock();
	raw_spin_lock_irqsave(&p->files_lock, flags);
	list_for_each_entry_rcu(queue, &p->files, node) {
		if (queue->dropped || queue->count == WF_MAX_EVENTS)
			queue->dropped++;
		else
			wf_queue_put(queue, event);
	}
	raw_spin_unlock_irqrestore(&p->files_lock, flags);
	wf_event_hangup(p);
	rcu_read_unlock();
}

/* Wake whoever waits at a handle of the process. */
void wf_event_hangup(struct wf_process *p)
{
	struct wf_queue *queue;

	rcu_read_lock();
	list_for_each_entry_rcu(queue, &p->files, node)
		wake_up_interruptible_all(&queue->wait);
	rcu_read_unlock();
}
