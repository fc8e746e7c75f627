// SPDX-License-Identifier: GPL-2.0
/* Threads that are blocked in futex(2). */
#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "zoo.h"

#define THREADS 8

static uint32_t words[THREADS];

static long futex(uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static long block(unsigned int thread)
{
	uint32_t seen = __atomic_load_n(&words[thread], __ATOMIC_SEQ_CST);
	static _Thread_local uint32_t handled;

	if (seen == handled && futex(&words[thread], FUTEX_WAIT, seen) && errno != EAGAIN)
		return zoo_check("futex", -1);
	handled++;
	return 0;
}

static void release(unsigned int thread)
{
	__atomic_fetch_add(&words[thread], 1, __ATOMIC_SEQ_CST);
	zoo_check("futex", futex(&words[thread], FUTEX_WAKE, 1));
}

int main(int argc, char **argv)
{
	static const struct zoo_blocked blocked = { block, release, THREADS };

	zoo_start(argc, argv);
	return zoo_blocked(&blocked);
}
