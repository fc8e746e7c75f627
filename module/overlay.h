/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A view's own pages. The tree is changed under the view lock; whoever adds pages or changes their
 * content also holds the process's mutex, and the mmap lock for reading before it. An unmapping
 * takes pages away under the view lock alone.
 */
#ifndef WF_OVERLAY_H
#define WF_OVERLAY_H

#include "view.h"

#define WF_OVERLAY_WRITTEN	1	/* made or changed by VIEW_WRITE */
#define WF_OVERLAY_PINNED	2	/* made for a pinned range */

struct wf_overlay {
	struct rb_node node;
	unsigned long addr;
	struct page *page;		/* NULL while it is being made. Shared pages have references. */
	unsigned int flags;
	unsigned long *written;		/* bitmap: the bytes that VIEW_WRITE wrote; or NULL */
};

/* One page of an update: what the view shall have at @addr. */
struct wf_update {
	unsigned long addr;
	struct page *page;
	struct wf_overlay *spare;
	unsigned long *written;		/* bitmap, see above */
	unsigned int flags;
	bool fresh;			/* starts with what the base has, whatever the view has */
	bool left_out;
	bool optional;			/* left out if the base's page cannot be read */
};

typedef void (*wf_update_fn)(struct wf_update *update, void *data);

struct wf_update *wf_updates_alloc(unsigned long n, bool written);
void wf_updates_free(struct wf_update *updates, unsigned long n);
int wf_overlay_update(struct wf_view *view, struct wf_update *updates, unsigned long n,
		      wf_update_fn change, void *data);
int wf_overlay_share(struct wf_view *from, struct wf_view *to);
struct wf_overlay *wf_overlay_find(struct wf_view *view, unsigned long addr);
struct wf_overlay *wf_overlay_next(struct wf_view *view, unsigned long addr);
int wf_overlay_check(struct wf_process *p, struct vm_area_struct *vma);
void wf_overlay_drop(struct wf_process *p, unsigned long start, unsigned long end);
void wf_overlay_unmap(struct wf_process *p, unsigned long start, unsigned long end);
void wf_overlay_forget(struct wf_view *view, unsigned long start, unsigned long end);
void wf_overlay_unpin(struct wf_view *view, unsigned long start, unsigned long end);
void wf_overlay_free_all(struct wf_view *view);

#endif
