// SPDX-License-Identifier: GPL-2.0
/*
 * Coroutines: stacks that the kernel cannot find while the thread runs on another one. A coroutine
 * rests inside the patched function; that is no moment to patch this thread, and no look at its stack
 * shows it. So the program calls wfpatch_quiesce() when all coroutines are outside, and the patch is
 * applied with --explicit-only.
 */
#include <stddef.h>
#include <stdlib.h>
#include <ucontext.h>
#include <wfpatch.h>
#include "zoo.h"

#define COROUTINES 4
#define COROUTINE_STACK (64 << 10)

void rest(void);

ZOO_FUNCTION int inner(void)
{
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(void)
{
	rest();
	return ZOO_OLD_OUTER | inner();
}

static struct worker {
	ucontext_t scheduler, coroutines[COROUTINES];
	int current, resting;
} workers[2];
static _Thread_local struct worker *me;

/* Back to the scheduler, from the midst of the patched function. */
ZOO_FUNCTION void rest(void)
{
	struct worker *worker = me;

	worker->resting++;
	swapcontext(&worker->coroutines[worker->current], &worker->scheduler);
	worker->resting--;
}

static void coroutine(void)
{
	struct worker *worker = me;

	for (;;) {
		zoo_count(outer());
		swapcontext(&worker->coroutines[worker->current], &worker->scheduler);
	}
}

static void make(ucontext_t *context)
{
	getcontext(context);
	context->uc_stack.ss_sp = malloc(COROUTINE_STACK);
	context->uc_stack.ss_size = COROUTINE_STACK;
	if (!context->uc_stack.ss_sp)
		abort();
	makecontext(context, coroutine, 0);
}

static void *thread(void *argument)
{
	struct worker *worker = (struct worker *)argument;
	int i, step;

	me = worker;
	for (i = 0; i < COROUTINES; i++)
		make(&worker->coroutines[i]);
	while (!zoo_stopping()) {
		/* All into the function, then all out of it. */
		for (step = 0; step < 2; step++) {
			for (i = 0; i < COROUTINES; i++) {
				worker->current = i;
				swapcontext(&worker->scheduler, &worker->coroutines[i]);
			}
			if (!step)
				zoo_sleep(10000);
		}
		if (worker->resting)
			zoo_error("%d coroutines rest inside", worker->resting);
		wfpatch_quiesce();
	}
	for (i = 0; i < COROUTINES; i++)
		free(worker->coroutines[i].uc_stack.ss_sp);
	return NULL;
}

int main(int argc, char **argv)
{
	struct wfpatch *handle = NULL;

	zoo_start(argc, argv);
	/* Makes wfpatch_quiesce() do something. */
	if (zoo_option("quiesce", 1))
		zoo_must("wfpatch_open", -wfpatch_open(&handle, NULL));
	zoo_thread(thread, &workers[0]);
	zoo_thread(thread, &workers[1]);
	zoo_ready();
	while (!zoo_stopping()) {
		wfpatch_quiesce();
		zoo_sleep(5000);
	}
	zoo_join();
	wfpatch_close(handle);
	return 0;
}
