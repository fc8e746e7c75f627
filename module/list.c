// SPDX-License-Identifier: GPL-2.0
/* LIST_VIEWS, LIST_THREADS and LIST_BLOCKED: collected under locks that forbid faults, then copied out. */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "compat.h"
#include "gate.h"
#include "limits.h"
#include "list.h"
#include "thread.h"

static int wf_list_copy(struct wfpatch_list *list, const void *entries, size_t size, u32 total)
{
	list->nr = min(list->nr, total);
	list->total = total;
	if (copy_to_user(u64_to_user_ptr(list->entries), entries, list->nr * size))
		return -EFAULT;
	return 0;
}

/* Threads in turnstiles count where these come from. View lock held. */
static unsigned int wf_list_in_turnstiles(struct wf_process *p, const struct wf_view *origin)
{
	struct wf_view *view;
	unsigned int n = 0;

	list_for_each_entry(view, &p->list, list)
		if (view->turnstile && view->origin == origin)
			n += view->nr_threads;
	return n;
}

static void wf_list_view(struct wf_process *p, struct wf_view *view,
			 struct wfpatch_view_info *info)
{
	*info = (struct wfpatch_view_info){
		.view = view->id,
		.parent = view->parent,
		.flags = (p->target == view->id ? WFPATCH_VIEW_TARGET : 0) |
			 (view->deleted ? WFPATCH_VIEW_DELETED : 0),
		.nr_threads = view->nr_threads + wf_list_in_turnstiles(p, view),
		.nr_overlays = view->nr_overlays,
	};
}

/* Threads of the process that are in no view. */
static u32 wf_list_base_threads(struct wf_process *p)
{
	struct task_struct *group, *task;
	u32 n = 0;

	rcu_read_lock();
	for_each_process_thread(group, task)
		if (READ_ONCE(task->mm) == p->mm && !(task->flags & WF_PF_WORKER) &&
		    !wf_thread_view(task))
			n++;
	rcu_read_unlock();
	return n;
}

int wf_list_views(struct wf_process *p, struct wfpatch_list *list)
{
	struct wfpatch_view_info *infos, base = { .nr_threads = wf_list_base_threads(p) };
	struct wf_view *view;
	unsigned long flags;
	u32 room, total = 1;
	int ret;

	room = min_t(u32, list->nr, 2 * WF_MAX_VIEWS + 1);
	infos = kvcalloc(room + 1, sizeof(*infos), GFP_KERNEL_ACCOUNT);
	if (!infos)
		return -ENOMEM;
	mutex_lock(&p->mutex);
	raw_spin_lock_irqsave(&p->lock, flags);
	base.flags = p->target ? 0 : WFPATCH_VIEW_TARGET;
	infos[0] = base;
	/* In the order of their making, which is that of ids. */
	list_for_each_entry(view, &p->list, list) {
		if (view->retired || view->turnstile)
			continue;
		if (total < room)
			wf_list_view(p, view, &infos[total]);
		total++;
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	mutex_unlock(&p->mutex);
	list->nr = room;
	ret = wf_list_copy(list, infos, sizeof(*infos), total);
	kvfree(infos);
	return ret;
}

int wf_list_threads(struct wf_process *p, struct wfpatch_list *list)
{
	struct wfpatch_thread_info *infos;
	struct task_struct *group, *task;
	u32 room, total = 0;
	int ret;

	room = min(list->nr, WF_MAX_LIST);
	infos = kvcalloc(room + 1, sizeof(*infos), GFP_KERNEL_ACCOUNT);
	if (!infos)
		return -ENOMEM;
	rcu_read_lock();
	for_each_process_thread(group, task) {
		if (READ_ONCE(task->mm) != p->mm || task->flags & WF_PF_WORKER)
			continue;
		if (total < room) {
			infos[total].tid = task_pid_vnr(task);
			infos[total].view = wf_thread_view(task);
		}
		total++;
	}
	rcu_read_unlock();
	list->nr = room;
	ret = wf_list_copy(list, infos, sizeof(*infos), total);
	kvfree(infos);
	return ret;
}

/* What was found out about a thread. Under RCU. */
static void wf_list_look(struct wf_process *p, u32 seq, struct task_struct *task,
			 struct wfpatch_blocked_info *info)
{
	struct wf_thread *thread = wf_thread_get(task);
	struct wf_look look = { };
	unsigned long flags;

	if (thread && thread->process == p) {
		raw_spin_lock_irqsave(&p->lock, flags);
		look = thread->look;
		raw_spin_unlock_irqrestore(&p->lock, flags);
	}
	wf_thread_put(thread);
	if (look.seq != seq)
		look = (struct wf_look){ };
	*info = (struct wfpatch_blocked_info){
		.tid = task_pid_vnr(task),
		.view = wf_thread_view(task),
		.reason = look.reason,
		.looks = look.looks,
		.ip = look.ip,
		.where = look.where,
		.word = look.word,
	};
	strscpy(info->comm, task->comm, sizeof(info->comm));
}

int wf_list_blocked(struct wf_process *p, struct wfpatch_list *list)
{
	struct wfpatch_blocked_info *infos;
	struct task_struct *group, *task;
	u32 room, total = 0, target, seq;
	unsigned long flags;
	bool active;
	int ret;

	room = min(list->nr, WF_MAX_LIST);
	infos = kvcalloc(room + 1, sizeof(*infos), GFP_KERNEL_ACCOUNT);
	if (!infos)
		return -ENOMEM;
	raw_spin_lock_irqsave(&p->lock, flags);
	active = p->in_transition;
	target = p->target;
	seq = p->status->seq;
	raw_spin_unlock_irqrestore(&p->lock, flags);
	rcu_read_lock();
	for_each_process_thread(group, task) {
		if (!active || READ_ONCE(task->mm) != p->mm ||
		    task->flags & (WF_PF_WORKER | PF_EXITING) || wf_thread_at(task, target))
			continue;
		if (total < room)
			wf_list_look(p, seq, task, &infos[total]);
		total++;
	}
	rcu_read_unlock();
	list->nr = room;
	ret = wf_list_copy(list, infos, sizeof(*infos), total);
	kvfree(infos);
	return ret;
}
