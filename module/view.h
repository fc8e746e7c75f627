/* SPDX-License-Identifier: GPL-2.0 */
/* A view: tables derived from the base's, pages of its own, a carrier. */
#ifndef WF_VIEW_H
#define WF_VIEW_H

#include <linux/rbtree.h>
#include <linux/workqueue.h>
#include "pgtable.h"
#include "process.h"
#include "wfpatch.h"

struct wf_view {
	struct list_head list;		/* wf_process.list */
	struct wf_process *process;	/* a reference */
	struct mm_struct *carrier;
	struct wf_pgtable pgtable;	/* process->lock; private tables: mutex and lock to add */
	struct rb_root overlays;	/* process->lock */
	unsigned long nr_overlays;	/* process->lock */
	unsigned int nr_tables;		/* process->mutex */
	unsigned int nr_threads;	/* process->lock */
	unsigned int nr_looks;		/* process->lock: who looks at threads in it */
	u32 id;
	u32 parent;
	bool published;			/* process->mutex: its id was given out */
	bool deleted;			/* process->lock: no thread may come any more */
	bool retired;			/* process->lock: empty, on its way out */
	bool unlisted;			/* process->lock: off wf_process.list */
	bool committing;		/* process->lock: no thread may leave */
	bool turnstile;			/* see turnstile.c; has the id of @origin */
	bool passed;			/* process->lock: a turnstile where nobody runs user code again */
	struct wf_view *origin;		/* of a turnstile until it is passed: what it is made of, NULL for the base */
	struct wf_spans *traps;		/* of a turnstile: where its traps are; a reference */
	struct work_struct work;	/* lets the processors go, takes the view off the list */
	struct rcu_work free_work;	/* frees it a grace period later */
};

int wf_view_init(void);
void wf_view_exit(void);
void wf_view_wait(struct wf_process *p);
void wf_queue_work(struct work_struct *work);
bool wf_queue_delayed_work(struct delayed_work *work, unsigned long delay);

/* A view's id; 0 for NULL, which is the base. */
static inline u32 wf_view_id(const struct wf_view *view)
{
	return view ? view->id : WFPATCH_BASE_VIEW;
}

/* Is it that view, and not a turnstile made of it? NULL is the base. */
static inline bool wf_view_is(const struct wf_view *view, u32 id)
{
	return view ? !view->turnstile && view->id == id : id == WFPATCH_BASE_VIEW;
}

int wf_view_create(struct wf_process *p, u32 parent, u32 *id);
struct wf_view *wf_view_begin(struct wf_process *p, u32 id, u32 parent);
void wf_view_give_up(struct wf_view *view);
void wf_view_unpublish(struct wf_view *view);
int wf_view_delete(struct wf_process *p, u32 id);
void wf_view_delete_all(struct wf_process *p);
void wf_view_release_all(struct wf_process *p);
struct wf_view *wf_view_find(struct wf_process *p, u32 id);

/* Under the view lock. The second returns whether the caller must call wf_view_retire(). */
void wf_view_enter(struct wf_view *view);
bool wf_view_leave(struct wf_view *view);
void wf_view_retire(struct wf_view *view);

/* Keep a view that a thread is in, though the thread may leave it; the second without the lock. */
void wf_view_hold(struct wf_view *view);
void wf_view_let(struct wf_view *view);
bool wf_view_ends(struct wf_view *view);

#endif
