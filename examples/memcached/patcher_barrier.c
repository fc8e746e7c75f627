// SPDX-License-Identifier: GPL-2.0
/*
 * The other way, for comparison: all workers stop at their points, and only when the last one has
 * come is the code changed in place, for all of them, and all go on. What it costs is the time that
 * the first ones wait for the last.
 */
#define _GNU_SOURCE
#include "patcher.h"
#include "patcher_internal.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define JUMP_SIZE	14	/* jmp *0(%rip) and the address */

atomic_bool patcher_wants_stop;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrival = PTHREAD_COND_INITIALIZER;
static pthread_cond_t release = PTHREAD_COND_INITIALIZER;
static unsigned int round_number;	/* counted up when the workers are let go */
static unsigned int nr_arrived;
static struct {
	pid_t tid;
	uint64_t when;
} arrived[MAX_WORKERS];

static struct fix applied;
static unsigned char saved[MAX_FUNCTIONS][JUMP_SIZE];

void patcher_stop_here(void)
{
	unsigned int round;

	pthread_mutex_lock(&lock);
	round = round_number;
	/* A worker that comes too late, after the patcher gave up, does not stop. */
	if (atomic_load(&patcher_wants_stop)) {
		arrived[nr_arrived].tid = gettid();
		arrived[nr_arrived++].when = now_ns();
		pthread_cond_signal(&arrival);
	}
	while (atomic_load(&patcher_wants_stop) && round == round_number)
		pthread_cond_wait(&release, &lock);
	pthread_mutex_unlock(&lock);
}

static void let_go(void)
{
	atomic_store(&patcher_wants_stop, false);
	round_number++;
	nr_arrived = 0;
	pthread_cond_broadcast(&release);
}

/* Returns 0 with the lock held and all workers stopped, or -1 with neither. */
static int stop_workers(struct answer *answer, const struct workers *workers)
{
	struct timespec limit;
	unsigned int nr;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += DEADLINE_MS / 1000;
	pthread_mutex_lock(&lock);
	atomic_store(&patcher_wants_stop, true);
	workers->wake();
	while (nr_arrived < workers->nr && !error)
		error = pthread_cond_timedwait(&arrival, &lock, &limit);
	if (nr_arrived == workers->nr)
		return 0;
	nr = nr_arrived;
	let_go();
	pthread_mutex_unlock(&lock);
	say(answer, "error: only %u of %u workers stopped\n", nr, workers->nr);
	return -1;
}

/*
 * Writes into the program's code. Threads that are no workers may be running in the same pages, so
 * these stay executable meanwhile; they do not run the functions themselves.
 */
static int write_code(unsigned char *where, const unsigned char *bytes)
{
	uintptr_t page = sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)where & -page;
	size_t len = (((uintptr_t)where + JUMP_SIZE - 1) & -page) + page - start;

	if (mprotect((void *)start, len, PROT_READ | PROT_WRITE | PROT_EXEC))
		return -1;
	memcpy(where, bytes, JUMP_SIZE);
	return mprotect((void *)start, len, PROT_READ | PROT_EXEC);
}

static int redirect_in_place(const struct replacement *replacement)
{
	unsigned char jump[JUMP_SIZE] = { 0xff, 0x25, 0, 0, 0, 0 };

	memcpy(jump + 6, &replacement->new, sizeof(replacement->new));
	return write_code(replacement->old, jump);
}

static int change_all(const struct fix *fix, bool undo)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < fix->nr && !error; i++) {
		if (undo) {
			error = write_code(fix->list[i].old, saved[i]);
		} else {
			memcpy(saved[i], fix->list[i].old, JUMP_SIZE);
			error = redirect_in_place(&fix->list[i]);
		}
	}
	/* All functions or none. */
	while (error && !undo && i-- > 0)
		write_code(fix->list[i].old, saved[i]);
	/* No processor goes on with instructions that it fetched before. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
	return error;
}

static unsigned int worker_number(unsigned int which, unsigned int nr)
{
	unsigned int number = 0;

	for (unsigned int i = 0; i < nr; i++)
		number += arrived[i].tid < arrived[which].tid;
	return number;
}

/* Changes the code, to the new or back, while all workers stand still; tells it afterwards. */
static int change(struct answer *answer, const struct workers *workers, const struct fix *fix,
		  bool undo)
{
	uint64_t stopped, went_on;
	int error;

	if (stop_workers(answer, workers))
		return -1;
	stopped = now_ns();
	error = change_all(fix, undo);
	let_go();
	pthread_mutex_unlock(&lock);
	went_on = now_ns();
	for (unsigned int i = 0; i < workers->nr; i++)
		say(answer, "%+9.2f ms  " WORKER_COMM ".%u stops, for %.2f ms\n",
		    (arrived[i].when - answer->start) / 1e6, worker_number(i, workers->nr),
		    (went_on - arrived[i].when) / 1e6);
	say(answer, "%+9.2f ms  all stand still; the code is changed in %.2f ms\n",
	    (stopped - answer->start) / 1e6, (went_on - stopped) / 1e6);
	if (error)
		say(answer, "error: mprotect: %s\n", strerror(errno));
	return error;
}

bool barrier_busy(void)
{
	return applied.object;
}

int barrier_apply(struct answer *answer, const struct workers *workers, const struct fix *fix)
{
	if (applied.object) {
		say(answer, "error: a fix is already in place\n");
		return -1;
	}
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0)) {
		say(answer, "error: membarrier: %s\n", strerror(errno));
		return -1;
	}
	if (change(answer, workers, fix, false))
		return -1;
	applied = *fix;
	return 0;
}

int barrier_undo(struct answer *answer, const struct workers *workers)
{
	if (!applied.object) {
		say(answer, "error: no fix is in place\n");
		return -1;
	}
	if (change(answer, workers, &applied, true))
		return -1;
	applied.object = NULL;
	return 0;
}
