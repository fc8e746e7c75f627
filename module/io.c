// SPDX-License-Identifier: GPL-2.0
/*
 * VIEW_WRITE and VIEW_READ. The caller's data are copied before anything is locked: they may lie in
 * memory of the view itself, where a fault waits for the lock.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "compat.h"
#include "io.h"
#include "ksym.h"
#include "limits.h"
#include "overlay.h"
#include "turnstile.h"

/* A request: its segments, and a buffer with the data of all, one after the other. */
struct wf_io {
	struct wfpatch_seg *segs;
	unsigned int nr;
	char *data;
	unsigned long bytes;
};

static void wf_io_free(struct wf_io *io)
{
	kvfree(io->segs);
	kvfree(io->data);
}

/* Copy and check the segments; @write: the data, too. */
static int wf_io_prepare(struct wf_io *io, u64 segs, u32 nr, bool write)
{
	unsigned long done = 0;
	unsigned int i;

	if (!nr)
		return -EINVAL;
	if (nr > WF_MAX_SEGS)
		return -E2BIG;
	io->nr = nr;
	io->segs = kvmalloc_array(nr, sizeof(*io->segs), GFP_KERNEL_ACCOUNT);
	if (!io->segs)
		return -ENOMEM;
	if (copy_from_user(io->segs, u64_to_user_ptr(segs), nr * sizeof(*io->segs)))
		return -EFAULT;
	for (i = 0; i < nr; i++) {
		struct wfpatch_seg *seg = &io->segs[i];

		if (seg->addr + seg->len < seg->addr || seg->data + seg->len < seg->data)
			return -EINVAL;
		if (seg->len > WF_MAX_IO - io->bytes)
			return -E2BIG;
		if (seg->addr + seg->len > TASK_SIZE_MAX)
			return -EFAULT;
		io->bytes += seg->len;
	}
	if (!io->bytes)
		return 0;
	io->data = kvmalloc(io->bytes, GFP_KERNEL_ACCOUNT);
	if (!io->data)
		return -ENOMEM;
	for (i = 0; write && i < nr; i++) {
		struct wfpatch_seg *seg = &io->segs[i];

		if (copy_from_user(io->data + done, u64_to_user_ptr(seg->data), seg->len))
			return -EFAULT;
		done += seg->len;
	}
	return 0;
}

/* Put the parts of all segments that lie in one page into it. */
static void wf_io_change(struct wf_update *update, void *data)
{
	struct wf_io *io = data;
	char *page = page_address(update->page), *from = io->data;
	unsigned int i;

	for (i = 0; i < io->nr; from += io->segs[i].len, i++) {
		unsigned long start = max_t(unsigned long, io->segs[i].addr, update->addr);
		unsigned long end = min_t(unsigned long, io->segs[i].addr + io->segs[i].len,
					  update->addr + PAGE_SIZE);

		if (start >= end)
			continue;
		memcpy(page + (start - update->addr), from + (start - io->segs[i].addr),
		       end - start);
		bitmap_set(update->written, start - update->addr, end - start);
	}
}

/* The addresses of all pages of a request, each once. Returns their number, or an error. */
static long wf_io_pages(struct wf_io *io, struct xarray *pages)
{
	unsigned long addr, n = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < io->nr; i++) {
		unsigned long end = io->segs[i].addr + io->segs[i].len;

		for (addr = io->segs[i].addr & PAGE_MASK; io->segs[i].len && addr < end;
		     addr += PAGE_SIZE) {
			if (xa_load(pages, addr >> PAGE_SHIFT))
				continue;
			ret = xa_err(xa_store(pages, addr >> PAGE_SHIFT, xa_mk_value(1),
					      GFP_KERNEL_ACCOUNT));
			if (ret)
				return ret;
			n++;
		}
	}
	return n;
}

/*
 * Have the base's page in memory before anything is locked, whatever it takes: swap, userfaultfd.
 * It may go away again, which costs the mutex more time.
 */
static int wf_io_touch(struct mm_struct *mm, unsigned long addr)
{
	struct page *page;
	int locked = 1;
	long n;

	mmap_read_lock(mm);
	n = wf_get_user_page_retry(mm, addr, FOLL_FORCE, &page, &locked);
	if (locked)
		mmap_read_unlock(mm);
	if (n == 1)
		put_page(page);
	else if (fatal_signal_pending(current))
		return -EINTR;
	return n == 1 ? 0 : -EFAULT;
}

/* Mmap lock held: the mapping says better than a failed access what is wrong. */
static int wf_io_check(struct wf_process *p, struct wf_update *updates, long n)
{
	struct vm_area_struct *vma;
	long i;
	int ret;

	for (i = 0; i < n; i++) {
		vma = find_vma(p->mm, updates[i].addr);
		if (!vma || vma->vm_start > updates[i].addr)
			return -EFAULT;
		ret = wf_overlay_check(p, vma);
		if (ret)
			return ret;
	}
	return 0;
}

/* One try, with the locks that it takes. @view: or NULL, then the one with that id. */
static int wf_io_update(struct wf_process *p, struct wf_view *view, u32 id, struct wf_io *io,
			struct wf_update *updates, long n)
{
	int ret;

	mmap_read_lock(p->mm);
	mutex_lock(&p->mutex);
	if (!view) {
		view = wf_view_find(p, id);
		/* Threads would see the old content in a copy. */
		ret = !view ? -ENOENT : wf_turnstile_exists(p, view) ? -EBUSY : 0;
	} else {
		ret = 0;
	}
	if (!ret)
		ret = wf_io_check(p, updates, n);
	if (!ret)
		ret = wf_overlay_update(view, updates, n, wf_io_change, io);
	mutex_unlock(&p->mutex);
	mmap_read_unlock(p->mm);
	return ret;
}

static int wf_io_write(struct wf_process *p, struct wf_view *view, u32 id, struct wf_io *io,
		       struct wf_update *updates, long n)
{
	int ret;
	long i;

	do {
		mmap_read_lock(p->mm);
		ret = wf_io_check(p, updates, n);
		mmap_read_unlock(p->mm);
		for (i = 0; !ret && i < n; i++)
			ret = wf_io_touch(p->mm, updates[i].addr);
		if (!ret)
			ret = wf_io_update(p, view, id, io, updates, n);
	} while (ret == -EAGAIN && !fatal_signal_pending(current));
	return ret == -EAGAIN ? -EINTR : ret;
}

static int wf_view_exists(struct wf_process *p, u32 id)
{
	bool exists;

	rcu_read_lock();
	exists = wf_view_find(p, id);
	rcu_read_unlock();
	return exists ? 0 : -ENOENT;
}

/* Write what @io holds, to @view or, if that is NULL, to the view with that id. */
static int wf_io_put(struct wf_process *p, struct wf_view *view, u32 id, struct wf_io *io)
{
	struct wf_update *updates = NULL;
	unsigned long index, i = 0;
	struct xarray pages;
	void *entry;
	int ret = 0;
	long n;

	xa_init(&pages);
	n = wf_io_pages(io, &pages);
	if (n < 0)
		ret = n;
	if (n <= 0)
		goto out;
	ret = -ENOMEM;
	updates = wf_updates_alloc(n, true);
	if (!updates)
		goto out;
	xa_for_each(&pages, index, entry) {
		updates[i].addr = index << PAGE_SHIFT;
		updates[i].flags = WF_OVERLAY_WRITTEN;
		i++;
	}
	ret = wf_io_write(p, view, id, io, updates, n);
out:
	wf_updates_free(updates, n);
	xa_destroy(&pages);
	return ret;
}

int wf_view_write(struct wf_process *p, u32 id, u64 segs, u32 nr)
{
	struct wf_io io = { };
	int ret;

	if (!id)
		return -EINVAL;
	ret = wf_view_exists(p, id);
	if (ret)
		return ret;
	ret = wf_io_prepare(&io, segs, nr, true);
	if (!ret)
		ret = wf_io_put(p, NULL, id, &io);
	wf_io_free(&io);
	return ret;
}

/* The same byte at several addresses of a view that nobody else can delete. */
int wf_view_put_bytes(struct wf_process *p, struct wf_view *view, const unsigned long *addrs,
		      unsigned int nr, u8 byte)
{
	struct wf_io io = { .nr = nr };
	unsigned int i;
	int ret = -ENOMEM;

	io.segs = kvcalloc(nr, sizeof(*io.segs), GFP_KERNEL_ACCOUNT);
	io.data = kvmalloc(nr, GFP_KERNEL_ACCOUNT);
	if (io.segs && io.data) {
		memset(io.data, byte, nr);
		for (i = 0; i < nr; i++) {
			io.segs[i].addr = addrs[i];
			io.segs[i].len = 1;
		}
		ret = wf_io_put(p, view, 0, &io);
	}
	wf_io_free(&io);
	return ret;
}

/* Read [addr, addr + len), inside one page, as the view has it. */
static int wf_io_read_page(struct wf_process *p, u32 id, unsigned long addr, char *to,
			   unsigned long len)
{
	struct wf_overlay *overlay;
	struct page *page = NULL;
	struct wf_view *view;
	unsigned long flags;
	int ret = 0;

	if (id) {
		mutex_lock(&p->mutex);
		view = wf_view_find(p, id);
		if (!view)
			ret = -ENOENT;
		raw_spin_lock_irqsave(&p->lock, flags);
		overlay = view ? wf_overlay_find(view, addr & PAGE_MASK) : NULL;
		if (overlay) {
			page = overlay->page;
			get_page(page);
		}
		raw_spin_unlock_irqrestore(&p->lock, flags);
		mutex_unlock(&p->mutex);
	}
	if (page) {
		memcpy(to, page_address(page) + offset_in_page(addr), len);
		put_page(page);
	} else if (!ret && wf_ksym(access_remote_vm)(p->mm, addr, to, len, FOLL_FORCE) != len) {
		ret = fatal_signal_pending(current) ? -EINTR : -EFAULT;
	}
	return ret;
}

static int wf_io_read(struct wf_process *p, u32 id, struct wf_io *io)
{
	char *to = io->data;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < io->nr; i++) {
		unsigned long addr = io->segs[i].addr, end = addr + io->segs[i].len;

		while (addr < end && !ret) {
			unsigned long len = min(end - addr, PAGE_SIZE - offset_in_page(addr));

			ret = wf_io_read_page(p, id, addr, to, len);
			addr += len;
			to += len;
		}
	}
	return ret;
}

int wf_view_read(struct wf_process *p, u32 id, u64 segs, u32 nr)
{
	struct wf_io io = { };
	char *from;
	unsigned int i;
	int ret;

	ret = id ? wf_view_exists(p, id) : 0;
	if (ret)
		return ret;
	ret = wf_io_prepare(&io, segs, nr, false);
	if (!ret)
		ret = wf_io_read(p, id, &io);
	from = io.data;
	for (i = 0; !ret && i < io.nr; from += io.segs[i].len, i++)
		if (copy_to_user(u64_to_user_ptr(io.segs[i].data), from, io.segs[i].len))
			ret = -EFAULT;
	wf_io_free(&io);
	return ret;
}
