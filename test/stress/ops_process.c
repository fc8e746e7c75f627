// SPDX-License-Identifier: GPL-2.0
/*
 * Steps that make processes, threads and signals, each of which checks what it sees against what it
 * should have inherited.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "stress.h"

#define NR_CHECKED 24
#define VM_STACK (64 << 10)
#define NOT_EXECUTED 42
#define STACK_SIZE (256 << 10)

extern char **environ;

/* Wait for a child; say what is wrong if it did not end well. Out of memory, it may be killed. */
static bool ended_well(struct worker *w, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			mismatch(w, "waitpid failed", 0, 0, (uint64_t)-errno);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	w->stats[STAT_KILLED]++;
	if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) &&
	    !(WIFEXITED(status) && WEXITSTATUS(status) == NOT_EXECUTED))
		mismatch(w,
			 "a child found something wrong (see above) or died; expected and seen are"
			 " wait statuses",
			 0, 0, (uint64_t)status);
	return false;
}

/* A forked child with views of its own, to which its parent's handle is of no use. */
static void views_of_a_child(struct worker *w)
{
	uint32_t number = below(w, 1 << 16), view, previous;
	unsigned int f = below(w, NR_FUNCTIONS);
	unsigned char insn[6];
	struct wfpatch_seg seg = { code_address(f), (uintptr_t)insn, sizeof(insn) };
	int fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	code_encode(insn, f << 16 | number);
	if (tolerate(w, device_create(fd, 0, &view), "VIEW_CREATE in a child failed", 0) &&
	    tolerate(w, device_io(fd, WFPATCH_IOC_VIEW_WRITE, view, &seg, 1),
		     "VIEW_WRITE in a child failed", 0) &&
	    tolerate(w, device_migrate(fd, view, &previous), "VIEW_MIGRATE in a child failed", 0)) {
		uint32_t seen = code_call_function(f);

		if (previous != 0)
			mismatch(w, "a forked child begins in a view", 0, 0, previous);
		if (seen != (f << 16 | number))
			mismatch(w, "a child's own view shows a wrong number", code_address(f),
				 f << 16 | number, seen);
	}
	range_check(w, (struct range){ 0, ARENA_PAGES });
}

static _Noreturn void forked_child(struct worker *w, const unsigned int *functions)
{
	bool had_device = !options.no_device;
	uint32_t view;
	unsigned int i;
	pid_t pid;

	w->in_child = true;
	for (i = 0; i < NR_CHECKED; i++)
		w->child_results[i] = code_call_function(functions[i]);
	if (had_device && device_current(device, &view) != -EPERM)
		mismatch(w, "a forked child can use its parent's handle", 0, (uint64_t)-EPERM, 0);
	options.no_device = true;
	model_flatten(w);
	w->slot = &slots[0];
	if (shall_break(w, BREAK_CHILD))
		page_put_words(w, 600, w->value + 1);
	range_check(w, (struct range){ 0, ARENA_PAGES });
	for (i = 0; i < ARENA_PAGES; i++)
		if (*cell_of(&slots[0], w->nr, i) & CELL_UNCERTAIN &&
		    page_kind(i) & (KIND_DATA | KIND_PRIVATE_FILE))
			page_store(w, i, ++w->value);
	run_child_steps(w, below(w, 6));
	if (!below(w, 4)) {
		pid = fork();
		if (!pid) {
			range_check(w, (struct range){ 0, ARENA_PAGES });
			_exit(0);
		}
		if (pid > 0)
			ended_well(w, pid);
	}
	if (had_device && !below(w, 3))
		views_of_a_child(w);
	_exit(0);
}

/* A forked child shows what its parent's view showed. */
void op_fork(struct worker *w)
{
	struct slot *slot = w->slot;
	unsigned int functions[NR_CHECKED], i;
	uint64_t before[NR_CHECKED];
	bool raced;
	pid_t pid;

	for (i = 0; i < NR_CHECKED; i++) {
		functions[i] = below(w, NR_FUNCTIONS);
		before[i] = slot->code[functions[i]];
	}
	pid = fork();
	if (!pid)
		forked_child(w, functions);
	if (!tolerate(w, RESULT(pid), "fork failed", 0) || !ended_well(w, pid))
		return;
	for (i = 0; i < NR_CHECKED; i++) {
		unsigned int f = functions[i];
		uint32_t seen = w->child_results[i];

		if (seen >> 16 != f || !code_cell_allows(before[i], slot->code[f], seen, &raced))
			mismatch(w, "a function of a forked child returned a wrong number",
				 code_address(f), f << 16 | (before[i] & 0xffff), seen);
	}
}

static const char *exec_argument(struct worker *w)
{
	bool lie = shall_break(w, BREAK_EXEC);

	return lie		   ? "--exec-child=broken"
	       : options.no_device ? "--exec-child=base"
				   : "--exec-child";
}

void op_exec(struct worker *w)
{
	char *const argv[] = { (char *)"stress", (char *)exec_argument(w), NULL };
	pid_t pid = fork();

	if (!pid) {
		execve("/proc/self/exe", argv, environ);
		_exit(NOT_EXECUTED);
	}
	if (tolerate(w, RESULT(pid), "fork failed", 0))
		ended_well(w, pid);
}

/* What --exec-child does: an executed program is an ordinary process and has no view. */
int exec_child(bool no_device)
{
	unsigned int f;
	uint32_t view = 1;
	long error;
	int fd;

	for (f = 0; f < 64; f++) {
		uint32_t seen = code_call_function(f);

		if (seen != (f << 16 | code_base(f))) {
			dprintf(2, "stress: an executed program sees %#x as function %u\n", seen,
				f);
			return 1;
		}
	}
	if (no_device)
		return 0;
	fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);
	error = fd < 0 ? -errno : device_current(fd, &view);
	if (error == -ENOMEM || error == -ENFILE)
		return NOT_EXECUTED;
	if (error || view) {
		dprintf(2, "stress: an executed program is in view %u, error %ld\n", view, error);
		return 1;
	}
	return 0;
}

/* What a process that shares its parent's memory shall do, and what it found. */
struct vm_job {
	struct slot *slot;
	struct slot *target;
	unsigned int first;
	const char *exec;
	const char *what;
	uint64_t expected;
	uint64_t seen;
};

/* Here and below: system calls only by raw_call(), since the thread-local data are the parent's. */
static bool vm_check_code(struct vm_job *job, struct slot *slot)
{
	unsigned int i;
	bool raced;

	for (i = 0; i < 16; i++) {
		unsigned int f = (job->first + i * 11) % NR_FUNCTIONS;
		uint64_t before = slot->code[f];
		uint32_t seen = code_call_function(f);

		if (seen >> 16 == f && code_cell_allows(before, slot->code[f], seen, &raced))
			continue;
		job->what = "a function called by a process that shares the memory";
		job->expected = f << 16 | (before & 0xffff);
		job->seen = seen;
		return false;
	}
	return true;
}

static bool vm_check_view(struct vm_job *job)
{
	uint32_t view = 0, previous = 0;
	long error = device_current(device, &view);

	if (error || view != job->slot->id) {
		job->what = "the view of a process that shares the memory";
		job->expected = job->slot->id;
		job->seen = error ? (uint64_t)error : view;
		return false;
	}
	if (!job->target || device_migrate(device, job->target->id, &previous))
		return true;
	job->slot = job->target;
	return vm_check_code(job, job->target);
}

static int vm_child(void *arg)
{
	struct vm_job *job = arg;
	const char *const argv[3] = { "stress", job->exec, NULL };
	bool good = vm_check_code(job, job->slot) && (options.no_device || vm_check_view(job));

	if (good && job->exec)
		raw_call(SYS_execve, (unsigned long)"/proc/self/exe", (unsigned long)argv,
			 (unsigned long)environ, 0);
	raw_call(SYS_exit_group, good ? (job->exec ? NOT_EXECUTED : 0) : 1, 0, 0, 0);
	__builtin_unreachable();
}

static void vm_run(struct worker *w, int flags, const char *exec)
{
	struct slot *target = options.no_device || below(w, 2) ? NULL : slot_get(w, true);
	struct vm_job job = {
		.slot = w->slot,
		.target = target,
		.first = below(w, NR_FUNCTIONS),
		.exec = exec,
	};
	pid_t pid = clone(vm_child, w->vm_stack + VM_STACK, CLONE_VM | SIGCHLD | flags, &job);
	int status = 0;

	if (tolerate(w, RESULT(pid), "clone failed", 0)) {
		if (!(flags & CLONE_VFORK))
			range_check(w, (struct range){ 136, 64 });
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			;
		if (job.what)
			mismatch(w, job.what, 0, job.expected, job.seen);
		w->stats[STAT_KILLED] += status != 0;
		if (status && WEXITSTATUS(status) != NOT_EXECUTED && WTERMSIG(status) != SIGKILL)
			mismatch(w, "a process that shares the memory died", 0, 0,
				 (uint64_t)status);
	}
	if (target)
		slot_put(target);
}

/* vfork(2) as it is used, to execute a program, but by clone(2) so that it has its own stack. */
void op_vfork(struct worker *w)
{
	vm_run(w, CLONE_VFORK, exec_argument(w));
}

void op_vm_clone(struct worker *w)
{
	vm_run(w, below(w, 2) ? CLONE_VFORK : 0, NULL);
}

static long create_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	error = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return -error;
}

/* A thread that helps a worker for a while begins in the view of the thread that made it. */
static void *helper_thread(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	self = w;
	code_check(w, 8);
	range_check(w, (struct range){ below(w, ARENA_PAGES - 64), 64 });
	if (!options.no_device) {
		uint32_t view = 0;
		long error = device_current(device, &view);

		if (error || view != ((struct slot *)w->slot)->id)
			mismatch(w, "a new thread does not begin in its creator's view", 0,
				 ((struct slot *)w->slot)->id, error ? (uint64_t)error : view);
		for (i = below(w, 4); i; i--)
			op_migrate(w);
	}
	counters_add(w);
	code_check(w, 8);
	slot_put(w->slot);
	self = NULL;
	return NULL;
}

static struct worker *helper_new(struct worker *w)
{
	struct worker *helper = malloc(sizeof(*helper));

	if (!helper)
		return NULL;
	memcpy(helper, w, sizeof(*helper));
	memset(helper->stats, 0, sizeof(helper->stats));
	memset(helper->adds, 0, sizeof(helper->adds));
	helper->random = next_random(w);
	((struct slot *)w->slot)->users++;
	if (shall_break(w, BREAK_THREAD))
		helper->slot = &slots[slot_number(w->slot) ? 0 : 1];
	return helper;
}

static void helper_end(struct worker *w, struct worker *helper)
{
	unsigned int i;

	for (i = 0; i < NR_STATS; i++)
		w->stats[i] += helper->stats[i];
	for (i = 0; i < NR_COUNTERS; i++)
		w->adds[i] += helper->adds[i];
	free(helper);
}

void op_thread(struct worker *w)
{
	struct worker *helpers[3];
	pthread_t threads[3];
	unsigned int nr = 1 + below(w, 3), i, started;

	for (started = 0; started < nr; started++) {
		struct worker *helper = helper_new(w);

		if (!helper)
			break;
		if (!tolerate(w, create_thread(&threads[started], helper_thread, helper),
			      "pthread_create failed", 0)) {
			slot_put(w->slot);
			free(helper);
			break;
		}
		helpers[started] = helper;
	}
	for (i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
		helper_end(w, helpers[i]);
	}
}

/* Have a new thread go on in the place of this one, which ends; it begins in this one's view. */
bool start_successor(struct worker *w)
{
	pthread_t successor;

	/* From here on the handler must not look at the view of what may be another thread. */
	self = NULL;
	w->predecessor = pthread_self();
	w->has_predecessor = true;
	w->stats[STAT_THREADS]++;
	if (!create_thread(&successor, worker_thread, w))
		return true;
	w->has_predecessor = false;
	self = w;
	return false;
}

static const int signals[] = { SIGUSR1, SIGUSR2, SIGURG, SIGWINCH };

void op_signal(struct worker *w)
{
	unsigned int times = 1 + below(w, 4);

	while (times--) {
		struct worker *other = &workers[below(w, options.threads)];
		pid_t tid = other->tid;

		if (tid)
			syscall(SYS_tgkill, getpid(), tid, signals[below(w, 4)]);
	}
}

static void handle_signal(int nr)
{
	int saved = errno;

	(void)nr;
	if (self && !self->in_child)
		code_check_in_handler(self);
	errno = saved;
}

static void handle_fault(int nr, siginfo_t *info, void *context)
{
	(void)context;
	if (self)
		mismatch(self, strsignal(nr), (unsigned long)info->si_addr, 0, (uint64_t)nr);
	fatal(strsignal(nr), 0);
}

void handlers_init(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE };
	struct sigaction action = { .sa_handler = handle_signal, .sa_flags = SA_RESTART };
	unsigned int i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
	action.sa_sigaction = handle_fault;
	action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESETHAND;
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigaction(faults[i], &action, NULL);
}
