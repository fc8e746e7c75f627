// SPDX-License-Identifier: GPL-2.0
/* New code for pair.c, with hooks. Each checks what it can, and says that it has run. */
#include <pthread.h>
#include <string.h>
#include <wfpatch/patch.h>
#include "pair.h"
#include "zoo.h"

static uint64_t calls; /* of new code */
static int running;    /* hooks at the same time */
static uint64_t prepared;

int inner(unsigned int microseconds)
{
	zoo_add(&calls, 1);
	zoo_spin(microseconds / 2);
	return prepared == 1 ? ZOO_NEW_INNER : 0;
}

int outer(unsigned int microseconds)
{
	int answer = inner(microseconds);

	zoo_spin(microseconds / 2);
	return ZOO_NEW_OUTER | answer;
}

/*
 * What only a thread may do that holds no lock of the C library; and every register that may be changed is,
 * which the functions' callers must not notice.
 */
static void hook(unsigned int number)
{
	void *memory = malloc(100000);
	unsigned long aligned;

	__asm__ volatile("mov %%rsp, %0" : "=r"(aligned));
	if (aligned & 15 && aligned & 7)
		zoo_error("hook %u has a wrong stack", number);
	if (__atomic_exchange_n(&running, 1, __ATOMIC_SEQ_CST))
		zoo_error("two hooks at once");
	if (!memory)
		zoo_error("hook %u has no memory", number);
	else
		memset(memory, number, 100000);
	free(memory);
	if (zoo_get(&zoo->nap))
		zoo_spin(zoo_get(&zoo->nap));
	zoo->hooked = zoo->hooked * 10 + number;
	__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7; pxor %%xmm15, %%xmm15; fninit"
			 : : : "xmm0", "xmm7", "xmm15", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9",
			       "r10", "r11");
	__atomic_store_n(&running, 0, __ATOMIC_SEQ_CST);
}

static int pre_apply(void)
{
	if (zoo_get(&calls))
		zoo_error("new code ran before the pre-apply hook");
	hook(1);
	prepared = 1;
	return (int)zoo_get(&zoo->refuse);
}

static void post_apply(void)
{
	hook(2);
}

static int pre_revert(void)
{
	hook(3);
	return (int)zoo_get(&zoo->refuse);
}

/* Nobody runs new code any more. */
static void post_revert(void)
{
	uint64_t before = zoo_get(&calls);

	hook(4);
	zoo_spin(20000);
	if (zoo_get(&calls) != before)
		zoo_error("new code runs while the post-revert hook does");
}

WFPATCH_PRE_APPLY(pre_apply);
WFPATCH_POST_APPLY(post_apply);
WFPATCH_PRE_REVERT(pre_revert);
WFPATCH_POST_REVERT(post_revert);
