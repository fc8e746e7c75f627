// SPDX-License-Identifier: GPL-2.0
/*
 * New tasks of a thread in a view: a thread (or any task that shares the address space) starts in
 * the same view; a forked child gets the content of the view in its own, ordinary address space.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include "hooks.h"
#include "ksym.h"
#include "overlay.h"
#include "thread.h"
#include "transition.h"

/*
 * In place of copy_process(), for a caller in a view that shares its address space with the child.
 * The record is made before there is a child: without it there is none (invariant 5). Workers of
 * the kernel run no user code; they stay in the base. (The caller may have been moved to the base since
 * its call was sent here: then there is nothing to inherit.)
 */
struct task_struct *wf_copy_process(struct pid *pid, int trace, int node,
				    struct kernel_clone_args *args)
{
	struct wf_thread *thread = NULL, *parent = wf_thread_hold();
	struct task_struct *task;
	struct wf_call call;

	wf_call_begin(&call, WF_HOOK_COPY_PROCESS);
	if (parent)
		thread = wf_thread_alloc(parent->process);
	if (thread || !parent)
		task = wf_ksym(copy_process)(pid, trace, node, args);
	else
		task = ERR_PTR(-ENOMEM);
	if (parent && !IS_ERR(task) && !(task->flags & WF_PF_WORKER)) {
		wf_thread_attach(thread, task, parent->view);
		/* It could be seen before, as a thread of the base. */
		wf_transition_check(parent->process, false);
	} else {
		wf_thread_put(thread);
	}
	wf_thread_let(parent);
	wf_call_end(&call);
	return task;
}

/* May the child have the parent's page at @addr? Not in mappings that fork leaves out or wipes. */
static bool wf_fork_wants(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;
	bool wants;

	mmap_read_lock(mm);
	vma = find_vma(mm, addr);
	wants = vma && vma->vm_start <= addr && !(vma->vm_flags & VM_WIPEONFORK);
	mmap_read_unlock(mm);
	return wants;
}

/* The page of the view's first overlay from *@addr on, with a reference; NULL if there is none. */
static struct page *wf_fork_next(struct wf_view *view, unsigned long *addr)
{
	struct wf_process *p = view->process;
	struct wf_overlay *overlay;
	struct page *page = NULL;
	unsigned long flags;

	/* The mutex keeps pages that are being made out of sight. */
	mutex_lock(&p->mutex);
	raw_spin_lock_irqsave(&p->lock, flags);
	overlay = wf_overlay_next(view, *addr);
	if (overlay) {
		*addr = overlay->addr;
		page = overlay->page;
		get_page(page);
	}
	raw_spin_unlock_irqrestore(&p->lock, flags);
	mutex_unlock(&p->mutex);
	return page;
}

/* Write the pages of @view into a child's own address space, copy on write, as a debugger would. */
static int wf_fork_copy(struct wf_view *view, struct mm_struct *mm)
{
	unsigned long addr = 0;
	struct page *page;
	int ret = 0;

	for (; !ret && (page = wf_fork_next(view, &addr)); addr += PAGE_SIZE) {
		if (wf_fork_wants(mm, addr) &&
		    wf_ksym(access_remote_vm)(mm, addr, page_address(page), PAGE_SIZE,
					      FOLL_FORCE | FOLL_WRITE) != PAGE_SIZE)
			ret = fatal_signal_pending(current) ? -EINTR : -ENOMEM;
		put_page(page);
		cond_resched();
	}
	return ret;
}

/*
 * In place of copy_thread(), the last step of a fork that may sleep and fail without more to undo
 * than before: the child's address space is complete and nobody has seen the child yet.
 */
int wf_copy_thread(WF_COPY_THREAD_PARAMETERS)
{
	struct wf_thread *parent = wf_thread_hold();
	struct wf_view *view = parent ? parent->view : NULL;
	struct wf_call call;
	int ret = 0;

	wf_call_begin(&call, WF_HOOK_COPY_THREAD);
	/* Traps are not for children. */
	if (view && view->turnstile)
		view = view->origin;
	if (view)
		ret = wf_fork_copy(view, task->mm);
	wf_thread_let(parent);
	if (!ret)
		ret = wf_ksym(copy_thread)(WF_COPY_THREAD_ARGUMENTS);
	wf_call_end(&call);
	return ret;
}
