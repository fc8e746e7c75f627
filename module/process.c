// SPDX-License-Identifier: GPL-2.0
/*
 * The processes that have handles or views, by address space. Found under RCU from hooks; made by
 * the first handle; gone when the last handle is closed and the last view is freed.
 */
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "wfpatch.h"
#include "coherence.h"
#include "debug.h"
#include "pin.h"
#include "process.h"
#include "trace.h"
#include "transition.h"
#include "view.h"

static DEFINE_HASHTABLE(wf_processes, 8);	/* by mm; wf_processes_mutex to write */
static DEFINE_MUTEX(wf_processes_mutex);

/* Under RCU. The process stays until the end of the read-side section, not longer. */
struct wf_process *wf_process_find(struct mm_struct *mm)
{
	struct wf_process *p;

	hash_for_each_possible_rcu(wf_processes, p, node, (unsigned long)mm)
		if (p->mm == mm)
			return p;
	return NULL;
}

/* The same with a reference. NULL also if the last one is just being dropped. */
struct wf_process *wf_process_find_get(struct mm_struct *mm)
{
	struct wf_process *p;

	rcu_read_lock();
	p = wf_process_find(mm);
	if (p && !refcount_inc_not_zero(&p->refs))
		p = NULL;
	rcu_read_unlock();
	return p;
}

static void wf_process_put_work(struct work_struct *work)
{
	wf_process_put(container_of(work, struct wf_process, put_work));
}

/* For the notifier: called by mmu_notifier_get() if the mm has no process yet. */
struct wf_process *wf_process_alloc(void)
{
	struct wf_process *p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);

	if (!p)
		return NULL;
	p->status_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!p->status_page) {
		kfree(p);
		return NULL;
	}
	p->status = page_address(p->status_page);
	p->status->seq = 1;
	refcount_set(&p->refs, 1);
	mutex_init(&p->mutex);
	mutex_init(&p->count_mutex);
	mutex_init(&p->plan_mutex);
	INIT_LIST_HEAD(&p->threads);
	xa_init(&p->views);
	raw_spin_lock_init(&p->lock);
	INIT_LIST_HEAD(&p->list);
	INIT_LIST_HEAD(&p->pins);
	raw_spin_lock_init(&p->files_lock);
	INIT_LIST_HEAD(&p->files);
	init_waitqueue_head(&p->wait);
	INIT_WORK(&p->put_work, wf_process_put_work);
	wf_transition_init(p);
	wf_coherence_lost_init(p);
	return p;
}

/* For the notifier, after all its callbacks. Must not sleep. */
void wf_process_free(struct wf_process *p)
{
	/* Someone may have the page mapped still. */
	put_page(p->status_page);
	xa_destroy(&p->views);
	kfree_rcu(p, rcu);
}

/*
 * Enter the process that wf_coherence_begin() gave, or take the one that somebody entered before.
 * NULL if ours has come and gone in between: begin again.
 */
static struct wf_process *wf_process_enter(struct wf_process *p, struct mm_struct *mm,
					   pid_t tgid)
{
	struct wf_process *found;

	mutex_lock(&wf_processes_mutex);
	found = wf_process_find_get(mm);
	if (!found && !p->mm) {
		p->mm = mm;
		p->tgid = tgid;
		hash_add_rcu(wf_processes, &p->node, (unsigned long)mm);
		wf_debug_add(p, tgid);
		/* A handle keeps the module; views that outlive it must, too (invariant 7). */
		__module_get(THIS_MODULE);
		mutex_unlock(&wf_processes_mutex);
		return p;
	}
	mutex_unlock(&wf_processes_mutex);
	wf_coherence_end(p);
	return found;
}

/*
 * The process whose address space is @mm, which has users, with a reference; @tgid names it in
 * debugfs. Its mmap lock may be long in coming, so wf_processes_mutex, which is everybody's, is not
 * held meanwhile.
 */
struct wf_process *wf_process_open(struct mm_struct *mm, pid_t tgid)
{
	struct wf_process *p = wf_process_find_get(mm);

	while (!p) {
		p = wf_coherence_begin(mm);
		if (!IS_ERR(p))
			p = wf_process_enter(p, mm, tgid);
		cond_resched();
	}
	if (!IS_ERR(p))
		trace_wfpatch_open(mm, p->tgid, task_tgid_nr(current));
	return p;
}

void wf_process_get(struct wf_process *p)
{
	refcount_inc(&p->refs);
}

void wf_process_put(struct wf_process *p)
{
	if (!refcount_dec_and_mutex_lock(&p->refs, &wf_processes_mutex))
		return;
	hash_del_rcu(&p->node);
	wf_debug_remove(p);
	wf_pins_free(p);
	irq_work_sync(&p->lost_work);
	wf_coherence_end(p);
	mutex_unlock(&wf_processes_mutex);
	module_put(THIS_MODULE);
}

/* The same with the mmap lock held. */
void wf_process_put_later(struct wf_process *p)
{
	if (!refcount_dec_not_one(&p->refs))
		wf_queue_work(&p->put_work);
}
