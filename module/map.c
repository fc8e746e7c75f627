// SPDX-License-Identifier: GPL-2.0
/*
 * MAP and UNMAP: a worker borrows the process's address space and calls the kernel's own mmap and
 * munmap there, with the credentials of who asked. So every check of the kernel and every security
 * module sees the caller, and no thread of the process is involved. The limits that the kernel takes
 * from the thread which maps are the process's, and looked at here.
 *
 * The caller may be killed while it waits: the job has references to all that it uses, and undoes a
 * mapping that nobody can be told of any more.
 */
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "compat.h"
#include "ksym.h"
#include "limits.h"
#include "map.h"

/* The kernel's mmap_min_addr; NULL where its symbols of data cannot be found. */
static const unsigned long *wf_min_addr;

/* Waits for the mmap locks of others, perhaps long: not the queue that frees views. */
static struct workqueue_struct *wf_map_queue;

enum wf_job_state {
	WF_JOB_WAITED_FOR,
	WF_JOB_DONE,
	WF_JOB_ABANDONED,	/* the caller was killed */
};

/* What the worker does; shared by it and the caller, freed by the last of them. */
struct wf_map_job {
	struct work_struct work;
	struct completion done;
	refcount_t refs;
	atomic_t state;
	struct mm_struct *mm;		/* as a user */
	struct task_struct *task;	/* of the process, for its limits */
	const struct cred *cred;	/* the caller's */
	struct file *file;		/* NULL to unmap */
	bool undo;			/* what nobody can be told of: it must not stay */
	struct wfpatch_map map;		/* @addr is an answer, too */
	int result;
};

/* Free places for an image of @len bytes: the one that is nearest to @wanted is taken. */
struct wf_gap {
	unsigned long wanted;
	unsigned long len;
	unsigned long reserve;		/* bytes above the heap that are left to it */
	unsigned long best;
	bool found;
};

static void wf_job_put(struct wf_map_job *job)
{
	if (!refcount_dec_and_test(&job->refs))
		return;
	if (job->file)
		fput(job->file);
	put_cred(job->cred);
	put_task_struct(job->task);
	mmput(job->mm);
	kfree(job);
}

static bool wf_limit_exceeded(struct task_struct *task, unsigned int limit, unsigned long pages)
{
	unsigned long bytes = task_rlimit(task, limit);

	/* As the kernel: Valgrind sets it to 0 for brk(), and wants its mappings all the same. */
	if (limit == RLIMIT_DATA && !bytes)
		bytes = task_rlimit_max(task, limit);
	return pages > bytes >> PAGE_SHIFT;
}

/*
 * The process's limits, as the kernel checks them for a thread of its own. Without the mmap lock: as
 * everywhere, what others map at the same moment may come on top.
 */
static int wf_map_limits(struct wf_map_job *job)
{
	struct mm_struct *mm = job->mm;
	unsigned long pages = job->map.len >> PAGE_SHIFT;

	if (wf_limit_exceeded(job->task, RLIMIT_AS, READ_ONCE(mm->total_vm) + pages))
		return -ENOMEM;
	if (job->map.prot & PROT_WRITE &&
	    wf_limit_exceeded(job->task, RLIMIT_DATA, READ_ONCE(mm->data_vm) + pages))
		return -ENOMEM;
	if (READ_ONCE(mm->def_flags) & VM_LOCKED && !capable(CAP_IPC_LOCK) &&
	    wf_limit_exceeded(job->task, RLIMIT_MEMLOCK, READ_ONCE(mm->locked_vm) + pages))
		return -ENOMEM;
	return 0;
}

static unsigned long wf_distance(unsigned long a, unsigned long b)
{
	return a < b ? b - a : a - b;
}

/* Is a place in [start, end), which is free, nearer than the best one so far? */
static void wf_gap_offer(struct wf_gap *gap, unsigned long start, unsigned long end)
{
	unsigned long at;

	if (end < start || end - start < gap->len)
		return;
	at = clamp(gap->wanted, start, end - gap->len);
	if (gap->found && wf_distance(at, gap->wanted) >= wf_distance(gap->best, gap->wanted))
		return;
	gap->best = at;
	gap->found = true;
}

/* The same without what the heap may grow into. */
static void wf_gap_offer_beside_heap(struct wf_gap *gap, struct mm_struct *mm,
				     unsigned long start, unsigned long end)
{
	unsigned long heap = mm->start_brk, limit = mm->brk + gap->reserve;

	if (!gap->reserve || end <= heap || start >= limit) {
		wf_gap_offer(gap, start, end);
		return;
	}
	wf_gap_offer(gap, start, heap);
	wf_gap_offer(gap, limit, end);
}

/* How far below a mapping nothing else may be: stacks grow, and overflows must be seen. */
static unsigned long wf_gap_below(struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_GROWSDOWN)
		return WF_MAP_STACK_ROOM;
	return vma->vm_flags & VM_SHADOW_STACK ? PAGE_SIZE : 0;
}

/* Look at every gap of [start, end). Mmap lock held. */
static void wf_gap_search(struct wf_gap *gap, struct mm_struct *mm, unsigned long start,
			  unsigned long end)
{
	struct vm_area_struct *vma;

	lockdep_assert_held(&mm->mmap_lock);
	while (start < end) {
		unsigned long to = end;

		vma = find_vma(mm, start);
		if (vma && vma->vm_start < end)
			to = vma->vm_start;
		if (vma && vma->vm_start - min(vma->vm_start, wf_gap_below(vma)) < to)
			to = vma->vm_start - min(vma->vm_start, wf_gap_below(vma));
		wf_gap_offer_beside_heap(gap, mm, start, to);
		if (!vma)
			break;
		start = vma->vm_end;
		cond_resched();
	}
}

/* What is below is not given to anybody, or refused, so it is not offered. */
static unsigned long wf_map_lowest(void)
{
	return max(wf_min_addr ? PAGE_ALIGN(READ_ONCE(*wf_min_addr)) : 0, WF_MAP_LOWEST);
}

/* Where would the job's image be near the wanted address? */
static int wf_map_place(struct wf_map_job *job, unsigned long wanted, unsigned long *addr)
{
	struct wf_gap gap = { .wanted = wanted, .len = job->map.len };
	unsigned long start = wanted - min_t(u64, wanted, job->map.distance);
	unsigned long end = wanted + min_t(u64, ULONG_MAX - wanted, job->map.distance);

	start = max(PAGE_ALIGN(start), wf_map_lowest());
	end = min(end & PAGE_MASK, job->mm->task_size);
	/* As mmap(2): above 47 bits only for those who name such an address. */
	if (wanted < DEFAULT_MAP_WINDOW)
		end = min(end, DEFAULT_MAP_WINDOW);
	gap.reserve = WF_MAP_HEAP_ROOM;
	mmap_read_lock(job->mm);
	wf_gap_search(&gap, job->mm, start, end);
	gap.reserve = 0;
	if (!gap.found)
		wf_gap_search(&gap, job->mm, start, end);
	mmap_read_unlock(job->mm);
	*addr = gap.best;
	return gap.found ? 0 : -ENOSPC;
}

/* In the process's address space, with the caller's credentials. */
static int wf_map_at(struct wf_map_job *job, unsigned long addr)
{
	unsigned long mapped;

	mapped = vm_mmap(job->file, addr, job->map.len, job->map.prot,
			 MAP_PRIVATE | MAP_FIXED_NOREPLACE, job->map.offset);
	if (!IS_ERR_VALUE(mapped)) {
		job->map.addr = mapped;
		return 0;
	}
	switch ((long)mapped) {
	case -EAGAIN:
		return -ENOMEM;		/* RLIMIT_MEMLOCK */
	case -EOVERFLOW:
		return -EINVAL;		/* behind the end of what a file may have */
	default:
		return (long)mapped;
	}
}

static int wf_job_map(struct wf_map_job *job)
{
	bool near = job->map.flags & WFPATCH_MAP_NEAR;
	unsigned long wanted = job->map.addr, addr = wanted;
	int ret;

	ret = wf_map_limits(job);
	if (ret)
		return ret;
	do {
		if (near)
			ret = wf_map_place(job, wanted, &addr);
		if (!ret)
			ret = wf_map_at(job, addr);
		/* The process itself may have taken the place meanwhile. */
	} while (near && ret == -EEXIST && atomic_read(&job->state) == WF_JOB_WAITED_FOR);
	return ret;
}

/*
 * Take a mapping back. The kernel needs memory for that, which is worth waiting for; not for ever,
 * since too many mappings of the process look the same.
 */
static int wf_job_undo(struct wf_map_job *job)
{
	int ret, tries;

	for (tries = 0; tries < WF_MAP_UNDO_TRIES; tries++) {
		ret = vm_munmap(job->map.addr, job->map.len);
		if (ret != -ENOMEM)
			break;
		msleep(WF_MAP_UNDO_MS);
	}
	return ret;
}

static int wf_job_run(struct wf_map_job *job)
{
	int ret;

	if (job->undo)
		return wf_job_undo(job);
	if (!job->file)
		return vm_munmap(job->map.addr, job->map.len);
	ret = wf_job_map(job);
	/* From here on it is the caller's, unless there is none any more. */
	if (atomic_cmpxchg(&job->state, WF_JOB_WAITED_FOR, WF_JOB_DONE) == WF_JOB_ABANDONED && !ret)
		wf_job_undo(job);
	return ret;
}

static void wf_job_work(struct work_struct *work)
{
	struct wf_map_job *job = container_of(work, struct wf_map_job, work);
	const struct cred *old;

	/* The job keeps the credentials: not every kernel counts references in these two. */
	old = override_creds(job->cred);
	kthread_use_mm(job->mm);
	job->result = wf_job_run(job);
	kthread_unuse_mm(job->mm);
	revert_creds(old);
	complete_all(&job->done);
	wf_job_put(job);
}

/* Have the worker do a job, to which @file's reference goes. @undo: whatever it takes. Sleeps. */
static int wf_job_do(struct wf_target *target, struct file *file, struct wfpatch_map *map,
		     bool undo)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | (undo ? __GFP_NOFAIL : 0);
	struct wf_map_job *job = kzalloc(sizeof(*job), gfp);
	int ret, state = WF_JOB_DONE;

	if (!job) {
		if (file)
			fput(file);
		return -ENOMEM;
	}
	INIT_WORK(&job->work, wf_job_work);
	init_completion(&job->done);
	refcount_set(&job->refs, 2);
	mmget(target->mm);
	job->mm = target->mm;
	job->task = get_task_struct(target->task);
	job->cred = get_current_cred();
	job->file = file;
	job->undo = undo;
	job->map = *map;
	queue_work(wf_map_queue, &job->work);
	if (wait_for_completion_killable(&job->done))
		state = atomic_cmpxchg(&job->state, WF_JOB_WAITED_FOR, WF_JOB_ABANDONED);
	ret = -EINTR;
	if (state == WF_JOB_DONE) {
		/* If the caller was killed it was too late: the worker is about to say so. */
		wait_for_completion(&job->done);
		ret = job->result;
		map->addr = job->map.addr;
	}
	wf_job_put(job);
	return ret;
}

/* A memfd must stay as it is: what is checked when a patch is applied is what runs later. */
static int wf_map_check_file(struct file *file)
{
	struct inode *inode = file_inode(file);

	if (!S_ISREG(inode->i_mode))
		return -ENODEV;
#ifdef CONFIG_MEMFD_CREATE
	/* On a mount of the kernel's own, which has no names: a memfd, or something like it. */
	if (inode->i_sb->s_flags & SB_KERNMOUNT) {
		const long want = F_SEAL_WRITE | F_SEAL_SHRINK;
		long seals = wf_ksym(memfd_fcntl)(file, F_GET_SEALS, 0);

		if (seals < 0 || (seals & want) != want)
			return -EACCES;
	}
#endif
	return 0;
}

static int wf_map_check(const struct wfpatch_map *map)
{
	if (!map->len || !PAGE_ALIGNED(map->addr | map->len | map->offset))
		return -EINVAL;
	if (map->offset + map->len < map->offset)
		return -EINVAL;
	if (!(map->flags & WFPATCH_MAP_NEAR) && map->distance)
		return -EINVAL;
	switch (map->prot) {
	case PROT_READ:
	case PROT_READ | PROT_EXEC:
	case PROT_READ | PROT_WRITE:
		return 0;
	default:
		return -EINVAL;
	}
}

/* Is [addr, addr + len) where the process may have mappings at all? */
static int wf_map_check_range(struct wf_target *target, u64 addr, u64 len)
{
	unsigned long size = target->mm->task_size;

	return len > size || addr > size - len ? -ENOMEM : 0;
}

int wf_map(struct wf_target *target, struct wfpatch_map *map)
{
	struct file *file;
	int ret;

	ret = wf_map_check(map);
	if (ret)
		return ret;
	/* Near an address there may be room that is not above it. */
	ret = wf_map_check_range(target, map->addr, map->flags & WFPATCH_MAP_NEAR ? 0 : map->len);
	if (ret)
		return ret;
	file = fget(map->fd);
	if (!file)
		return -EBADF;
	ret = wf_map_check_file(file);
	if (ret) {
		fput(file);
		return ret;
	}
	return wf_job_do(target, file, map, false);
}

int wf_unmap(struct wf_target *target, u64 addr, u64 len)
{
	struct wfpatch_map map = { .addr = addr, .len = len };

	if (!len || !PAGE_ALIGNED(addr | len))
		return -EINVAL;
	if (wf_map_check_range(target, addr, len))
		return -EINVAL;
	return wf_job_do(target, NULL, &map, false);
}

/* The caller of wf_map() cannot be told where it is. */
void wf_map_undo(struct wf_target *target, struct wfpatch_map *map)
{
	wf_job_do(target, NULL, map, true);
}

int wf_map_init(void)
{
	wf_min_addr = (const unsigned long *)wf_ksym_address("mmap_min_addr");
	wf_map_queue = alloc_workqueue("wfpatch_map", WQ_UNBOUND, 0);
	return wf_map_queue ? 0 : -ENOMEM;
}

/* After the device: no new jobs. Those whose callers were killed are waited for. */
void wf_map_exit(void)
{
	destroy_workqueue(wf_map_queue);
}
