// SPDX-License-Identifier: GPL-2.0
/*
 * One thread stays in a function for long while a command replaces the function from outside; others
 * call functions that are replaced with it, time and again. Says how fast the others are before,
 * while the command waits for the one, and after; and how long after the one had left the command
 * ended.
 *
 * usage: busy WORKERS INSIDE_MS COMMAND
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "target.h"

#define MS 1000000ULL
/* How long the others' speed is taken before and after. */
#define PHASE (1000 * MS)
/* What the command does on its own, before it waits, is over after this. */
#define BEGUN (1500 * MS)
/* Rounds of compute() for each call. */
#define ROUNDS 2000

struct worker {
	pthread_t thread;
	atomic_ulong calls;
	int answer;
};

static atomic_bool over;
static atomic_ullong left;	/* when the thread had left the function, ns */

/* Its thread goes on to call it, so that it comes over as any other. */
static void *stay_inside(void *arg)
{
	int answer;

	inside(*(unsigned int *)arg);
	left = target_ns();
	do {
		target_sleep(MS);
		answer = inside(0);
	} while (!over);
	*(unsigned int *)arg = (unsigned int)answer;
	return arg;
}

static void *call(void *arg)
{
	struct worker *worker = arg;

	while (!over) {
		worker->answer = compute(ROUNDS);
		worker->calls++;
	}
	return arg;
}

static unsigned long sum_calls(struct worker *workers, unsigned int nr)
{
	unsigned long sum = 0;

	for (unsigned int i = 0; i < nr; i++)
		sum += workers[i].calls;
	return sum;
}

/* Calls a second until @end, or, if that is 0, until the thread has left. */
static double measure(struct worker *workers, unsigned int nr, uint64_t end)
{
	uint64_t start = target_ns(), now;
	unsigned long calls = sum_calls(workers, nr);

	do {
		target_sleep(MS);
		now = target_ns();
	} while (end ? now < end : !left);
	return (double)(sum_calls(workers, nr) - calls) * 1e9 / (double)(now - start);
}

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	errno = pthread_create(thread, NULL, run, arg);
	if (errno)
		target_fail("pthread_create");
}

/* It must wait for the thread, and must not be long when that has left. */
static uint64_t wait_for_command(pid_t pid)
{
	target_end(pid);
	return target_ns() - left;
}

int main(int argc, char **argv)
{
	double before, during, after;
	struct worker *workers;
	unsigned int nr, ms;
	uint64_t late;
	pthread_t one;
	pid_t pid;

	if (argc != 4 || atoi(argv[1]) < 1 || atoi(argv[2]) < 5000) {
		fputs("usage: busy WORKERS INSIDE_MS COMMAND (at least 1, 5000)\n", stderr);
		return 2;
	}
	nr = (unsigned int)atoi(argv[1]);
	ms = (unsigned int)atoi(argv[2]);
	workers = calloc(nr, sizeof(*workers));
	if (!workers)
		target_fail("calloc");
	start(&one, stay_inside, &ms);
	for (unsigned int i = 0; i < nr; i++)
		start(&workers[i].thread, call, &workers[i]);
	target_sleep(PHASE);
	before = measure(workers, nr, target_ns() + PHASE);
	pid = target_begin(argv[3]);
	target_sleep(BEGUN);
	if (waitpid(pid, NULL, WNOHANG)) {
		errno = EINVAL;
		target_fail("the command did not wait for the thread inside");
	}
	during = measure(workers, nr, 0);
	late = wait_for_command(pid);
	/* The one computes no more: what the others have of the processor is not comparable. */
	after = measure(workers, nr, target_ns() + PHASE);
	over = true;
	pthread_join(one, NULL);
	for (unsigned int i = 0; i < nr; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].answer != 2)
			ms = 0;
	}
	printf("before %.1f\nduring %.1f\nafter %.1f\nlate_ms %.3f\n", before, during, after,
	       (double)late / 1e6);
	if (ms != 2) {
		fputs("busy: a thread runs old code\n", stderr);
		return 1;
	}
	return 0;
}
