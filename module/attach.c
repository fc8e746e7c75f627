// SPDX-License-Identifier: GPL-2.0
/*
 * Another process: who may attach to it, and its address space for the time of one request.
 *
 * A handle keeps the process's struct pid and nothing that lives longer because of it. Each request
 * looks for a thread anew, asks whether the caller could attach to it by ptrace, and has the address
 * space as a user of it until the request is over. So the process may call exec or end at any moment:
 * a request that is under way ends on the old address space, the next one finds another or none.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include "attach.h"
#include "compat.h"
#include "ksym.h"

/* The process of a pidfd, with a reference. Those of threads (PIDFD_THREAD) are for leaders only. */
struct pid *wf_attach_pid(int pidfd)
{
	struct file *file = fget(pidfd);
	struct pid *pid;
	int ret = 0;

	if (!file)
		return ERR_PTR(-EBADF);
	pid = wf_ksym(pidfd_pid)(file);
	if (!IS_ERR(pid))
		get_pid(pid);
	fput(file);
	if (IS_ERR(pid))
		return pid;
	rcu_read_lock();
	if (!pid_task(pid, PIDTYPE_TGID))
		ret = pid_task(pid, PIDTYPE_PID) ? -EBADF : -ESRCH;
	else if (pid_task(pid, PIDTYPE_TGID)->flags & PF_KTHREAD)
		ret = -EINVAL;
	rcu_read_unlock();
	if (pid == task_tgid(current))
		ret = -EINVAL;
	if (ret) {
		put_pid(pid);
		return ERR_PTR(ret);
	}
	return pid;
}

/*
 * A thread that will run user code again, with a reference; NULL if there is none. The leader if it
 * is one: it may have ended before the others.
 */
static struct task_struct *wf_attach_thread(struct pid *pid)
{
	struct task_struct *leader, *task, *found = NULL;

	rcu_read_lock();
	leader = pid_task(pid, PIDTYPE_TGID);
	if (leader) {
		for_each_thread(leader, task) {
			if (READ_ONCE(task->mm) && !(task->flags & (PF_EXITING | WF_PF_WORKER))) {
				found = get_task_struct(task);
				break;
			}
		}
	}
	rcu_read_unlock();
	return found;
}

/*
 * What to tell of a thread that may not be traced: if the process has called exec since, it is gone for
 * this handle, whatever it is now. 0 if the thread has just ended.
 */
static int wf_attach_refused(struct task_struct *task, struct mm_struct *mm)
{
	struct mm_struct *now;

	task_lock(task);
	now = task->mm;
	task_unlock(task);
	if (!now)
		return 0;
	return mm && now != mm ? -ESRCH : -EPERM;
}

/*
 * The address space of a thread as ptrace would give it to the caller. 0 if it has just ended. @mm as
 * below.
 */
static int wf_attach_try(struct task_struct *task, struct mm_struct *mm, struct wf_target *target)
{
	struct mm_struct *found = wf_ksym(mm_access)(task, PTRACE_MODE_ATTACH_REALCREDS);

	if (PTR_ERR(found) == -EACCES)
		return wf_attach_refused(task, mm);
	/* Without an address space: NULL, on newer kernels ESRCH. */
	if (!found || PTR_ERR(found) == -ESRCH)
		return 0;
	if (IS_ERR(found))
		return PTR_ERR(found);
	if (mm && found != mm) {
		mmput(found);
		return -ESRCH;
	}
	target->mm = found;
	target->task = get_task_struct(task);
	return 1;
}

/*
 * The address space of a process, if the caller could attach to it by ptrace. @mm: the only one that
 * will do, NULL for any. On success @target has references to it and to a thread of it. Sleeps.
 */
int wf_attach_get(struct pid *pid, struct mm_struct *mm, struct wf_target *target)
{
	struct task_struct *task;
	int ret;

	while ((task = wf_attach_thread(pid))) {
		ret = wf_attach_try(task, mm, target);
		put_task_struct(task);
		if (ret)
			return min(ret, 0);
		/* Others may go on. */
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return -ESRCH;
}

void wf_attach_put(struct wf_target *target)
{
	mmput(target->mm);
	put_task_struct(target->task);
}
