// SPDX-License-Identifier: GPL-2.0
/*
 * Making, finding and deleting views.
 *
 * The life of a view: it is put on the process's list before its tables are filled, so that no
 * change of the base passes it by; it becomes visible to requests when it is complete. Once deleted
 * and left by its last thread it is retired: the processors that still have its tables loaded let
 * go, it leaves the list, and after a grace period (walkers of the list) it is freed. Only in this
 * order does invariant 4 hold: while a processor may walk the tables, the view is on the list.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "arch/x86/carrier.h"
#include "event.h"
#include "hooks.h"
#include "limits.h"
#include "overlay.h"
#include "pin.h"
#include "quiescent.h"
#include "thread.h"
#include "trace.h"
#include "transition.h"
#include "view.h"
#include "wfpatch.h"

static struct workqueue_struct *wf_workqueue;

int wf_view_init(void)
{
	wf_workqueue = alloc_workqueue("wfpatch", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return wf_workqueue ? 0 : -ENOMEM;
}

/* Wait until the process's views that nobody uses any more are freed. */
void wf_view_wait(struct wf_process *p)
{
	wait_event(p->wait, !atomic_read(&p->nr_dying));
}

static void wf_view_flush_work(void)
{
	flush_workqueue(wf_workqueue);
	/* Freeing is queued by a grace period that retiring began. */
	rcu_barrier();
	flush_workqueue(wf_workqueue);
}

void wf_view_exit(void)
{
	wf_view_flush_work();
	destroy_workqueue(wf_workqueue);
}

/* Queue work that module unload must wait for. */
void wf_queue_work(struct work_struct *work)
{
	queue_work(wf_workqueue, work);
}

/* The same for later; returns whether it was queued already. Who queues it keeps the module. */
bool wf_queue_delayed_work(struct delayed_work *work, unsigned long delay)
{
	return mod_delayed_work(wf_workqueue, work, delay);
}

/* A view by its id, deleted ones excluded. Under RCU, the mutex or the view lock. */
struct wf_view *wf_view_find(struct wf_process *p, u32 id)
{
	return xa_load(&p->views, id);
}

static void wf_view_free(struct work_struct *work)
{
	struct wf_view *view = container_of(to_rcu_work(work), struct wf_view, free_work);
	struct wf_process *p = view->process;
	struct wfpatch_event event = { .type = WFPATCH_EVENT_FREED, .view = view->id };

	/* At the end of an address space the view may be freed before its work has run. */
	cancel_work_sync(&view->work);
	wf_overlay_free_all(view);
	wf_spans_put(view->traps);
	wf_carrier_destroy(view->carrier);
	/* Nobody was told of a view that could not be completed. */
	if (view->published) {
		wf_count(p, freed);
		wf_event_send(p, &event);
	}
	kfree(view);
	wf_hooks_put();
	if (atomic_dec_and_test(&p->nr_dying))
		wake_up_all(&p->wait);
	wf_process_put(p);
}

/* Take an empty view off the list. Nothing loads its tables any more. Mutex held. */
static void wf_view_unlist(struct wf_view *view)
{
	struct wf_process *p = view->process;
	unsigned long flags;

	lockdep_assert_held(&p->mutex);
	if (view->unlisted)
		return;
	wf_carrier_let_go(view->carrier);
	raw_spin_lock_irqsave(&p->lock, flags);
	view->unlisted = true;
	list_del_rcu(&view->list);
	p->nr_live--;
	raw_spin_unlock_irqrestore(&p->lock, flags);
	queue_rcu_work(wf_workqueue, &view->free_work);
}

static void wf_view_retire_work(struct work_struct *work)
{
	struct wf_view *view = container_of(work, struct wf_view, work);
	struct wf_process *p = view->process;

	/* The view may be freed as soon as the mutex is dropped. */
	wf_process_get(p);
	mutex_lock(&p->mutex);
	wf_view_unlist(view);
	mutex_unlock(&p->mutex);
	wf_process_put(p);
}

/* The last thread has left a deleted view. Called once for a view; any sleepable context. */
void wf_view_retire(struct wf_view *view)
{
	wf_queue_work(&view->work);
}

void wf_view_enter(struct wf_view *view)
{
	lockdep_assert_held(&view->process->lock);
	view->nr_threads++;
}

/* Shall a view that nobody uses any more be retired? Then the caller must. View lock held. */
bool wf_view_ends(struct wf_view *view)
{
	lockdep_assert_held(&view->process->lock);
	if (view->nr_threads || view->nr_looks || !view->deleted || view->retired)
		return false;
	view->retired = true;
	atomic_inc(&view->process->nr_dying);
	return true;
}

bool wf_view_leave(struct wf_view *view)
{
	view->nr_threads--;
	return wf_view_ends(view);
}

void wf_view_hold(struct wf_view *view)
{
	lockdep_assert_held(&view->process->lock);
	view->nr_looks++;
}

void wf_view_let(struct wf_view *view)
{
	struct wf_process *p = view->process;
	unsigned long flags;
	bool retire;

	raw_spin_lock_irqsave(&p->lock, flags);
	view->nr_looks--;
	retire = wf_view_ends(view);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	if (retire)
		wf_view_retire(view);
}

static struct wf_view *wf_view_alloc(struct wf_process *p, u32 parent)
{
	struct wf_view *view = kzalloc(sizeof(*view), GFP_KERNEL_ACCOUNT);

	if (!view)
		return NULL;
	view->carrier = wf_carrier_create(p->mm, &view->pgtable);
	if (!view->carrier) {
		kfree(view);
		return NULL;
	}
	view->parent = parent;
	view->overlays = RB_ROOT;
	INIT_LIST_HEAD(&view->list);
	INIT_WORK(&view->work, wf_view_retire_work);
	INIT_RCU_WORK(&view->free_work, wf_view_free);
	return view;
}

/*
 * From here on the view follows the base. A change of the base that does not see it on the list
 * came before the barrier, so filling sees the change (the other side: wf_flush_pre(), and the
 * lock in wf_invalidate()).
 */
static void wf_view_list(struct wf_view *view)
{
	struct wf_process *p = view->process;
	unsigned long flags;

	raw_spin_lock_irqsave(&p->lock, flags);
	p->nr_live++;
	list_add_tail_rcu(&view->list, &p->list);
	/* Listed before the base is read: pairs with wf_flush_pre() and the notifier. */
	smp_mb();
	wf_pgtable_fill(&view->pgtable);
	raw_spin_unlock_irqrestore(&p->lock, flags);
}

/* Mutex held. The view becomes visible to requests. */
static int wf_view_publish(struct wf_view *view)
{
	struct wf_process *p = view->process;
	unsigned long flags;
	int ret;

	ret = xa_err(xa_store(&p->views, view->id, view, GFP_KERNEL_ACCOUNT));
	if (ret)
		return ret;
	raw_spin_lock_irqsave(&p->lock, flags);
	p->nr_views++;
	WRITE_ONCE(p->status->nr_views, p->nr_views);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	p->last_id = view->id;
	view->published = true;
	wf_count(p, created);
	trace_wfpatch_create(p->mm, p->tgid, view->id, view->parent);
	return 0;
}

/* A view that follows the base and that nobody knows of yet. Hooks are armed. Mutex held. */
struct wf_view *wf_view_begin(struct wf_process *p, u32 id, u32 parent)
{
	struct wf_view *view = wf_view_alloc(p, parent);

	if (!view)
		return NULL;
	view->process = p;
	view->id = id;
	wf_process_get(p);
	wf_hooks_get_again();
	wf_view_list(view);
	return view;
}

/* The same view is not to be. Mutex held. */
void wf_view_give_up(struct wf_view *view)
{
	view->deleted = view->retired = true;
	atomic_inc(&view->process->nr_dying);
	wf_view_unlist(view);
}

static int wf_view_make(struct wf_process *p, u32 parent_id, u32 *id)
{
	struct wf_view *parent = NULL, *view;
	int ret;

	if (p->dead)
		return -ESRCH;
	if (p->abandoned)
		return -EBUSY;
	if (parent_id) {
		parent = wf_view_find(p, parent_id);
		if (!parent)
			return -ENOENT;
	}
	if (p->nr_views >= WF_MAX_VIEWS || p->nr_live >= WF_MAX_LIVE || p->last_id == U32_MAX)
		return -ENOSPC;
	ret = wf_arch_process_check(p->mm);
	if (ret)
		return ret;

	view = wf_view_begin(p, p->last_id + 1, parent_id);
	if (!view)
		return -ENOMEM;
	if (parent)
		ret = wf_overlay_share(parent, view);
	if (!ret)
		ret = wf_pins_fill(view);
	if (!ret)
		ret = wf_view_publish(view);
	if (ret) {
		wf_view_give_up(view);
		return ret;
	}
	*id = view->id;
	return 0;
}

int wf_view_create(struct wf_process *p, u32 parent, u32 *id)
{
	int ret;

	ret = wf_hooks_get();
	if (ret)
		return ret;
	wf_arch_process_hold(p->mm);
	/* For the pages of pinned ranges. */
	mmap_read_lock(p->mm);
	mutex_lock(&p->mutex);
	ret = wf_view_make(p, parent, id);
	mutex_unlock(&p->mutex);
	mmap_read_unlock(p->mm);
	wf_arch_process_let(p->mm);
	wf_hooks_put();
	return ret;
}

/* Gone for requests; freed behind its last thread. Mutex held. */
void wf_view_unpublish(struct wf_view *view)
{
	struct wf_process *p = view->process;
	unsigned long flags;
	bool retire;

	xa_erase(&p->views, view->id);
	raw_spin_lock_irqsave(&p->lock, flags);
	view->deleted = true;
	p->nr_views--;
	WRITE_ONCE(p->status->nr_views, p->nr_views);
	/* Who asks where the process is going must not be told of a view that is gone. */
	if (p->target == view->id) {
		p->target = WFPATCH_BASE_VIEW;
		WRITE_ONCE(p->status->target, WFPATCH_BASE_VIEW);
	}
	retire = wf_view_ends(view);
	raw_spin_unlock_irqrestore(&p->lock, flags);
	wf_count(p, deleted);
	trace_wfpatch_delete(p->mm, p->tgid, view->id, view->nr_threads);
	if (retire)
		wf_view_retire(view);
}

int wf_view_delete(struct wf_process *p, u32 id)
{
	struct wf_view *view;
	int ret = 0;

	if (!id)
		return -EINVAL;
	mutex_lock(&p->mutex);
	view = wf_view_find(p, id);
	if (!view)
		ret = -ENOENT;
	else if (wf_transition_needs(p, view))
		ret = -EBUSY;
	else
		wf_view_unpublish(view);
	mutex_unlock(&p->mutex);
	return ret;
}

/* Nobody has a handle any more. Views with threads in them live on until these leave. */
void wf_view_delete_all(struct wf_process *p)
{
	struct wf_view *view;
	unsigned long id;

	lockdep_assert_held(&p->mutex);
	wf_transition_stop(p);
	xa_for_each(&p->views, id, view)
		wf_view_unpublish(view);
}

/* The address space ends. No thread is left in any view; the base's tables are freed next. */
void wf_view_release_all(struct wf_process *p)
{
	struct wf_view *view, *next;

	wf_thread_release_all(p);
	mutex_lock(&p->mutex);
	p->dead = true;
	wf_view_delete_all(p);
	list_for_each_entry_safe(view, next, &p->list, list) {
		WARN_ON_ONCE(view->nr_threads);
		wf_view_unlist(view);
	}
	mutex_unlock(&p->mutex);
	wf_event_hangup(p);
}
