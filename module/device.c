// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/wfpatch: an open file is a handle to the process that opened it, or to another after ATTACH.
 * Requests are checked here, their work is done elsewhere.
 *
 * A handle's process changes once at most, by ATTACH, and only if nobody has used the handle: whoever
 * uses it first says so (wf_handle_use()), and from then on it stays as it is. INFO, which does not
 * count, looks at the process under RCU.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "attach.h"
#include "commit.h"
#include "compat.h"
#include "device.h"
#include "event.h"
#include "gate.h"
#include "io.h"
#include "limits.h"
#include "list.h"
#include "map.h"
#include "pin.h"
#include "process.h"
#include "thread.h"
#include "transition.h"
#include "view.h"

static unsigned int mode = 0600;
module_param(mode, uint, 0444);
MODULE_PARM_DESC(mode, "permissions of /dev/wfpatch when it is made (0600)");

enum wf_handle_state {
	WF_HANDLE_FRESH,	/* to the opener; may be attached */
	WF_HANDLE_USED,		/* to the opener for good */
	WF_HANDLE_ATTACHING,	/* by one thread; others get EBUSY */
	WF_HANDLE_ATTACHED,	/* to @target for good */
};

struct wf_handle {
	atomic_t state;			/* orders all changes of @process, @queue and @target */
	struct wf_process __rcu *process;
	struct wf_queue *queue;
	struct pid *opener;
	struct mm_struct *mm;		/* the opener's; only the struct is kept */
	struct pid *target;		/* NULL if not attached */
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
	struct wfpatch_unmap unmap;
	struct wfpatch_list list;
};

static bool wf_handle_attached(struct wf_handle *handle)
{
	return atomic_read_acquire(&handle->state) == WF_HANDLE_ATTACHED;
}

/* From now on the handle cannot be attached any more. */
static int wf_handle_use(struct wf_handle *handle)
{
	int state = atomic_read_acquire(&handle->state);

	if (state == WF_HANDLE_FRESH)
		state = atomic_cmpxchg(&handle->state, WF_HANDLE_FRESH, WF_HANDLE_USED);
	return state == WF_HANDLE_ATTACHING ? -EBUSY : 0;
}

/* After wf_handle_use(). */
static struct wf_process *wf_handle_process(struct wf_handle *handle)
{
	return rcu_dereference_protected(handle->process, true);
}

static bool wf_handle_dead(struct wf_handle *handle)
{
	bool dead;

	rcu_read_lock();
	dead = READ_ONCE(rcu_dereference(handle->process)->dead);
	rcu_read_unlock();
	return dead;
}

/* May the caller use this handle? What it may do to another process is asked in wf_attach_get(). */
static int wf_handle_check(struct wf_handle *handle)
{
	if (wf_handle_attached(handle))
		return task_tgid(current) == handle->opener && current->mm == handle->mm ?
			       0 : -EPERM;
	if (current->mm == handle->mm)
		return 0;
	/* The opener itself has called exec; its old address space may have other users still. */
	if (wf_handle_dead(handle) || task_tgid(current) == handle->opener)
		return -ESRCH;
	return -EPERM;
}

/* Whom a request is about; after wf_handle_use(). Then wf_handle_put_target(). */
static int wf_handle_get_target(struct wf_handle *handle, struct wf_target *target)
{
	target->process = wf_handle_process(handle);
	target->mm = current->mm;
	target->task = current;
	if (!wf_handle_attached(handle))
		return 0;
	return wf_attach_get(handle->target, target->process->mm, target);
}

static void wf_handle_put_target(struct wf_handle *handle, struct wf_target *target)
{
	if (wf_handle_attached(handle))
		wf_attach_put(target);
}

static int wf_handle_info(struct wf_handle *handle, union wf_request *r)
{
	struct wf_target target;
	int ret;

	if (r->info.reserved)
		return -EINVAL;
	if (r->info.caller_version && r->info.caller_version < WF_OLDEST_CALLER)
		return -EPROTONOSUPPORT;
	if (wf_handle_attached(handle)) {
		ret = wf_handle_get_target(handle, &target);
		if (ret)
			return ret;
		wf_handle_put_target(handle, &target);
	}
	r->info.api_version = WFPATCH_API_VERSION;
	r->info.max_views = WF_MAX_VIEWS;
	r->info.features = WFPATCH_FEATURE_ATTACH | WFPATCH_FEATURE_AUTO | WFPATCH_FEATURE_MAP |
			   WFPATCH_FEATURE_COMMIT;
	r->info.max_segs = WF_MAX_SEGS;
	r->info.max_ranges = WF_MAX_RANGES;
	r->info.max_io = WF_MAX_IO;
	r->info.max_overlays = WF_MAX_OVERLAYS;
	rcu_read_lock();
	r->info.nr_views = READ_ONCE(rcu_dereference(handle->process)->nr_views);
	rcu_read_unlock();
	r->info.max_live = WF_MAX_LIVE;
	r->info.max_events = WF_MAX_EVENTS;
	r->info.max_list = WF_MAX_LIST;
	r->info.max_spans = WF_MAX_SPANS;
	r->info.max_stack = WF_MAX_STACK;
	return 0;
}

/* Have a share in a process, whose reference is taken over, on success only. */
static struct wf_queue *wf_handle_join(struct wf_process *p)
{
	struct wf_queue *queue = wf_queue_create(p);

	if (!queue)
		return NULL;
	mutex_lock(&p->mutex);
	p->nr_files++;
	mutex_unlock(&p->mutex);
	return queue;
}

/*
 * The last one deletes all views, if no threads must be led back first; what nobody uses any more is
 * then gone when this returns.
 */
static void wf_handle_leave(struct wf_process *p, struct wf_queue *queue)
{
	bool delete;

	wf_queue_destroy(p, queue);
	mutex_lock(&p->mutex);
	delete = !--p->nr_files && !wf_transition_abandon(p);
	if (delete)
		wf_view_delete_all(p);
	mutex_unlock(&p->mutex);
	if (delete) {
		wf_gates_clear(p);
		wf_view_wait(p);
	}
	wf_process_put(p);
}

/* Nobody else uses the handle but for INFO. On an error it is as before. */
static int wf_handle_take(struct wf_handle *handle, struct pid *pid)
{
	struct wf_process *old = wf_handle_process(handle), *p;
	struct wf_queue *old_queue = handle->queue, *queue;
	struct wf_target target;
	int ret;

	ret = wf_attach_get(pid, NULL, &target);
	if (ret)
		return ret;
	/* Tasks that share the caller's address space are the caller here. */
	p = target.mm == current->mm ? ERR_PTR(-EINVAL) :
				       wf_process_open(target.mm, pid_nr(pid));
	wf_attach_put(&target);
	if (IS_ERR(p))
		return PTR_ERR(p);
	queue = wf_handle_join(p);
	if (!queue) {
		wf_process_put(p);
		return -ENOMEM;
	}
	handle->queue = queue;
	handle->target = get_pid(pid);
	rcu_assign_pointer(handle->process, p);
	wf_handle_leave(old, old_queue);
	return 0;
}

static int wf_handle_attach(struct wf_handle *handle, union wf_request *r)
{
	struct pid *pid;
	int ret;

	if (r->attach.reserved)
		return -EINVAL;
	/* Afterwards only the opener could use it. */
	if (task_tgid(current) != handle->opener)
		return -EPERM;
	if (atomic_cmpxchg(&handle->state, WF_HANDLE_FRESH, WF_HANDLE_ATTACHING) !=
	    WF_HANDLE_FRESH)
		return -EBUSY;
	pid = wf_attach_pid(r->attach.pidfd);
	ret = PTR_ERR_OR_ZERO(pid);
	if (!ret) {
		ret = wf_handle_take(handle, pid);
		put_pid(pid);
	}
	atomic_set_release(&handle->state, ret ? WF_HANDLE_FRESH : WF_HANDLE_ATTACHED);
	return ret;
}

static int wf_do_pin(struct wf_target *t, union wf_request *r)
{
	return wf_pin(t->process, r->range.addr, r->range.len);
}

static int wf_do_unpin(struct wf_target *t, union wf_request *r)
{
	return wf_unpin(t->process, r->range.addr, r->range.len);
}

static int wf_do_create(struct wf_target *t, union wf_request *r)
{
	return wf_view_create(t->process, r->create.parent, &r->create.view);
}

/* The caller cannot be told the view's id. */
static void wf_undo_create(struct wf_target *t, union wf_request *r)
{
	wf_view_delete(t->process, r->create.view);
}

static int wf_do_delete(struct wf_target *t, union wf_request *r)
{
	return r->delete.reserved ? -EINVAL : wf_view_delete(t->process, r->delete.view);
}

static int wf_do_migrate(struct wf_target *t, union wf_request *r)
{
	return wf_thread_migrate(t->process, r->migrate.view, &r->migrate.previous);
}

/* A thread whose struct cannot be written to goes back; where it was is there still or the base. */
static void wf_undo_migrate(struct wf_target *t, union wf_request *r)
{
	u32 ignored;

	if (wf_thread_migrate(t->process, r->migrate.previous, &ignored))
		wf_thread_migrate(t->process, WFPATCH_BASE_VIEW, &ignored);
}

static int wf_do_current(struct wf_target *t, union wf_request *r)
{
	if (r->current_view.reserved)
		return -EINVAL;
	rcu_read_lock();
	r->current_view.view = wf_thread_view(current);
	rcu_read_unlock();
	return 0;
}

static int wf_do_write(struct wf_target *t, union wf_request *r)
{
	return wf_view_write(t->process, r->io.view, r->io.segs, r->io.nr_segs);
}

static int wf_do_read(struct wf_target *t, union wf_request *r)
{
	return wf_view_read(t->process, r->io.view, r->io.segs, r->io.nr_segs);
}

static int wf_do_commit(struct wf_target *t, union wf_request *r)
{
	return r->commit.reserved ? -EINVAL : wf_view_commit(t->process, r->commit.view);
}

static int wf_do_transition(struct wf_target *t, union wf_request *r)
{
	return wf_transition_request(t->process, &r->transition);
}

static int wf_do_map(struct wf_target *t, union wf_request *r)
{
	return wf_map(t, &r->map);
}

static void wf_undo_map(struct wf_target *t, union wf_request *r)
{
	wf_map_undo(t, &r->map);
}

static int wf_do_unmap(struct wf_target *t, union wf_request *r)
{
	return wf_unmap(t, r->unmap.addr, r->unmap.len);
}

static int wf_do_list_views(struct wf_target *t, union wf_request *r)
{
	return wf_list_views(t->process, &r->list);
}

static int wf_do_list_threads(struct wf_target *t, union wf_request *r)
{
	return wf_list_threads(t->process, &r->list);
}

static int wf_do_list_blocked(struct wf_target *t, union wf_request *r)
{
	return wf_list_blocked(t->process, &r->list);
}

/* A request: flags that it knows, what does it, and what undoes it if it cannot be answered. */
struct wf_operation {
	unsigned int cmd;
	u32 oldest;		/* size of its struct in version 1 */
	u32 size;		/* and now */
	u32 flags;
	bool out;
	bool self;		/* about the calling thread: not for other processes */
	int (*run)(struct wf_target *t, union wf_request *r);
	void (*undo)(struct wf_target *t, union wf_request *r);
	int (*on_handle)(struct wf_handle *handle, union wf_request *r);
};

#define WF_OP_SIZES(name, smallest, type, ...)						\
	[_IOC_NR(WFPATCH_IOC_##name)] = {						\
		.cmd = WFPATCH_IOC_##name, .oldest = smallest, .size = sizeof(struct type), \
		__VA_ARGS__								\
	}

#define WF_OP(name, type, function, ...)						\
	WF_OP_SIZES(name, sizeof(struct type), type, .run = function, __VA_ARGS__)

static const struct wf_operation wf_operations[] = {
	WF_OP_SIZES(INFO, offsetofend(struct wfpatch_info, caller_version), wfpatch_info,
		    .on_handle = wf_handle_info, .out = true),
	WF_OP_SIZES(ATTACH, sizeof(struct wfpatch_attach), wfpatch_attach,
		    .on_handle = wf_handle_attach),
	WF_OP(PIN, wfpatch_range, wf_do_pin),
	WF_OP(UNPIN, wfpatch_range, wf_do_unpin),
	WF_OP(VIEW_CREATE, wfpatch_view_create, wf_do_create, .out = true,
	      .undo = wf_undo_create),
	WF_OP(VIEW_DELETE, wfpatch_view_delete, wf_do_delete),
	WF_OP(VIEW_MIGRATE, wfpatch_view_migrate, wf_do_migrate, .out = true,
	      .undo = wf_undo_migrate, .self = true),
	WF_OP(VIEW_CURRENT, wfpatch_view_current, wf_do_current, .out = true, .self = true),
	WF_OP(VIEW_WRITE, wfpatch_view_io, wf_do_write),
	WF_OP(VIEW_READ, wfpatch_view_io, wf_do_read),
	WF_OP(VIEW_COMMIT, wfpatch_view_commit, wf_do_commit),
	WF_OP_SIZES(TRANSITION, offsetofend(struct wfpatch_transition, ranges),
		    wfpatch_transition, .run = wf_do_transition,
		    .flags = WFPATCH_TRANSITION_AUTO | WFPATCH_TRANSITION_CALL),
	WF_OP_SIZES(MAP, offsetofend(struct wfpatch_map, offset), wfpatch_map,
		    .run = wf_do_map, .undo = wf_undo_map, .flags = WFPATCH_MAP_NEAR, .out = true),
	WF_OP(LIST_VIEWS, wfpatch_list, wf_do_list_views, .out = true),
	WF_OP(LIST_THREADS, wfpatch_list, wf_do_list_threads, .out = true),
	WF_OP(UNMAP, wfpatch_unmap, wf_do_unmap),
	WF_OP(LIST_BLOCKED, wfpatch_list, wf_do_list_blocked, .out = true),
};

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

/* Answer the caller; @target is NULL if there is nothing to undo. */
static int wf_answer(const struct wf_operation *op, union wf_request *request, void __user *user,
		     u32 size, struct wf_target *target)
{
	if (!op->out)
		return 0;
	request->size = size;
	if (!copy_to_user(user, request, min(size, op->size)))
		return 0;
	if (op->undo)
		op->undo(target, request);
	return -EFAULT;
}

/* A request about the process, not about the handle itself. */
static int wf_handle_request(struct wf_handle *handle, const struct wf_operation *op,
			     union wf_request *request, void __user *user, u32 size)
{
	struct wf_target target;
	int ret;

	ret = wf_handle_use(handle);
	if (ret)
		return ret;
	if (op->self && wf_handle_attached(handle))
		return -EOPNOTSUPP;
	ret = wf_handle_get_target(handle, &target);
	if (ret)
		return ret;
	ret = op->run(&target, request);
	if (!ret)
		ret = wf_answer(op, request, user, size, &target);
	wf_handle_put_target(handle, &target);
	return ret;
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
	if (size < op->oldest)
		return -EINVAL;
	/* The unknown part is read byte by byte. */
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&request, op->size, user, size);
	if (ret)
		return ret;
	if (request.flags & ~op->flags)
		return -EINVAL;
	if (!op->on_handle)
		return wf_handle_request(handle, op, &request, user, size);
	ret = op->on_handle(handle, &request);
	return ret ?: wf_answer(op, &request, user, size, NULL);
}

/* May the caller take events, of which there are none now? */
static int wf_read_check(struct wf_handle *handle)
{
	int ret = wf_handle_check(handle);

	return !ret && wf_handle_dead(handle) ? -ESRCH : ret;
}

static ssize_t wf_read(struct file *file, char __user *buffer, size_t count, loff_t *pos)
{
	struct wf_handle *handle = file->private_data;
	struct wfpatch_event event;
	struct wf_process *p;
	ssize_t done = 0;
	int ret;

	ret = wf_handle_check(handle) ?: wf_handle_use(handle);
	if (ret)
		return ret;
	if (count < sizeof(event))
		return -EINVAL;
	p = wf_handle_process(handle);
	while (count - done >= sizeof(event)) {
		if (!wf_queue_get(p, handle->queue, &event)) {
			if (done)
				return done;
			ret = wf_read_check(handle);
			if (ret)
				return ret;
			if (file->f_flags & O_NONBLOCK)
				return -EAGAIN;
			ret = wait_event_interruptible(handle->queue->wait,
						       !wf_queue_is_empty(p, handle->queue) ||
						       wf_read_check(handle));
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

	/* While it is attached it has no queue to wait at. */
	if (wf_handle_use(handle))
		return EPOLLERR;
	poll_wait(file, &handle->queue->wait, wait);
	if (wf_handle_dead(handle))
		events |= EPOLLHUP;
	if (!wf_handle_check(handle)) {
		if (!wf_queue_is_empty(wf_handle_process(handle), handle->queue))
			events |= EPOLLIN | EPOLLRDNORM;
	} else if (!events) {
		events |= EPOLLERR;
	}
	return events;
}

/*
 * The status page: read-only for good, shared. The caller's mmap lock is held, so nobody is asked
 * whether he may trace the process: what the page says is no secret.
 */
static int wf_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct wf_handle *handle = file->private_data;
	int ret = wf_read_check(handle) ?: wf_handle_use(handle);

	if (ret)
		return ret;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != PAGE_SIZE ||
	    !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	wf_vm_flags_set(vma, VM_DONTEXPAND, VM_MAYWRITE | VM_MAYEXEC);
	return vm_insert_page(vma, vma->vm_start, wf_handle_process(handle)->status_page);
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
	p = wf_process_open(current->mm, task_tgid_nr(current));
	if (IS_ERR(p)) {
		kfree(handle);
		return PTR_ERR(p);
	}
	handle->queue = wf_handle_join(p);
	if (!handle->queue) {
		wf_process_put(p);
		kfree(handle);
		return -ENOMEM;
	}
	RCU_INIT_POINTER(handle->process, p);
	handle->opener = get_pid(task_tgid(current));
	handle->mm = current->mm;
	mmgrab(handle->mm);
	file->private_data = handle;
	return nonseekable_open(inode, file);
}

static int wf_release(struct inode *inode, struct file *file)
{
	struct wf_handle *handle = file->private_data;

	wf_handle_leave(wf_handle_process(handle), handle->queue);
	put_pid(handle->target);
	put_pid(handle->opener);
	mmdrop(handle->mm);
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
