/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that has views, or a handle with which it may have some.
 *
 * The order of all locks is in docs/internals.md, "Locks".
 */
#ifndef WF_PROCESS_H
#define WF_PROCESS_H

#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include "debug.h"

struct wfpatch_status;

struct wf_process {
	struct mmu_notifier notifier;
	struct mmu_notifier *range_notifier;	/* NULL if one does for all; see coherence.c */
	struct mm_struct *mm;		/* kept by the notifier */
	pid_t tgid;			/* of who uses it, in the initial pid namespace; for people */
	struct hlist_node node;		/* in the table of processes, RCU */
	refcount_t refs;		/* handles, views */
	bool dead;			/* the address space is gone */

	struct mutex mutex;		/* what views there are, and their overlays; see overlay.h */
	struct xarray views;		/* by id; mutex to write, RCU to read */
	u32 last_id;			/* mutex */
	unsigned int nr_files;		/* mutex */
	struct list_head pins;		/* mutex: struct wf_pin, sorted */
	unsigned int nr_pins;		/* mutex */

	raw_spinlock_t lock;		/* the view lock: tables, overlays, threads' views */
	struct list_head list;		/* lock to write, RCU to read: all views with tables */
	unsigned int nr_views;		/* lock: in @views, so those deleted are not counted */
	unsigned int nr_live;		/* lock: with tables */
	struct mutex count_mutex;	/* orders the counts of transition.c; under no mutex */
	u32 target;			/* lock: of the last transition */
	bool in_transition;		/* lock */
	bool abandoned;			/* mutex: nobody has a handle; threads return to the base */
	struct mutex plan_mutex;	/* outermost: who changes @plan */
	struct wf_plan *plan;		/* lock: of a transition that the module makes, see gate.c */
	struct wf_plan *spare_plan;	/* plan_mutex or the last handle: to return by */
	struct list_head threads;	/* lock: struct wf_thread */
	unsigned long nr_records;	/* lock: their number */
	unsigned int total;		/* lock: threads when last counted, for transition.c */
	unsigned long recount_delay;	/* jiffies; a stale value does no harm */
	struct delayed_work recount;	/* while in transition; holds a reference when queued */

	atomic_t nr_dying;		/* views that are retired and not freed yet */
	wait_queue_head_t wait;		/* for that to become 0 */

	raw_spinlock_t files_lock;	/* innermost */
	struct list_head files;		/* files_lock: struct wf_queue, for events */

	struct page *status_page;
	struct wfpatch_status *status;	/* lock to write */
	struct irq_work lost_work;	/* tells of hooks that did not run; see coherence.c */
	unsigned long lost_next;	/* jiffies: when it may tell again */
	pid_t lost_tid;
	u32 lost_view;
	struct wf_counters counters;
	struct dentry *dentry;
	struct work_struct put_work;	/* the last reference, where it must not be dropped */
	struct rcu_head rcu;
};

int wf_process_init(void);
void wf_process_exit(void);

struct wf_process *wf_process_alloc(void);
void wf_process_free(struct wf_process *p);
struct wf_process *wf_process_open(struct mm_struct *mm, pid_t tgid);
void wf_process_get(struct wf_process *p);
void wf_process_put(struct wf_process *p);
void wf_process_put_later(struct wf_process *p);
struct wf_process *wf_process_find(struct mm_struct *mm);
struct wf_process *wf_process_find_get(struct mm_struct *mm);

#endif
