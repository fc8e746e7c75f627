// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that nap and work by turns while a command patches the process from outside. Says how long
 * the longest silence of each was, that is the time from one work() to the next; how long the command
 * took; and how many system calls were interrupted, also of threads that are blocked all the time.
 *
 * usage: sleeper THREADS NAP_US WINDOW_MS ANSWER [COMMAND]
 * ANSWER is what work() must return when all is over: 1, or 2 if the command replaces it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "target.h"

#define MS 1000000ULL
/* Naps before the window opens: by then each thread has faulted in what it needs. */
#define WARM_UP 5

struct napper {
	pthread_t thread;
	uint64_t silence;	/* ns, the longest in the window */
	int answer;		/* the last */
};

static uint64_t nap;	/* ns */
static atomic_bool open_window, over;
static atomic_uint interrupted;
static int pipe_ends[2];
static uint32_t futex_word;

static void count_result(long result)
{
	if (result < 0 && errno == EINTR)
		interrupted++;
	else if (result < 0 && errno != EAGAIN)
		target_fail("a blocked system call");
}

static void *nap_and_work(void *arg)
{
	struct timespec time = { (time_t)(nap / (1000 * MS)), (long)(nap % (1000 * MS)) };
	struct napper *napper = arg;
	uint64_t last = 0, now;

	while (!over) {
		count_result(nanosleep(&time, NULL));
		napper->answer = work();
		now = target_ns();
		if (!open_window)
			last = 0;
		else if (last && now - last > napper->silence)
			napper->silence = now - last;
		if (open_window)
			last = now;
	}
	return arg;
}

/* Threads that are in one system call until all is over: then the other end of the pipe is closed. */
static void *blocked_read(void *arg)
{
	char byte;

	while (!over)
		count_result(read(pipe_ends[0], &byte, 1));
	return arg;
}

static void *blocked_poll(void *arg)
{
	struct pollfd fd = { .fd = pipe_ends[0], .events = POLLIN };

	while (!over)
		count_result(poll(&fd, 1, -1));
	return arg;
}

static void *blocked_epoll(void *arg)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = epoll_create1(0);

	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, pipe_ends[0], &event))
		target_fail("epoll");
	while (!over)
		count_result(epoll_wait(fd, &event, 1, -1));
	close(fd);
	return arg;
}

static void *blocked_futex(void *arg)
{
	while (!over)
		count_result(syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL, NULL, 0));
	return arg;
}

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	errno = pthread_create(thread, &attr, run, arg);
	if (errno)
		target_fail("pthread_create");
	pthread_attr_destroy(&attr);
}

static int compare(const void *a, const void *b)
{
	const struct napper *x = a, *y = b;

	return (x->silence > y->silence) - (x->silence < y->silence);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || !value) {
		errno = EINVAL;
		target_fail(text);
	}
	return value;
}

/* Returns the time that the command took. */
static uint64_t patch(const char *command, uint64_t window)
{
	uint64_t begin = target_ns(), took = 0, now;

	open_window = true;
	if (command) {
		target_end(target_begin(command));
		took = target_ns() - begin;
	}
	now = target_ns();
	/* Two more naps at least: a silence that is still going on ends in the window. */
	target_sleep(now + 2 * nap < begin + window ? begin + window - now : 2 * nap);
	open_window = false;
	return took;
}

static int report(struct napper *nappers, unsigned long nr, int answer, uint64_t took)
{
	unsigned long wrong = 0;

	for (unsigned long i = 0; i < nr; i++)
		wrong += nappers[i].answer != answer;
	qsort(nappers, nr, sizeof(*nappers), compare);
	printf("silence_us %.1f\n", (double)nappers[nr - 1].silence / 1e3);
	printf("silence_median_us %.1f\n", (double)nappers[nr / 2].silence / 1e3);
	printf("took_ms %.3f\n", (double)took / 1e6);
	printf("interrupted %u\n", interrupted);
	if (!wrong)
		return 0;
	fprintf(stderr, "sleeper: %lu threads do not get %d from work()\n", wrong, answer);
	return 1;
}

int main(int argc, char **argv)
{
	static void *(*const blocked[])(void *) = {
		blocked_read, blocked_poll, blocked_epoll, blocked_futex,
	};
	const size_t nr_blocked = sizeof(blocked) / sizeof(blocked[0]);
	pthread_t others[sizeof(blocked) / sizeof(blocked[0])];
	struct napper *nappers;
	unsigned long nr;
	uint64_t took;

	if (argc < 5 || argc > 6) {
		fputs("usage: sleeper THREADS NAP_US WINDOW_MS ANSWER [COMMAND]\n", stderr);
		return 2;
	}
	nr = number(argv[1]);
	nap = number(argv[2]) * 1000;
	nappers = calloc(nr, sizeof(*nappers));
	if (!nappers || pipe(pipe_ends))
		target_fail("pipe");
	for (size_t i = 0; i < nr_blocked; i++)
		start(&others[i], blocked[i], NULL);
	/* Spread over the time of a nap, so that they do not all wake at once. */
	for (unsigned long i = 0; i < nr; i++) {
		start(&nappers[i].thread, nap_and_work, &nappers[i]);
		target_sleep(nap / nr);
	}
	target_sleep(WARM_UP * nap);
	took = patch(argc == 6 ? argv[5] : NULL, number(argv[3]) * MS);

	/* What is counted is over. The nap's end wakes the one kind, the pipe's and a wake the other. */
	target_sleep(2 * nap);
	over = true;
	close(pipe_ends[1]);
	futex_word = 1;
	syscall(SYS_futex, &futex_word, FUTEX_WAKE, 1, NULL, NULL, 0);
	for (size_t i = 0; i < nr_blocked; i++)
		pthread_join(others[i], NULL);
	for (unsigned long i = 0; i < nr; i++)
		pthread_join(nappers[i].thread, NULL);
	return report(nappers, nr, (int)number(argv[4]), took);
}
