// SPDX-License-Identifier: GPL-2.0
/* Transitions that the module makes: threads that know nothing of views come over by themselves. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>

#include "auto.h"

static long call_old(void *unused)
{
	(void)unused;
	return old_code(NULL, NULL);
}

/* --- asleep ----------------------------------------------------------------------------------- */

struct sleeper {
	int pipe[2];
	int epoll;
	int word;
	int interrupted;
	int woken;
};

static long sleep_read(void *arg)
{
	struct sleeper *s = arg;
	char byte;
	long n = read(s->pipe[0], &byte, 1);

	s->interrupted += n < 0 && errno == EINTR;
	return old_code(NULL, NULL);
}

static long sleep_epoll(void *arg)
{
	struct sleeper *s = arg;
	struct epoll_event event;
	int n = epoll_wait(s->epoll, &event, 1, -1);

	s->interrupted += n < 0 && errno == EINTR;
	return old_code(NULL, NULL);
}

static long sleep_futex(void *arg)
{
	struct sleeper *s = arg;
	long ret = syscall(SYS_futex, &s->word, FUTEX_WAIT, 0, NULL, NULL, 0);

	s->interrupted += ret < 0 && errno == EINTR;
	return old_code(NULL, NULL);
}

static long sleep_nap(void *arg)
{
	struct sleeper *s = arg;
	struct timespec nap = { .tv_sec = 3 };

	s->interrupted += nanosleep(&nap, NULL) < 0;
	return old_code(NULL, NULL);
}

TEST(sleeping_threads_are_moved_in_their_sleep)
{
	static long (*const calls[])(void *) = { sleep_read, sleep_epoll, sleep_futex, sleep_nap };
	struct sleeper s = { };
	struct epoll_event event = { .events = EPOLLIN };
	struct worker w[4];
	uint32_t view;
	int i;

	CHECK_LIBC(pipe(s.pipe));
	s.epoll = CHECK_LIBC(epoll_create1(0));
	CHECK_LIBC(epoll_ctl(s.epoll, EPOLL_CTL_ADD, s.pipe[0], &event));
	for (i = 0; i < 4; i++) {
		worker_start(&w[i]);
		worker_begin(&w[i], calls[i], &s);
	}
	usleep(200000);
	view = auto_view();
	go(view);
	/* They are there and have not woken up. */
	for (i = 0; i < 4; i++)
		CHECK_EQ(view_of(w[i].tid), view);
	CHECK_EQ(old_code(NULL, NULL), 2);
	STORE(s.word, 1);
	syscall(SYS_futex, &s.word, FUTEX_WAKE, 1, NULL, NULL, 0);
	CHECK_EQ(write(s.pipe[1], "x", 1), 1);
	/* One of the two takes the byte; the other needs one of its own. */
	CHECK_EQ(write(s.pipe[1], "x", 1), 1);
	for (i = 0; i < 4; i++)
		CHECK_EQ(worker_end(&w[i]), 2);
	CHECK_EQ(s.interrupted, 0);
	go(0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(worker_call(&w[i], call_old, NULL), 1);
}

/* --- inside ----------------------------------------------------------------------------------- */

TEST(a_thread_inside_is_not_moved_before_it_calls_again)
{
	const struct wfpatch_blocked_info *info;
	struct worker in, out;
	uint32_t view = auto_view();
	int flag = 0;

	worker_start(&in);
	worker_start(&out);
	worker_begin(&in, be_inside, &flag);
	usleep(100000);
	CHECK_OK(try_auto(device, view));
	wait_view(out.tid, view);
	CHECK_EQ(worker_call(&out, call_old, NULL), 2);
	info = wait_blocked(in.tid, WFPATCH_BLOCKED_STACK);
	CHECK(in_old_code(info->word));
	CHECK_EQ(info->view, 0);
	CHECK(info->ip);
	STORE(flag, 1);
	CHECK_EQ(worker_end(&in), 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	CHECK_EQ(worker_call(&in, call_old, NULL), 2);
	go(0);
}

/* On a stack that ends: the event has an address of code in it. */
static void *wait_told(void *in)
{
	struct wfpatch_event event = next_event(device, WFPATCH_EVENT_BLOCKED);

	CHECK_EQ(event.tid, ((struct worker *)in)->tid);
	CHECK(in_old_code(event.addr));
	return NULL;
}

TEST(what_blocks_is_told_after_a_second)
{
	struct worker in;
	uint32_t view = auto_view();
	pthread_t thread;
	int flag = 0;

	worker_start(&in);
	worker_begin(&in, be_inside, &flag);
	usleep(100000);
	CHECK_OK(try_auto(device, view));
	start_small_thread(&thread, wait_told, &in);
	join_thread(thread);
	STORE(flag, 1);
	CHECK_EQ(worker_end(&in), 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	go(0);
}

struct spinner {
	int stop;
	long old_calls;
	long new_calls;
	long mixed;
};

static long spin_pair(void *arg)
{
	struct spinner *s = arg;

	while (!LOAD(s->stop)) {
		long seen = old_pair();

		if (seen == 1)
			s->old_calls++;
		else if (seen == 2)
			s->new_calls++;
		else
			s->mixed++;
	}
	/* The last of those may have been in another view. */
	return old_pair();
}

TEST(busy_threads_come_over_at_their_next_call)
{
	struct spinner s[3] = { };
	struct worker w[3];
	uint32_t view;
	int i, round;

	for (i = 0; i < 3; i++) {
		worker_start(&w[i]);
		worker_begin(&w[i], spin_pair, &s[i]);
	}
	for (round = 0; round < 20; round++) {
		view = auto_view();
		go(view);
		go(0);
		delete_view(view);
	}
	for (i = 0; i < 3; i++) {
		STORE(s[i].stop, 1);
		CHECK_EQ(worker_end(&w[i]), 1);
		CHECK_EQ(s[i].mixed, 0);
		CHECK(s[i].old_calls > 0);
		CHECK(s[i].new_calls > 0);
	}
}

struct nester {
	int stop;
	long rounds;
	long mixed;
};

static long call_inner(void *arg)
{
	long *seen = arg;
	int i;

	/* Each of these is trapped while the caller is inside. */
	for (i = 0; i < 5; i++)
		*seen |= old_code(NULL, NULL);
	return 0;
}

/* Between two rounds there are a few instructions; inside, a call of a function that is replaced, too. */
static long nest(void *arg)
{
	struct nester *n = arg;

	while (!LOAD(n->stop)) {
		long seen = 0, outer = old_code(call_inner, &seen);

		n->rounds++;
		n->mixed += seen != outer;
	}
	return old_code(NULL, NULL);
}

TEST(nested_calls_are_let_through_until_the_outermost)
{
	struct nester n[2] = { };
	struct worker w[2];
	int i, round;

	for (i = 0; i < 2; i++) {
		worker_start(&w[i]);
		worker_begin(&w[i], nest, &n[i]);
	}
	for (round = 0; round < 10; round++) {
		uint32_t view = auto_view();

		go(view);
		go(0);
		delete_view(view);
	}
	for (i = 0; i < 2; i++) {
		STORE(n[i].stop, 1);
		CHECK_EQ(worker_end(&w[i]), 1);
		CHECK_EQ(n[i].mixed, 0);
		CHECK(n[i].rounds > 0);
	}
}

static long go_deep(void *flag)
{
	return old_deep(20, flag);
}

TEST(a_recursion_ends_in_the_code_it_began_in)
{
	struct worker w;
	uint32_t view = auto_view();
	int flag = 0;

	worker_start(&w);
	worker_begin(&w, go_deep, &flag);
	usleep(100000);
	CHECK_OK(try_auto(device, view));
	wait_blocked(w.tid, WFPATCH_BLOCKED_STACK);
	STORE(flag, 1);
	CHECK_EQ(worker_end(&w), 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	CHECK_EQ(worker_call(&w, go_deep, &flag), 2);
	go(0);
}

static void *run_last(void *flag)
{
	*((volatile int *)flag + 1) = gettid();
	old_last(flag);
	return NULL;
}

TEST(a_function_that_ends_with_a_call_keeps_its_thread)
{
	volatile int flag[2] = { };
	pthread_t thread;
	uint32_t view = auto_view();
	const struct wfpatch_blocked_info *info;

	start_thread(&thread, run_last, (void *)flag);
	while (!flag[1])
		usleep(1000);
	usleep(50000);
	CHECK_OK(try_auto(device, view));
	info = wait_blocked(flag[1], WFPATCH_BLOCKED_STACK);
	CHECK(info->word);
	flag[0] = 1;
	join_thread(thread);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	go(0);
}

/* --- signals ---------------------------------------------------------------------------------- */

static volatile int in_handler, leave_handler;

static void handler(int signal)
{
	(void)signal;
	in_handler = 1;
	while (!leave_handler)
		usleep(1000);
}

static long spin_inside(void *arg)
{
	while (!LOAD(*(int *)arg))
		;
	return 0;
}

static char other_stack[65536] __attribute__((aligned(16)));

static long inside_spinning(void *flag)
{
	stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };

	if (flag)
		stack.ss_flags = *((int *)flag + 1);
	CHECK_LIBC(sigaltstack(&stack, NULL));
	return old_code(spin_inside, flag);
}

static void interrupted_stack(int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	int flag[2] = { 0, flags };
	struct worker w;
	uint32_t view = auto_view();

	in_handler = leave_handler = 0;
	CHECK_LIBC(sigaction(SIGUSR1, &action, NULL));
	worker_start(&w);
	worker_begin(&w, inside_spinning, flag);
	usleep(100000);
	pthread_kill(w.thread, SIGUSR1);
	while (!in_handler)
		usleep(1000);
	CHECK_OK(try_auto(device, view));
	wait_blocked(w.tid, WFPATCH_BLOCKED_STACK);
	leave_handler = 1;
	usleep(300000);
	CHECK_EQ(view_of(w.tid), 0);
	STORE(flag[0], 1);
	CHECK_EQ(worker_end(&w), 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	go(0);
}

TEST(a_handler_on_another_stack_does_not_hide_what_it_interrupted)
{
	interrupted_stack(0);
}

TEST(nor_does_one_whose_stack_the_kernel_has_forgotten)
{
	interrupted_stack((int)(1U << 31) /* SS_AUTODISARM */);
}

/* --- processes and threads that come and go --------------------------------------------------- */

static int stop_births;

static void *be_born(void *mixed)
{
	long seen = old_pair();

	if (seen != 1 && seen != 2)
		__atomic_fetch_add((long *)mixed, 1, __ATOMIC_RELAXED);
	return NULL;
}

static long give_birth(void *mixed)
{
	while (!LOAD(stop_births)) {
		pthread_t thread;

		start_small_thread(&thread, be_born, mixed);
		join_thread(thread);
	}
	return 0;
}

TEST(threads_that_are_born_and_die_are_included)
{
	struct worker w[2];
	long mixed = 0;
	int i, round;

	stop_births = 0;
	for (i = 0; i < 2; i++) {
		worker_start(&w[i]);
		worker_begin(&w[i], give_birth, &mixed);
	}
	for (round = 0; round < 10; round++) {
		uint32_t view = auto_view();

		go(view);
		CHECK_EQ(old_code(NULL, NULL), 2);
		go(0);
		CHECK_EQ(old_code(NULL, NULL), 1);
		delete_view(view);
	}
	STORE(stop_births, 1);
	for (i = 0; i < 2; i++)
		worker_end(&w[i]);
	CHECK_EQ(mixed, 0);
}

/*
 * A thread that takes long to end: on its way out the kernel walks its list of robust mutexes, of which
 * each is on two pages that have not been touched yet.
 */
#define MUTEXES		2048	/* the kernel's limit */
#define MUTEX_STRIDE	(32 * PAGE)

struct robust_mutex {
	struct robust_mutex *next;
};

struct robust_head {
	struct robust_mutex list;
	long offset;
	struct robust_mutex *pending;
};

struct dying {
	struct robust_head head;
	pid_t tid;
	int end;
};

static struct robust_mutex *map_mutexes(const struct robust_head *head)
{
	char *at = mmap(NULL, MUTEXES * MUTEX_STRIDE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long i;

	CHECK(at != MAP_FAILED);
	for (i = 0; i < MUTEXES; i++) {
		struct robust_mutex *mutex = (void *)(at + i * MUTEX_STRIDE);

		mutex->next = i < MUTEXES - 1 ? (void *)(at + (i + 1) * MUTEX_STRIDE) :
						(void *)&head->list;
		*(int *)(at + i * MUTEX_STRIDE + MUTEX_STRIDE / 2) = 0;
	}
	return (void *)at;
}

static long end_slowly(void *arg)
{
	struct dying *dying = arg;

	CHECK_LIBC(syscall(SYS_set_robust_list, &dying->head, sizeof(dying->head)));
	STORE(dying->tid, gettid());
	while (!LOAD(dying->end))
		usleep(1000);
	syscall(SYS_exit, 0);
	return 0;
}

static void *end_inside(void *dying)
{
	old_code(end_slowly, dying);
	return NULL;
}

static void *end_at_once(void *unused)
{
	return unused;
}

static bool lives(pid_t tid)
{
	return !syscall(SYS_tgkill, getpid(), tid, 0);
}

/* Returns whether the thread was still on its way out when its transition was over and the view deleted. */
static bool delete_behind_dying(struct robust_mutex *mutexes, struct dying *dying)
{
	uint32_t view = auto_view();
	pthread_t thread, other;
	bool alive;

	/* Out of the tables of pages, not out of memory. */
	CHECK_LIBC(madvise(mutexes, MUTEXES * MUTEX_STRIDE, MADV_DONTNEED));
	dying->tid = dying->end = 0;
	dying->head.list.next = mutexes;
	dying->head.offset = MUTEX_STRIDE / 2;
	go(view);
	start_small_thread(&thread, end_inside, dying);
	while (!LOAD(dying->tid))
		usleep(1000);
	CHECK_OK(try_auto(device, 0));
	wait_blocked(dying->tid, WFPATCH_BLOCKED_STACK);
	STORE(dying->end, 1);
	usleep(1000);
	/* The end of any thread makes the module count again. */
	start_small_thread(&other, end_at_once, NULL);
	join_thread(other);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, 0);
	delete_view(view);
	alive = lives(dying->tid);
	join_thread(thread);
	return alive;
}

TEST(a_thread_that_is_still_ending_keeps_no_view_from_being_deleted)
{
	static struct dying dying;
	struct robust_mutex *mutexes = map_mutexes(&dying.head);
	int round;

	for (round = 0; round < 100; round++)
		if (delete_behind_dying(mutexes, &dying))
			break;
	CHECK(round < 100);
	munmap(mutexes, MUTEXES * MUTEX_STRIDE);
}

static long fork_now(void *unused)
{
	pid_t child;
	int status;

	(void)unused;
	child = CHECK_LIBC(fork());
	if (!child)
		_exit(old_pair());
	CHECK_LIBC(waitpid(child, &status, 0));
	/* A trap would have killed it. */
	if (!WIFEXITED(status))
		return -WTERMSIG(status);
	return WEXITSTATUS(status);
}

struct forker {
	int *flag;
	long result;
};

static long fork_inside(void *arg)
{
	struct forker *f = arg;

	wait_flag(f->flag);
	f->result = fork_now(NULL);
	return 0;
}

static long fork_from_inside(void *arg)
{
	return old_code(fork_inside, arg);
}

TEST(a_child_gets_no_traps)
{
	int flag = 0;
	struct forker f = { .flag = &flag };
	struct worker w;
	uint32_t view = auto_view();

	worker_start(&w);
	worker_begin(&w, fork_from_inside, &f);
	usleep(100000);
	CHECK_OK(try_auto(device, view));
	wait_blocked(w.tid, WFPATCH_BLOCKED_STACK);
	/* It is behind the turnstile now, and its child is in the old code. */
	STORE(flag, 1);
	CHECK_EQ(worker_end(&w), 1);
	CHECK_EQ(f.result, 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	CHECK_EQ(worker_call(&w, fork_now, NULL), 2);
	go(0);
}

/* The return address of vfork() is in a register while the parent waits. */
static long inside_vfork(void *flag)
{
	return old_vforks(flag);
}

TEST(a_parent_that_waits_in_vfork_inside_is_not_moved)
{
	struct worker w;
	uint32_t view = auto_view();
	int flag = 0;

	worker_start(&w);
	worker_begin(&w, inside_vfork, &flag);
	usleep(100000);
	CHECK_OK(try_auto(device, view));
	wait_blocked(w.tid, WFPATCH_BLOCKED_STACK);
	STORE(flag, 1);
	CHECK_EQ(worker_end(&w), 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	go(0);
}

static void *nap_long(void *unused)
{
	(void)unused;
	pause();
	return NULL;
}

TEST(a_thousand_threads_come_over)
{
	uint32_t view = auto_view();
	pthread_t thread;
	int i;

	for (i = 0; i < 1000; i++)
		start_small_thread(&thread, nap_long, NULL);
	go(view);
	CHECK_EQ(view_threads(view), 1001);
	go(0);
	CHECK_EQ(view_threads(view), 0);
}

TEST(a_vforked_parent_comes_over)
{
	uint32_t view = auto_view();
	int pipes[2];
	pid_t child, helper;

	CHECK_LIBC(pipe(pipes));
	/* The request comes from another thread's place: a forked child has no part in this handle. */
	helper = gettid();
	CHECK_OK(try_auto(device, view));
	child = vfork();
	if (!child) {
		char *const argv[] = { "/bin/true", NULL };

		execve("/bin/true", argv, NULL);
		_exit(0);
	}
	CHECK(child > 0);
	CHECK_LIBC(waitpid(child, NULL, 0));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	CHECK_EQ(view_of(helper), view);
	go(0);
}

/* --- cancelled, abandoned --------------------------------------------------------------------- */

TEST(a_cancelled_transition_returns_everybody)
{
	struct spinner s = { };
	struct worker in, busy;
	uint32_t view = auto_view();
	int flag = 0;

	worker_start(&in);
	worker_start(&busy);
	worker_begin(&busy, spin_pair, &s);
	worker_begin(&in, be_inside, &flag);
	usleep(100000);
	CHECK_OK(try_auto(device, view));
	wait_view(busy.tid, view);
	wait_blocked(in.tid, WFPATCH_BLOCKED_STACK);
	/* The one inside is in the base still, behind the turnstile: it is there already. */
	go(0);
	CHECK_EQ(view_of(busy.tid), 0);
	CHECK_EQ(view_of(in.tid), 0);
	delete_view(view);
	STORE(flag, 1);
	CHECK_EQ(worker_end(&in), 1);
	STORE(s.stop, 1);
	CHECK_EQ(worker_end(&busy), 1);
	CHECK_EQ(s.mixed, 0);
	CHECK_EQ(worker_call(&in, call_old, NULL), 1);
}

static void abandon_in_child(bool done_before)
{
	struct spinner s = { };
	struct worker busy, in;
	int fd, flag = 0, tries;
	uint32_t view, total;

	/* The test's own handle belongs to its parent. */
	close(device);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	view = auto_view();
	worker_start(&busy);
	worker_begin(&busy, spin_pair, &s);
	worker_start(&in);
	if (!done_before)
		worker_begin(&in, be_inside, &flag);
	usleep(100000);
	CHECK_OK(try_auto(device, view));
	if (done_before)
		next_event(device, WFPATCH_EVENT_DONE);
	else
		wait_view(busy.tid, view);
	close(device);

	for (tries = 0; tries < 1000 && old_code(NULL, NULL) != 1; tries++)
		usleep(10000);
	fd = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	for (tries = 0; tries < 1000; tries++) {
		CHECK_OK(try_list_views(fd, NULL, 0, &total));
		if (total == 1)
			break;
		usleep(10000);
	}
	CHECK_EQ(total, 1);
	close(fd);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	STORE(flag, 1);
	if (!done_before)
		CHECK_EQ(worker_end(&in), 1);
	STORE(s.stop, 1);
	CHECK_EQ(worker_end(&busy), 1);
	CHECK_EQ(s.mixed, 0);
	/* All is as if nothing had been; it can begin again. */
	view = auto_view();
	go(view);
	CHECK_EQ(old_code(NULL, NULL), 2);
	go(0);
}

static void in_child(void (*run)(bool), bool arg)
{
	pid_t child = CHECK_LIBC(fork());
	int status;

	if (!child) {
		run(arg);
		_exit(0);
	}
	CHECK_LIBC(waitpid(child, &status, 0));
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
}

TEST(who_closes_the_last_handle_too_early_leaves_nothing_behind)
{
	in_child(abandon_in_child, false);
}

TEST(nor_does_who_closes_it_before_the_commit)
{
	in_child(abandon_in_child, true);
}

static void die_in_child(bool unused)
{
	struct spinner s[4] = { };
	struct worker w[4];
	int i;

	(void)unused;
	close(device);
	device = CHECK_LIBC(open(DEVICE_PATH, O_RDWR | O_CLOEXEC));
	for (i = 0; i < 4; i++) {
		worker_start(&w[i]);
		worker_begin(&w[i], spin_pair, &s[i]);
	}
	for (;;) {
		uint32_t view = auto_view();

		try_auto(device, view);
		usleep(rand() % 3000);
		try_auto(device, 0);
		usleep(rand() % 3000);
		try_delete(device, view);
	}
}

TEST(processes_that_are_killed_on_the_way_leave_nothing_behind)
{
	int round, status;

	for (round = 0; round < 30; round++) {
		pid_t child = CHECK_LIBC(fork());

		if (!child) {
			srand(round);
			die_in_child(false);
		}
		usleep(20000 + 7000 * round);
		kill(child, SIGKILL);
		CHECK_LIBC(waitpid(child, &status, 0));
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

/* --- what is refused -------------------------------------------------------------------------- */

static long try_spans(uint32_t view, uint32_t flags, const struct wfpatch_span *spans, uint32_t nr)
{
	struct wfpatch_transition transition = {
		.size = sizeof(transition),
		.flags = flags,
		.view = view,
		.nr_ranges = nr,
		.ranges = (uintptr_t)spans,
	};

	return request(device, WFPATCH_IOC_TRANSITION, &transition);
}

static void *check_spans(void *arg)
{
	uint32_t view = *(uint32_t *)arg;
	uint64_t code = (uintptr_t)old_code;
	struct wfpatch_span good = { .start = code, .end = code + 100 };
	struct wfpatch_span bad[] = {
		{ .start = code, .end = code },
		{ .start = code, .end = code - 1 },
		{ .start = code, .end = code + 8, .flags = 2 },
		{ .start = code, .end = code + 8, .reserved = 1 },
		{ .start = code, .end = ~0ULL },
	};
	struct wfpatch_span twice[2] = { good, { .start = code + 50, .end = code + 200 } };
	struct wfpatch_span nowhere = { .start = 4096, .end = 8192, .flags = WFPATCH_SPAN_ENTRY };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK_EQ(try_spans(view, WFPATCH_TRANSITION_AUTO, &bad[i], 1), -EINVAL);
	CHECK_EQ(try_spans(view, WFPATCH_TRANSITION_AUTO, twice, 2), -EINVAL);
	CHECK_EQ(try_spans(view, WFPATCH_TRANSITION_AUTO, &good, 0), -EINVAL);
	CHECK_EQ(try_spans(view, WFPATCH_TRANSITION_AUTO, &good, 4097), -E2BIG);
	CHECK_EQ(try_spans(view, WFPATCH_TRANSITION_AUTO, NULL, 1), -EFAULT);
	CHECK_EQ(try_spans(view, WFPATCH_TRANSITION_AUTO, &nowhere, 1), -EFAULT);
	CHECK_EQ(try_spans(view, 0, &good, 1), -EINVAL);
	CHECK_EQ(try_spans(view + 1, WFPATCH_TRANSITION_AUTO, &good, 1), -ENOENT);
	CHECK_EQ(old_code(NULL, NULL), 1);
	CHECK_OK(try_spans(view, WFPATCH_TRANSITION_AUTO, &good, 1));
	return NULL;
}

TEST(wrong_spans_are_refused)
{
	uint32_t view = auto_view();
	pthread_t thread;

	start_small_thread(&thread, check_spans, &view);
	join_thread(thread);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	go(0);
}

TEST(while_threads_are_led_nobody_interferes)
{
	struct worker in;
	uint32_t view = auto_view();
	long *page = map_pages(1, PROT_READ | PROT_WRITE);
	int flag = 0;

	worker_start(&in);
	worker_begin(&in, be_inside, &flag);
	usleep(100000);
	CHECK_OK(try_auto(device, view));
	wait_blocked(in.tid, WFPATCH_BLOCKED_STACK);
	CHECK_EQ(try_transition(device, 0), -EBUSY);
	CHECK_EQ(try_delete(device, view), -EBUSY);
	CHECK_EQ(try_pin(page, PAGE), -EBUSY);
	CHECK_EQ(try_commit(device, view), -EBUSY);
	CHECK_EQ(nr_views(), 1);
	STORE(flag, 1);
	CHECK_EQ(worker_end(&in), 1);
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, view);
	go(0);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* What a thread is sent to: counts, and goes on at the entry that was pushed. */
extern char called_code[];
extern int called_count;
__asm__(".pushsection .text\n"
	"called_code:\n"
	"	lock incl called_count(%rip)\n"
	"	lea	8(%rsp), %rsp\n"
	"	jmp	*-8(%rsp)\n"
	".popsection\n"
	".pushsection .data\n"
	".balign 4\n"
	"called_count:\n"
	"	.long	0\n"
	".popsection\n");

struct call_request {
	struct wfpatch_transition transition;
	long result;
};

/* The spans must not stay on a stack, see make_request(). */
static void *make_call(void *arg)
{
	struct call_request *call = arg;
	struct wfpatch_span spans[16];

	call->transition.size = sizeof(call->transition);
	call->transition.nr_ranges = auto_spans(spans);
	call->transition.ranges = (uintptr_t)spans;
	call->result = request(device, WFPATCH_IOC_TRANSITION, &call->transition);
	return NULL;
}

static long try_call(uint32_t flags, uint32_t view, void *code)
{
	struct call_request call = {
		.transition = { .flags = flags, .view = view, .call = (uintptr_t)code },
	};
	pthread_t thread;

	start_small_thread(&thread, make_call, &call);
	join_thread(thread);
	return call.result;
}

#define CALL	(WFPATCH_TRANSITION_AUTO | WFPATCH_TRANSITION_CALL)

/* The transition has ended when a thread has been sent there, and then it has to run. */
static void wait_called(int count)
{
	int tries;

	for (tries = 0; tries < 1000 && LOAD(called_count) != count; tries++)
		usleep(10000);
	CHECK_EQ(LOAD(called_count), count);
}

static long call_often(void *stop)
{
	long calls = 0;

	while (!LOAD(*(int *)stop)) {
		if (old_code(NULL, NULL) != 1)
			return -1;
		calls++;
	}
	return calls;
}

TEST(one_thread_is_sent_to_the_code_that_is_called)
{
	struct worker w[4];
	int stop = 0, round, i;

	STORE(called_count, 0);
	for (i = 0; i < 4; i++) {
		worker_start(&w[i]);
		worker_begin(&w[i], call_often, &stop);
	}
	for (round = 1; round <= 20; round++) {
		CHECK_OK(try_call(CALL, 0, called_code));
		CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, 0);
		wait_called(round);
	}
	STORE(stop, 1);
	for (i = 0; i < 4; i++)
		CHECK(worker_end(&w[i]) > 0);
	CHECK_EQ(called_count, 20);
	CHECK_EQ(nr_views(), 0);
}

TEST(nobody_is_sent_who_does_not_call_or_is_inside)
{
	struct worker in;
	int flag = 0, i;

	STORE(called_count, 0);
	worker_start(&in);
	worker_begin(&in, be_inside, &flag);
	usleep(100000);
	CHECK_OK(try_call(CALL, 0, called_code));
	usleep(300000);
	CHECK_EQ(LOAD(called_count), 0);
	/* Whoever is inside and calls again goes on. */
	STORE(flag, 1);
	CHECK_EQ(worker_end(&in), 1);
	CHECK_EQ(LOAD(called_count), 0);
	for (i = 0; i < 1000 && !LOAD(called_count); i++) {
		CHECK_EQ(worker_call(&in, call_old, NULL), 1);
		usleep(10000);
	}
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, 0);
	CHECK_EQ(LOAD(called_count), 1);
	/* Given up before anybody came. */
	CHECK_OK(try_call(CALL, 0, called_code));
	CHECK_OK(try_auto(device, 0));
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, 0);
	CHECK_EQ(worker_call(&in, call_old, NULL), 1);
	CHECK_EQ(LOAD(called_count), 1);
}

static long calls_in_handler;

static void call_in_handler(int sig)
{
	(void)sig;
	calls_in_handler += old_code(NULL, NULL);
}

static long raise_once(void *unused)
{
	(void)unused;
	return pthread_kill(pthread_self(), SIGUSR1);
}

TEST(a_signal_handler_is_not_sent)
{
	struct sigaction action = { .sa_handler = call_in_handler };
	struct worker w;
	int i;

	CHECK_LIBC(sigaction(SIGUSR1, &action, NULL));
	STORE(called_count, 0);
	calls_in_handler = 0;
	worker_start(&w);
	CHECK_OK(try_call(CALL, 0, called_code));
	/* It may not be behind the turnstile at once. */
	for (i = 1; i <= 20; i++) {
		CHECK_EQ(worker_call(&w, raise_once, NULL), 0);
		CHECK_EQ(calls_in_handler, i);
		usleep(20000);
	}
	CHECK_EQ(LOAD(called_count), 0);
	for (i = 0; i < 1000 && !LOAD(called_count); i++) {
		CHECK_EQ(worker_call(&w, call_old, NULL), 1);
		usleep(10000);
	}
	CHECK_EQ(next_event(device, WFPATCH_EVENT_DONE).view, 0);
	CHECK_EQ(LOAD(called_count), 1);
}

TEST(wrong_calls_are_refused)
{
	long *page = map_pages(1, PROT_READ | PROT_WRITE);
	uint32_t view;

	CHECK_EQ(try_call(WFPATCH_TRANSITION_CALL, 0, called_code), -EINVAL);
	CHECK_EQ(try_call(WFPATCH_TRANSITION_AUTO, 0, called_code), -EINVAL);
	CHECK_EQ(try_call(CALL, 0, NULL), -EINVAL);
	CHECK_EQ(try_call(CALL, 0, (void *)(1UL << 63)), -EINVAL);
	view = auto_view();
	CHECK_EQ(try_call(CALL, view, called_code), -EINVAL);
	CHECK_EQ(try_call(CALL, 0, called_code), -EBUSY);
	CHECK_OK(try_delete(device, view));
	CHECK_OK(try_pin(page, PAGE));
	CHECK_EQ(try_call(CALL, 0, called_code), -EBUSY);
}
