// SPDX-License-Identifier: GPL-2.0
/*
 * ATTACH: who may, what the handle can do then, and what becomes of it when the process calls exec,
 * ends, or the caller loses its rights.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "target.h"

#define PTRACE_SCOPE	"/proc/sys/kernel/yama/ptrace_scope"
#define NOBODY		65534

/* How long a race is run at most: debug kernels are slow. */
#define RACE_MS	60000

static int fresh(void)
{
	return CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

/* The process that a handle stands for changes: another view, and back. */
static void check_works(int fd, code_fn code)
{
	uint32_t view;
	int value = 7, seen;

	CHECK_OK(try_create(fd, 0, &view));
	CHECK_OK(try_write(fd, view, (char *)(void *)code + 1, &value, sizeof(value)));
	CHECK_OK(try_read(fd, view, (char *)(void *)code + 1, &seen, sizeof(seen)));
	CHECK_EQ(seen, 7);
	CHECK_OK(try_read(fd, 0, (char *)(void *)code + 1, &seen, sizeof(seen)));
	CHECK_EQ(seen, 1);
	CHECK_OK(try_delete(fd, view));
}

/* Every request gives the same error; NULL, or what does not. */
static const char *find_other(int fd, int error)
{
	static char text[120];
	static long data[512] __attribute__((aligned(4096)));
	struct wfpatch_view_commit commit = { .size = sizeof(commit), .view = 1 };
	struct wfpatch_list list = { .size = sizeof(list) };
	struct wfpatch_info info;
	void *addr = NULL;
	uint32_t view;
	const struct {
		const char *name;
		long result;
	} all[] = {
		{ "INFO", try_info(fd, &info) },
		{ "PIN", try_range(fd, WFPATCH_IOC_PIN, data, PAGE) },
		{ "UNPIN", try_range(fd, WFPATCH_IOC_UNPIN, data, PAGE) },
		{ "VIEW_CREATE", try_create(fd, 0, &view) },
		{ "VIEW_DELETE", try_delete(fd, 1) },
		{ "VIEW_WRITE", try_write(fd, 1, data, data, 8) },
		{ "VIEW_READ", try_read(fd, 0, data, data, 8) },
		{ "VIEW_COMMIT", request(fd, WFPATCH_IOC_VIEW_COMMIT, &commit) },
		{ "TRANSITION", try_transition(fd, 0) },
		{ "MAP", try_map(fd, -1, PROT_READ, &addr, PAGE, 0) },
		{ "UNMAP", try_unmap(fd, data, PAGE) },
		{ "LIST_VIEWS", try_list_views(fd, NULL, 0, NULL) },
		{ "LIST_THREADS", try_list_threads(fd, NULL, 0, NULL) },
		{ "LIST_BLOCKED", request(fd, WFPATCH_IOC_LIST_BLOCKED, &list) },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i].result == -error)
			continue;
		snprintf(text, sizeof(text), "%s: expected %s, seen %s", all[i].name,
			 error_name(error), error_name(-all[i].result));
		return text;
	}
	return NULL;
}

static void check_all(int fd, int error)
{
	const char *other = find_other(fd, error);

	if (other)
		FAIL("%s", other);
}

static short polled(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	return poll(&poller, 1, 0) == 1 ? poller.revents : 0;
}

static long try_event(int fd)
{
	struct wfpatch_event event;

	return read(fd, &event, sizeof(event)) < 0 ? -errno : 0;
}

static long try_status_page(int fd)
{
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	munmap(page, PAGE);
	return 0;
}

/* --- what it does ---------------------------------------------------------------------------- */

TEST(a_thread_of_another_process_runs_a_view_that_was_made_for_it)
{
	code_fn code = make_code(1);
	struct target t;
	uint32_t view;
	int fd, value = 2;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_OK(try_write(fd, view, (char *)(void *)code + 1, &value, sizeof(value)));
	CHECK_EQ(target_ask(&t, TARGET_CALL, (void *)code), 1);
	CHECK_OK(target_ask(&t, TARGET_ENTER, (void *)(uintptr_t)view));
	CHECK_EQ(target_ask(&t, TARGET_CALL, (void *)code), 2);
	/* The caller's own memory at the same address is its own. */
	CHECK_EQ(code(), 1);
	CHECK_EQ(nr_views(), 0);
	CHECK_OK(target_ask(&t, TARGET_ENTER, NULL));
	CHECK_EQ(target_ask(&t, TARGET_CALL, (void *)code), 1);
	target_kill(&t);
}

TEST(pinned_memory_of_another_process_is_copied_and_given_back)
{
	long *data = map_filled(2);
	struct wfpatch_view_info views[4];
	struct target t;
	uint32_t view;
	int fd;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_range(fd, WFPATCH_IOC_PIN, data, 2 * PAGE));
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_EQ(try_list_views(fd, views, 4, NULL), 2);
	CHECK_EQ(views[1].nr_overlays, 2);
	CHECK_OK(target_ask(&t, TARGET_STORE, data));
	CHECK_EQ(target_ask(&t, TARGET_LOAD, data), 4711);
	CHECK_OK(target_ask(&t, TARGET_ENTER, (void *)(uintptr_t)view));
	CHECK_EQ(target_ask(&t, TARGET_LOAD, data), 0);
	CHECK_OK(try_range(fd, WFPATCH_IOC_UNPIN, data, 2 * PAGE));
	CHECK_EQ(target_ask(&t, TARGET_LOAD, data), 4711);
	target_kill(&t);
}

TEST(its_threads_events_and_status_page_are_seen)
{
	const volatile struct wfpatch_status *status;
	struct wfpatch_thread_info threads[4];
	struct wfpatch_event event;
	struct target t;
	uint32_t view;
	int fd;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	status = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(status != MAP_FAILED);
	CHECK_EQ(status->seq, 1);
	CHECK_ERROR(try_event(fd), EAGAIN);
	CHECK_EQ(polled(fd), 0);
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_EQ(status->nr_views, 1);
	CHECK_OK(target_ask(&t, TARGET_ENTER, (void *)(uintptr_t)view));
	event = next_event(fd, WFPATCH_EVENT_MIGRATED);
	CHECK_EQ(event.tid, t.pid);
	CHECK_EQ(event.view, view);
	CHECK_EQ(try_list_threads(fd, threads, 4, NULL), 1);
	CHECK_EQ(threads[0].tid, t.pid);
	CHECK_EQ(threads[0].view, view);
	target_kill(&t);
}

TEST(a_transition_of_another_process_is_done_when_its_threads_have_come)
{
	struct wfpatch_event event;
	struct target t;
	uint32_t view;
	int fd;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_OK(try_transition(fd, view));
	CHECK_OK(target_ask(&t, TARGET_ENTER, (void *)(uintptr_t)view));
	event = next_event(fd, WFPATCH_EVENT_DONE);
	CHECK_EQ(event.view, view);
	CHECK_EQ(event.count, 1);
	target_kill(&t);
}

TEST(closing_the_last_handle_to_a_process_deletes_its_views)
{
	code_fn code = make_code(1);
	struct target t;
	uint32_t view;
	int first, second, value = 2;

	target_start(&t, NULL, NULL);
	first = attach(&t);
	second = attach(&t);
	CHECK_OK(try_create(first, 0, &view));
	CHECK_OK(try_write(second, view, (char *)(void *)code + 1, &value, sizeof(value)));
	close(first);
	CHECK_EQ(try_list_views(second, NULL, 0, NULL), 0);
	CHECK_OK(try_delete(second, view));
	CHECK_OK(try_create(second, 0, &view));
	close(second);
	second = attach(&t);
	CHECK_ERROR(try_delete(second, view), ENOENT);
	CHECK_EQ(target_ask(&t, TARGET_CALL, (void *)code), 1);
	target_kill(&t);
}

TEST(what_is_about_the_calling_thread_gives_EOPNOTSUPP)
{
	struct target t;
	uint32_t view;
	int fd;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_ERROR(try_migrate(fd, view, NULL), EOPNOTSUPP);
	CHECK_ERROR(try_migrate(fd, 0, NULL), EOPNOTSUPP);
	CHECK_ERROR(try_current(fd, &view), EOPNOTSUPP);
	target_kill(&t);
}

/* --- what it refuses ------------------------------------------------------------------------- */

TEST(attaching_a_handle_that_is_not_fresh_gives_EBUSY)
{
	struct wfpatch_info info;
	struct target t;
	int fd;

	target_start(&t, NULL, NULL);
	fd = fresh();
	CHECK_OK(try_info(fd, &info));
	CHECK_EQ(info.features & WFPATCH_FEATURE_ATTACH, WFPATCH_FEATURE_ATTACH);
	CHECK_OK(try_attach_with(fd, t.pidfd));
	CHECK_ERROR(try_attach_with(fd, t.pidfd), EBUSY);
	close(fd);

	fd = fresh();
	CHECK_OK(try_list_views(fd, NULL, 0, NULL));
	CHECK_ERROR(try_attach_with(fd, t.pidfd), EBUSY);
	close(fd);

	fd = fresh();
	CHECK_OK(try_status_page(fd));
	CHECK_ERROR(try_attach_with(fd, t.pidfd), EBUSY);
	close(fd);

	fd = fresh();
	CHECK_ERROR(try_event(fd), EAGAIN);
	CHECK_ERROR(try_attach_with(fd, t.pidfd), EBUSY);
	close(fd);

	fd = fresh();
	CHECK_EQ(polled(fd), 0);
	CHECK_ERROR(try_attach_with(fd, t.pidfd), EBUSY);
	close(fd);
	target_kill(&t);
}

static pid_t kernel_thread(void)
{
	char name[32];

	CHECK(file_read("/proc/2/comm", name, sizeof(name)) > 0);
	CHECK(!strcmp(name, "kthreadd\n"));
	return 2;
}

TEST(a_failed_attach_leaves_the_handle_fresh)
{
	struct wfpatch_attach arg = { .size = sizeof(arg), .pidfd = -1, .reserved = 1 };
	int fd = fresh(), null, self, kernel;
	struct target t, gone;

	target_start(&t, NULL, NULL);
	target_start(&gone, NULL, NULL);
	null = CHECK_LIBC(open("/dev/null", O_RDONLY | O_CLOEXEC));
	self = (int)CHECK_LIBC(syscall(SYS_pidfd_open, getpid(), 0));
	kernel = (int)CHECK_LIBC(syscall(SYS_pidfd_open, kernel_thread(), 0));
	CHECK_ERROR(request(fd, WFPATCH_IOC_ATTACH, &arg), EINVAL);
	arg = (struct wfpatch_attach){ .size = sizeof(arg), .flags = 1, .pidfd = t.pidfd };
	CHECK_ERROR(request(fd, WFPATCH_IOC_ATTACH, &arg), EINVAL);
	CHECK_ERROR(try_attach_with(fd, -1), EBADF);
	CHECK_ERROR(try_attach_with(fd, 1000), EBADF);
	CHECK_ERROR(try_attach_with(fd, null), EBADF);
	CHECK_ERROR(try_attach_with(fd, fd), EBADF);
	CHECK_ERROR(try_attach_with(fd, self), EINVAL);
	CHECK_ERROR(try_attach_with(fd, kernel), EINVAL);
	/* A zombie, and then nobody. */
	kill(gone.pid, SIGKILL);
	CHECK_EQ(waitid(P_PID, (id_t)gone.pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	CHECK_ERROR(try_attach_with(fd, gone.pidfd), ESRCH);
	CHECK_EQ(child_status(gone.pid), SIGKILL);
	CHECK_ERROR(try_attach_with(fd, gone.pidfd), ESRCH);
	CHECK_OK(try_attach_with(fd, t.pidfd));
	target_kill(&t);
}

struct sharer {
	int fd;
	int pidfd;
	long with_its_parents_handle;
	long with_its_own;
};

static int attach_to_parent(void *arg)
{
	struct sharer *sharer = arg;

	sharer->with_its_parents_handle = try_attach_with(sharer->fd, sharer->pidfd);
	sharer->with_its_own = try_attach(sharer->pidfd);
	return 0;
}

TEST(a_task_that_shares_the_address_space_cannot_attach_to_it)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct sharer sharer = { .fd = fresh() };
	pid_t pid;

	sharer.pidfd = (int)CHECK_LIBC(syscall(SYS_pidfd_open, getpid(), 0));
	pid = CHECK_LIBC(clone(attach_to_parent, stack + sizeof(stack), CLONE_VM | SIGCHLD,
			       &sharer));
	CHECK_EQ(child_status(pid), 0);
	CHECK_ERROR(sharer.with_its_parents_handle, EPERM);
	CHECK_ERROR(sharer.with_its_own, EINVAL);
}

/* --- who may --------------------------------------------------------------------------------- */

static void no_preparation(void *unused)
{
	(void)unused;
}

/* An ordinary user again after becoming one could not be traced by himself. */
static void be_nobody(void *unused)
{
	(void)unused;
	become_nobody();
	CHECK_LIBC(prctl(PR_SET_DUMPABLE, 1));
}

static void be_nobody_undumpable(void *unused)
{
	be_nobody(unused);
	CHECK_LIBC(prctl(PR_SET_DUMPABLE, 0));
}

static void have_no_new_privileges(void *unused)
{
	be_nobody(unused);
	CHECK_LIBC(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void be_chrooted(void *unused)
{
	(void)unused;
	CHECK_LIBC(chroot("/proc"));
	CHECK_LIBC(chdir("/"));
}

static void be_confined(void *unused)
{
	(void)unused;
	CHECK_LIBC(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
}

struct attempt {
	int fd;
	int pidfd;
	int error;
};

static void attempt_as_nobody(void *arg)
{
	struct attempt *attempt = arg;
	int fd = fresh();

	be_nobody(NULL);
	CHECK_ERROR(try_attach_with(fd, attempt->pidfd), attempt->error);
}

/* Attaching from a user without rights gives @error, 0 for success. */
static void check_as_nobody(struct target *t, int error)
{
	struct attempt attempt = { .pidfd = t->pidfd, .error = error };

	child_run(attempt_as_nobody, &attempt);
}

TEST(root_may_attach_to_anybody_and_others_to_their_own)
{
	void (*const preparations[])(void *) = { no_preparation, be_nobody, have_no_new_privileges,
						 be_nobody_undumpable };
	static const int errors[] = { EPERM, 0, 0, EPERM };
	code_fn code = make_code(1);
	struct target t;
	int fd;

	guest_set(PTRACE_SCOPE, "0");
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		target_start(&t, preparations[i], NULL);
		check_as_nobody(&t, errors[i]);
		fd = attach(&t);
		check_works(fd, code);
		close(fd);
		target_kill(&t);
	}
}

/* A program that belongs to root and runs with his rights, in a place where that counts. */
static const char *make_setuid_program(void)
{
	static const char path[] = "/tmp/wfpatch-setuid";
	char data[4096];
	int from = CHECK_LIBC(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	int to = CHECK_LIBC(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));
	ssize_t n;

	while ((n = read(from, data, sizeof(data))) > 0)
		CHECK_EQ(write(to, data, (size_t)n), n);
	CHECK_LIBC(fchmod(to, 04755));
	close(from);
	close(to);
	return path;
}

struct runner {
	const char *path;
	int ask[2];
	int answer[2];
};

static void run_setuid_program(void *arg)
{
	struct runner *runner = arg;
	char ask[16], reply[16];

	be_nobody(NULL);
	snprintf(ask, sizeof(ask), "%d", runner->ask[0]);
	snprintf(reply, sizeof(reply), "%d", runner->answer[1]);
	close(runner->ask[1]);
	execl(runner->path, "exec", ask, reply, NULL);
	FAIL("%s: %s", runner->path, last_error());
}

TEST(a_setuid_program_is_not_its_callers_to_attach_to)
{
	struct runner runner = { .path = make_setuid_program() };
	struct attempt attempt = { .error = EPERM };
	long ready;
	pid_t pid;

	guest_set(PTRACE_SCOPE, "0");
	CHECK_LIBC(pipe(runner.ask));
	CHECK_LIBC(pipe(runner.answer));
	pid = child_start(run_setuid_program, &runner);
	CHECK_EQ(read(runner.answer[0], &ready, sizeof(ready)), sizeof(ready));
	unlink(runner.path);
	attempt.pidfd = (int)CHECK_LIBC(syscall(SYS_pidfd_open, pid, 0));
	child_run(attempt_as_nobody, &attempt);
	CHECK_OK(try_attach(attempt.pidfd));
	kill(pid, SIGKILL);
	CHECK_EQ(child_status(pid), SIGKILL);
}

TEST(a_chrooted_process_can_be_attached_to)
{
	code_fn code = make_code(1);
	struct target t;
	int fd;

	target_start(&t, be_chrooted, NULL);
	fd = attach(&t);
	check_works(fd, code);
	target_kill(&t);
}

/* The target answers its first question with a guard that needs system calls: so confine later. */
static int confine(void)
{
	be_confined(NULL);
	return 5;
}

TEST(a_process_that_seccomp_allows_nothing_can_be_attached_to)
{
	code_fn code = make_code(1);
	struct target t;
	int fd;

	if (prctl(PR_GET_SECCOMP) < 0)
		skip_test("the kernel has no seccomp");
	target_start(&t, NULL, NULL);
	CHECK_EQ(target_ask(&t, TARGET_RUN, (void *)confine), 5);
	fd = attach(&t);
	check_works(fd, code);
	CHECK_EQ(target_ask(&t, TARGET_RUN, (void *)code), 1);
	target_kill(&t);
}

/* The target is the first process of namespaces of its own. */
static void enter_namespaces(void *unused)
{
	(void)unused;
	CHECK_LIBC(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC));
}

static void attach_from_namespaces(void *arg)
{
	struct attempt *attempt = arg;
	int fd = fresh();

	enter_namespaces(NULL);
	CHECK_ERROR(try_attach_with(fd, attempt->pidfd), attempt->error);
}

TEST(a_process_in_a_user_namespace_is_its_creators_and_not_the_reverse)
{
	struct target outside, inside;
	struct attempt attempt = { .error = EPERM };
	code_fn code = make_code(1);
	int fd;

	if (access("/proc/self/ns/user", F_OK))
		skip_test("the kernel has no user namespaces");
	target_start(&outside, NULL, NULL);
	target_start(&inside, enter_namespaces, NULL);
	fd = attach(&inside);
	check_works(fd, code);
	check_as_nobody(&inside, EPERM);
	/* Root of a namespace is nobody outside. */
	attempt.pidfd = outside.pidfd;
	child_run(attach_from_namespaces, &attempt);
	target_kill(&inside);
	target_kill(&outside);
}

TEST(a_process_in_a_pid_namespace_can_be_attached_to)
{
	struct wfpatch_thread_info threads[4];
	code_fn code = make_code(1);
	struct target t;
	int fd;

	if (unshare(CLONE_NEWPID))
		skip_test("no pid namespaces: %s", last_error());
	/* The first child is the namespace's init; it has another id here. */
	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_EQ(try_list_threads(fd, threads, 4, NULL), 1);
	CHECK_EQ(threads[0].tid, t.pid);
	check_works(fd, code);
	target_kill(&t);
}

/* --- its threads ----------------------------------------------------------------------------- */

static void *serve_in_thread(void *t)
{
	/* The leader is gone when it answers. */
	sleep_ms(50);
	target_serve(t);
	return NULL;
}

static void leave_it_to_a_thread(void *t)
{
	pthread_t thread;

	start_thread(&thread, serve_in_thread, t);
	syscall(SYS_exit, 0);
}

TEST(a_process_whose_leader_has_ended_is_its_other_threads)
{
	struct wfpatch_thread_info threads[4];
	code_fn code = make_code(1);
	struct target t;
	uint32_t view;
	int fd, value = 2;

	target_start(&t, leave_it_to_a_thread, &t);
	fd = attach(&t);
	check_works(fd, code);
	CHECK_EQ(try_list_threads(fd, threads, 4, NULL), 1);
	CHECK(threads[0].tid != t.pid);
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_OK(try_write(fd, view, (char *)(void *)code + 1, &value, sizeof(value)));
	CHECK_OK(target_ask(&t, TARGET_ENTER, (void *)(uintptr_t)view));
	CHECK_EQ(target_ask(&t, TARGET_CALL, (void *)code), 2);
	target_kill(&t);
	check_all(fd, ESRCH);
}

/* --- yama ------------------------------------------------------------------------------------ */

static void let_anybody_trace(void *unused)
{
	be_nobody(unused);
	CHECK_LIBC(prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY));
}

static void attach_to_own_child(void *unused)
{
	struct target t;
	int fd;

	(void)unused;
	fd = fresh();
	be_nobody(NULL);
	target_start(&t, NULL, NULL);
	CHECK_OK(try_attach_with(fd, t.pidfd));
	target_kill(&t);
}

TEST(yama_decides_as_it_does_for_ptrace)
{
	struct target own, open;

	guest_need(PTRACE_SCOPE, "1");
	target_start(&own, be_nobody, NULL);
	target_start(&open, let_anybody_trace, NULL);
	check_as_nobody(&own, EPERM);
	check_as_nobody(&open, 0);
	child_run(attach_to_own_child, NULL);
	close(attach(&own));
	CHECK(file_write(PTRACE_SCOPE, "2"));
	check_as_nobody(&own, EPERM);
	check_as_nobody(&open, EPERM);
	close(attach(&own));
	CHECK(file_write(PTRACE_SCOPE, "0"));
	check_as_nobody(&own, 0);
	target_kill(&own);
	target_kill(&open);
}

TEST(yama_that_forbids_all_forbids_a_handle_that_is_attached)
{
	struct target t;
	int fd;

	/* It cannot be taken back, and would be in the way of other tests. */
	if (!getenv("TEST_YAMA_FOR_GOOD"))
		skip_test("ptrace_scope 3 stays for good; TEST_YAMA_FOR_GOOD=1 asks for it");
	target_start(&t, NULL, NULL);
	fd = attach(&t);
	if (!file_write(PTRACE_SCOPE, "3"))
		skip_test("the kernel has no yama");
	check_all(fd, EPERM);
	CHECK_ERROR(try_attach(t.pidfd), EPERM);
	target_kill(&t);
}

/* --- what changes later ---------------------------------------------------------------------- */

TEST(a_handle_is_useless_to_whoever_has_lost_his_rights)
{
	code_fn code = make_code(1);
	struct target t;
	uint32_t view;
	int fd;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_LIBC(syscall(SYS_setresuid, NOBODY, NOBODY, 0));
	check_all(fd, EPERM);
	CHECK_LIBC(syscall(SYS_setresuid, 0, 0, 0));
	CHECK_EQ(try_list_views(fd, NULL, 0, NULL), 0);
	check_works(fd, code);
	target_kill(&t);
}

static void use_attached_handle(void *fd)
{
	check_all(*(int *)fd, EPERM);
	CHECK_ERROR(try_event(*(int *)fd), EPERM);
	CHECK_ERROR(try_status_page(*(int *)fd), EPERM);
	CHECK_ERROR(try_migrate(*(int *)fd, 0, NULL), EPERM);
	CHECK_ERROR(try_attach_with(*(int *)fd, -1), EPERM);
	CHECK_EQ(polled(*(int *)fd), POLLERR);
}

static int use_attached_handle_here(void *fd)
{
	return find_other(*(int *)fd, EPERM) ? 1 : 0;
}

TEST(a_handle_that_another_process_has_attached_gives_EPERM)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct target t;
	pid_t pid;
	int fd;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	child_run(use_attached_handle, &fd);
	/* Sharing the opener's address space is not enough. */
	pid = CHECK_LIBC(clone(use_attached_handle_here, stack + sizeof(stack), CLONE_VM | SIGCHLD,
			       &fd));
	CHECK_EQ(child_status(pid), 0);
	CHECK_EQ(try_list_views(fd, NULL, 0, NULL), 0);
	target_kill(&t);
}

/* The process is gone: nothing works, and whoever waits is told. */
static void check_gone(int fd)
{
	check_all(fd, ESRCH);
	WAIT_FOR(polled(fd) & POLLHUP);
	/* The last views are freed, which is told, a moment later. */
	WAIT_FOR(try_event(fd) == -ESRCH);
	CHECK_ERROR(try_status_page(fd), ESRCH);
	check_all(fd, ESRCH);
}

TEST(exec_ends_what_a_handle_stands_for)
{
	struct target t;
	uint32_t view;
	int fd, again;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_OK(target_ask(&t, TARGET_ENTER, (void *)(uintptr_t)view));
	CHECK_OK(target_ask(&t, TARGET_EXEC, NULL));
	check_gone(fd);
	/* What it is now is another process for us. */
	again = attach(&t);
	CHECK_EQ(try_list_views(again, NULL, 0, NULL), 0);
	CHECK_ERROR(try_delete(again, view), ENOENT);
	check_all(fd, ESRCH);
	target_kill(&t);
}

TEST(the_end_of_a_process_is_not_put_off_by_handles)
{
	struct target t;
	uint32_t view;
	int fd;

	target_start(&t, NULL, NULL);
	fd = attach(&t);
	CHECK_OK(try_create(fd, 0, &view));
	CHECK_OK(target_ask(&t, TARGET_ENTER, (void *)(uintptr_t)view));
	target_ask(&t, TARGET_QUIT, NULL);
	WAIT_FOR(polled(fd) & POLLHUP);
	CHECK_EQ(child_status(t.pid), 0);
	check_gone(fd);
}

static void *wait_for_event(void *fd)
{
	struct wfpatch_event event;
	long n;

	while ((n = read(*(int *)fd, &event, sizeof(event))) > 0)
		;
	return (void *)(n ? -(long)errno : 0L);
}

TEST(a_reader_that_waits_is_told_of_the_end)
{
	int fd = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	pthread_t thread;
	struct target t;
	void *result;

	target_start(&t, NULL, NULL);
	CHECK_OK(try_attach_with(fd, t.pidfd));
	start_thread(&thread, wait_for_event, &fd);
	sleep_ms(100);
	target_kill(&t);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK_ERROR((long)result, ESRCH);
}

/* --- races ----------------------------------------------------------------------------------- */

static void be_killed_soon(pid_t pid, unsigned int us)
{
	if (fork())
		return;
	usleep(us);
	kill(pid, SIGKILL);
	_exit(0);
}

static void want_one_of(long result, int a, int b, const char *what)
{
	if (result && result != -a && result != -b)
		FAIL("%s: expected success, %s or %s, seen %s", what, error_name(a), error_name(b),
		     error_name(-result));
}

/* Everything that a patcher does, until the process is gone. */
static void work_until_gone(int fd, const long *data)
{
	uint32_t view = 0;
	long value = 5, result;

	for (;;) {
		result = try_create(fd, view, &view);
		want_one_of(result, ESRCH, ENOSPC, "VIEW_CREATE");
		if (result == -ESRCH)
			return;
		want_one_of(try_write(fd, view, data, &value, sizeof(value)), ESRCH, ESRCH,
			    "VIEW_WRITE");
		want_one_of(try_read(fd, view, data, &value, sizeof(value)), ESRCH, ESRCH,
			    "VIEW_READ");
		want_one_of(try_range(fd, WFPATCH_IOC_PIN, data, PAGE), ESRCH, ESRCH, "PIN");
		want_one_of(try_range(fd, WFPATCH_IOC_UNPIN, data, PAGE), ESRCH, ESRCH, "UNPIN");
		want_one_of(try_delete(fd, view), ESRCH, ESRCH, "VIEW_DELETE");
		view = 0;
	}
}

TEST(a_process_is_killed_in_the_middle_of_everything)
{
	uint64_t end = now_ms() + RACE_MS;
	long *data = map_filled(4);
	unsigned int seed = 1, round;
	struct target t;
	int fd;

	for (round = 0; round < 200 && now_ms() < end; round++) {
		target_start(&t, NULL, NULL);
		fd = attach(&t);
		be_killed_soon(t.pid, (unsigned int)rand_r(&seed) % 20000);
		work_until_gone(fd, data);
		if (round % 2)
			check_gone(fd);
		close(fd);
		target_kill(&t);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static void *exec_later(void *t)
{
	target_ask(t, TARGET_EXEC, NULL);
	return NULL;
}

TEST(a_process_calls_exec_in_the_middle_of_everything)
{
	uint64_t end = now_ms() + RACE_MS;
	long *data = map_filled(4);
	unsigned int round;
	pthread_t thread;
	struct target t;
	int fd;

	for (round = 0; round < 50 && now_ms() < end; round++) {
		target_start(&t, NULL, NULL);
		fd = attach(&t);
		start_thread(&thread, exec_later, &t);
		work_until_gone(fd, data);
		join_thread(thread);
		check_gone(fd);
		close(fd);
		target_kill(&t);
	}
}

TEST(a_process_is_killed_while_it_is_attached_to)
{
	uint64_t end = now_ms() + RACE_MS;
	unsigned int seed = 2, round, attached = 0;
	struct target t;
	int fd;

	for (round = 0; round < 200 && now_ms() < end; round++) {
		target_start(&t, NULL, NULL);
		be_killed_soon(t.pid, (unsigned int)rand_r(&seed) % 3000);
		while ((fd = try_attach(t.pidfd)) >= 0) {
			attached++;
			close(fd);
		}
		CHECK_ERROR(fd, ESRCH);
		target_kill(&t);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	CHECK(attached > 0);
}

struct race {
	int fd;
	unsigned int go;
	unsigned int seen;
};

/* Uses a fresh handle while it is attached: the one or the other comes first, never both. */
static void *use_first(void *arg)
{
	struct race *race = arg;
	struct wfpatch_info info;
	unsigned int turn = 0, go;
	long result;

	for (;;) {
		while ((go = LOAD(race->go)) == turn)
			;
		if (go == UINT32_MAX)
			return NULL;
		turn = go;
		CHECK_OK(try_info(race->fd, &info));
		switch (turn % 4) {
		case 0:
			result = try_list_views(race->fd, NULL, 0, NULL);
			break;
		case 1:
			result = try_event(race->fd);
			if (result == -EAGAIN)
				result = 0;
			break;
		case 2:
			result = try_status_page(race->fd);
			break;
		default:
			polled(race->fd);
			result = try_info(race->fd, &info);
			break;
		}
		if (result && result != -EBUSY)
			FAIL("turn %u: expected success or EBUSY, seen %s", turn % 4,
			     error_name(-result));
		STORE(race->seen, turn);
	}
}

TEST(a_handle_is_used_while_it_is_attached)
{
	struct race race = { 0 };
	unsigned int turn, attached = 0;
	pthread_t thread;
	struct target t;
	long result;

	target_start(&t, NULL, NULL);
	start_thread(&thread, use_first, &race);
	for (turn = 1; turn <= 400; turn++) {
		race.fd = fresh();
		__atomic_store_n(&race.go, turn, __ATOMIC_RELEASE);
		if (turn % 3)
			usleep(turn % 50);
		result = try_attach_with(race.fd, t.pidfd);
		if (result && result != -EBUSY)
			FAIL("expected success or EBUSY, seen %s", error_name(-result));
		attached += !result;
		while (LOAD(race.seen) != turn)
			;
		close(race.fd);
	}
	STORE(race.go, UINT32_MAX);
	join_thread(thread);
	CHECK(attached > 0 && attached < 400);
	target_kill(&t);
}
