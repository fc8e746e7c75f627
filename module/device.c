// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/wfpatch: an open file is a handle to the process that opened it. Requests are checked here,
 * their work is done elsewhere.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "compat.h"
#include "device.h"
#include "event.h"
#include "io.h"
#include "limits.h"
#include "list.h"
#include "pin.h"
#include "thread.h"
#include "transition.h"
#include "view.h"

static unsigned int mode = 0600;
module_param(mode, uint, 0444);
MODULE_PARM_DESC(mode, "permissions of /dev/wfpatch when it is made (0600)");

struct wf_handle {
	struct wf_process *process;
	struct wf_queue *queue;
	struct pid *tgid;		/* who opened it */
};

/* Any request, in kernel memory. */
union wf_request {
	struct {
		u32 size;
		u32 flags;
	};
	struct wfpatch_info info;
	struct wfpatch_attach attach;
	struct wfpatch_range range;
	struct wfpatch_view_create create;
	struct wfpatch_view_delete delete;
	struct wfpatch_view_migrate migrate;
	struct wfpatch_view_current current_view;
	struct wfpatch_view_io io;
	struct wfpatch_view_commit commit;
	struct wfpatch_transition transition;
	struct wfpatch_map map;
	struct wfpatch_list list;
};

static int wf_do_info(struct wf_process *p, union wf_request *r)
{
	if (r->info.caller_version && r->info.caller_version < WF_OLDEST_CALLER)
		return -EPROTONOSUPPORT;
	r->info.api_version = WFPATCH_API_VERSION;
	r->info.max_views = WF_MAX_VIEWS;
	r->info.features = 0;
	r->info.max_segs = WF_MAX_SEGS;
	r->info.max_ranges = WF_MAX_RANGES;
	r->info.max_io = WF_MAX_IO;
	r->info.max_overlays = WF_MAX_OVERLAYS;
	r->info.nr_views = READ_ONCE(p->nr_views);
	r->info.max_live = WF_MAX_LIVE;
	r->info.max_events = WF_MAX_EVENTS;
	r->info.max_list = WF_MAX_LIST;
	return 0;
}

/* Requests that the interface has numbers for and this version of the module does not do. */
static int wf_do_later(struct wf_process *p, union wf_request *r)
{
	return -EOPNOTSUPP;
}

static int wf_do_pin(struct wf_process *p, union wf_request *r)
{
	return wf_pin(p, r->range.addr, r->range.len);
}

static int wf_do_unpin(struct wf_process *p, union wf_request *r)
{
	return wf_unpin(p, r->range.addr, r->range.len);
}

static int wf_do_create(struct wf_process *p, union wf_request *r)
{
	return wf_view_create(p, r->create.parent, &r->create.view);
}

/* The caller cannot be told the view's id. */
static void wf_undo_create(struct wf_process *p, union wf_request *r)
{
	wf_view_delete(p, r->create.view);
}

static int wf_do_delete(struct wf_process *p, union wf_request *r)
{
	return r->delete.reserved ? -EINVAL : wf_view_delete(p, r->delete.view);
}

static int wf_do_migrate(struct wf_process *p, union wf_request *r)
{
	return wf_thread_migrate(p, r->migrate.view, &r->migrate.previous);
}

/* A thread whose struct cannot be written to goes back; where it was is there still or the base. */
static void wf_undo_migrate(struct wf_process *p, union wf_request *r)
{
	u32 ignored;

	if (wf_thread_migrate(p, r->migrate.previous, &ignored))
		wf_thread_migrate(p, WFPATCH_BASE_VIEW, &ignored);
}

static int wf_do_current(struct wf_process *p, union wf_request *r)
{
	if (r->current_view.reserved)
		return -EINVAL;
	rcu_read_lock();
	r->current_view.view = wf_thread_view(current);
	rcu_read_unlock();
	return 0;
}

static int wf_do_write(struct wf_process *p, union wf_request *r)
{
	return wf_view_write(p, r->io.view, r->io.segs, r->io.nr_segs);
}

static int wf_do_read(struct wf_process *p, union wf_request *r)
{
	return wf_view_read(p, r->io.view, r->io.segs, r->io.nr_segs);
}

static int wf_do_transition(struct wf_process *p, union wf_request *r)
{
	if (r->flags & WFPATCH_TRANSITION_AUTO)
		return -EOPNOTSUPP;
	if (r->transition.nr_ranges || r->transition.ranges)
		return -EINVAL;
	return wf_transition_start(p, r->transition.view);
}

static int wf_do_list_views(struct wf_process *p, union wf_request *r)
{
	return wf_list_views(p, &r->list);
}

static int wf_do_list_threads(struct wf_process *p, union wf_request *r)
{
	return wf_list_threads(p, &r->list);
}

/* A request: @size of its struct in version 1 and now, flags that it knows, what does it. */
struct wf_operation {
	unsigned int cmd;
	u32 size;
	u32 flags;
	bool out;
	int (*run)(struct wf_process *p, union wf_request *r);
	void (*undo)(struct wf_process *p, union wf_request *r);
};

#define WF_OP(name, type, function, ...)						\
	[_IOC_NR(WFPATCH_IOC_##name)] = {						\
		.cmd = WFPATCH_IOC_##name, .size = sizeof(struct type), .run = function, \
		__VA_ARGS__								\
	}

static const struct wf_operation wf_operations[] = {
	WF_OP(INFO, wfpatch_info, wf_do_info, .out = true),
	WF_OP(ATTACH, wfpatch_attach, wf_do_later),
	WF_OP(PIN, wfpatch_range, wf_do_pin),
	WF_OP(UNPIN, wfpatch_range, wf_do_unpin),
	WF_OP(VIEW_CREATE, wfpatch_view_create, wf_do_create, .out = true,
	      .undo = wf_undo_create),
	WF_OP(VIEW_DELETE, wfpatch_view_delete, wf_do_delete),
	WF_OP(VIEW_MIGRATE, wfpatch_view_migrate, wf_do_migrate, .out = true,
	      .undo = wf_undo_migrate),
	WF_OP(VIEW_CURRENT, wfpatch_view_current, wf_do_current, .out = true),
	WF_OP(VIEW_WRITE, wfpatch_view_io, wf_do_write),
	WF_OP(VIEW_READ, wfpatch_view_io, wf_do_read),
	WF_OP(VIEW_COMMIT, wfpatch_view_commit, wf_do_later),
	WF_OP(TRANSITION, wfpatch_transition, wf_do_transition,
	      .flags = WFPATCH_TRANSITION_AUTO),
	WF_OP(MAP, wfpatch_map, wf_do_later),
	WF_OP(LIST_VIEWS, wfpatch_list, wf_do_list_views, .out = true),
	WF_OP(LIST_THREADS, wfpatch_list, wf_do_list_threads, .out = true),
};

/* May the caller use this handle? */
static int wf_handle_check(struct wf_handle *handle)
{
	struct wf_process *p = handle->process;

	if (current->mm == p->mm)
		return 0;
	/* The opener itself has called exec; its old address space may have other users still. */
	if (READ_ONCE(p->dead) || task_tgid(current) == handle->tgid)
		return -ESRCH;
	return -EPERM;
}

/* Structs may grow, and their size is part of the request's number: it is not compared. */
static const struct wf_operation *wf_operation_find(unsigned int cmd)
{
	const struct wf_operation *op;
	unsigned int nr = _IOC_NR(cmd);

	if (nr >= ARRAY_SIZE(wf_operations))
		return NULL;
	op = &wf_operations[nr];
	return (cmd ^ op->cmd) & ~IOCSIZE_MASK ? NULL : op;
}

static long wf_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct wf_operation *op = wf_operation_find(cmd);
	struct wf_handle *handle = file->private_data;
	void __user *user = (void __user *)arg;
	union wf_request request = { };
	u32 size;
	int ret;

	if (!op)
		return -ENOTTY;
	ret = wf_handle_check(handle);
	if (ret)
		return ret;
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < op->size)
		return -EINVAL;
	/* The unknown part is read byte by byte. */
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&request, op->size, user, size);
	if (ret)
		return ret;
	if (request.flags & ~op->flags)
		return -EINVAL;
	ret = op->run(handle->process, &request);
	if (ret || !op->out)
		return ret;
	request.size = size;
	if (!copy_to_user(user, &request, op->size))
		return 0;
	if (op->undo)
		op->undo(handle->process, &request);
	return -EFAULT;
}

static ssize_t wf_read(struct file *file, char __user *buffer, size_t count, loff_t *pos)
{
	struct wf_handle *handle = file->private_data;
	struct wf_process *p = handle->process;
	struct wfpatch_event event;
	ssize_t done = 0;
	int ret;

	ret = wf_handle_check(handle);
	if (ret)
		return ret;
	if (count < sizeof(event))
		return -EINVAL;
	while (count - done >= sizeof(event)) {
		if (!wf_queue_get(p, handle->queue, &event)) {
			if (done)
				return done;
			if (file->f_flags & O_NONBLOCK)
				return -EAGAIN;
			ret = wait_event_interruptible(handle->queue->wait,
						       !wf_queue_is_empty(p, handle->queue) ||
						       wf_handle_check(handle));
			if (!ret)
				ret = wf_handle_check(handle);
			if (ret)
				return ret;
			continue;
		}
		if (copy_to_user(buffer + done, &event, sizeof(event))) {
			wf_queue_lose(p, handle->queue);
			return done ?: -EFAULT;
		}
		done += sizeof(event);
	}
	return done;
}

static __poll_t wf_poll(struct file *file, poll_table *wait)
{
	struct wf_handle *handle = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &handle->queue->wait, wait);
	if (READ_ONCE(handle->process->dead))
		events |= EPOLLHUP;
	else if (current->mm != handle->process->mm)
		events |= EPOLLERR;
	else if (!wf_queue_is_empty(handle->process, handle->queue))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

/* The status page: read-only for good, shared. */
static int wf_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct wf_handle *handle = file->private_data;
	int ret = wf_handle_check(handle);

	if (ret)
		return ret;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != PAGE_SIZE ||
	    !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	wf_vm_flags_set(vma, VM_DONTEXPAND, VM_MAYWRITE | VM_MAYEXEC);
	return vm_insert_page(vma, vma->vm_start, handle->process->status_page);
}

static int wf_open(struct inode *inode, struct file *file)
{
	struct wf_handle *handle;
	struct wf_process *p;

	if (!current->mm || current->flags & PF_KTHREAD)
		return -EINVAL;
	handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	if (!handle)
		return -ENOMEM;
	p = wf_process_open();
	if (IS_ERR(p)) {
		kfree(handle);
		return PTR_ERR(p);
	}
	handle->queue = wf_queue_create(p);
	if (!handle->queue) {
		wf_process_put(p);
		kfree(handle);
		return -ENOMEM;
	}
	mutex_lock(&p->mutex);
	p->nr_files++;
	mutex_unlock(&p->mutex);
	handle->process = p;
	handle->tgid = get_pid(task_tgid(current));
	file->private_data = handle;
	return nonseekable_open(inode, file);
}

static int wf_release(struct inode *inode, struct file *file)
{
	struct wf_handle *handle = file->private_data;
	struct wf_process *p = handle->process;
	bool last;

	wf_queue_destroy(p, handle->queue);
	mutex_lock(&p->mutex);
	last = !--p->nr_files;
	if (last)
		wf_view_delete_all(p);
	mutex_unlock(&p->mutex);
	/* What nobody uses any more is gone when close() returns. */
	if (last)
		wf_view_wait(p);
	put_pid(handle->tgid);
	wf_process_put(p);
	kfree(handle);
	return 0;
}

static const struct file_operations wf_file_operations = {
	.owner = THIS_MODULE,
	.open = wf_open,
	.release = wf_release,
	.unlocked_ioctl = wf_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = wf_read,
	.poll = wf_poll,
	.mmap = wf_mmap,
};

static struct miscdevice wf_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "wfpatch",
	.fops = &wf_file_operations,
};

int wf_device_init(void)
{
	wf_device.mode = mode & 0666;
	return misc_register(&wf_device);
}

void wf_device_exit(void)
{
	misc_deregister(&wf_device);
}
