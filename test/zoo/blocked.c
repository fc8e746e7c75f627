// SPDX-License-Identifier: GPL-2.0
/* Threads that are blocked in the kernel outside the patched functions, see zoo.h. */
#include <pthread.h>
#include <string.h>
#include "pair.h"
#include "zoo.h"

static const struct zoo_blocked *blocked_threads;

/*
 * The function is called deeper in the stack than the thread blocks, as in servers, which wait in the
 * loop from which they call all else. What the call leaves behind is then below the stack pointer. The
 * program "stale" is about the other case.
 */
ZOO_FUNCTION static int call_deeper(void)
{
	volatile char space[2048];

	/* Nothing of the past is in its own frame, either. */
	memset((char *)space, 0, sizeof(space));
	return outer(0) | space[0];
}

static void *blocked_thread(void *argument)
{
	unsigned int thread = (uintptr_t)argument;

	pthread_setname_np(pthread_self(), "asleep");
	zoo_count(call_deeper());
	zoo_add(&zoo->inside, 1);
	while (!zoo_stopping()) {
		if (blocked_threads->block(thread) < 0)
			continue;
		zoo_count(call_deeper());
		zoo_add(&zoo->woken, 1);
	}
	return NULL;
}

int zoo_blocked(const struct zoo_blocked *blocked)
{
	uint64_t seen = 0;
	bool stopping;
	unsigned int i;

	blocked_threads = blocked;
	zoo->threads = blocked->threads;
	for (i = 0; i < blocked->threads; i++)
		zoo_thread(blocked_thread, (void *)(uintptr_t)i);
	while (zoo_get(&zoo->inside) < blocked->threads)
		zoo_sleep(1000);
	/* From their last instruction to the kernel. */
	zoo_sleep(50000);
	zoo_ready();
	do {
		zoo_sleep(5000);
		zoo_count(outer(100));
		stopping = zoo_stopping();
		if (zoo_get(&zoo->wake) == seen && !stopping)
			continue;
		seen++;
		for (i = 0; i < blocked->threads; i++)
			blocked->release(i);
	} while (!stopping);
	zoo_join();
	return 0;
}
