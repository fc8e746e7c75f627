// SPDX-License-Identifier: GPL-2.0
/*
 * A process whose code is not what its file has: it has changed one byte of outer() itself. The patch
 * was not made for that.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "zoo.h"

ZOO_FUNCTION int inner(unsigned int microseconds)
{
	zoo_spin(microseconds);
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(unsigned int microseconds)
{
	asm volatile("nop; nop; nop; nop");
	return ZOO_OLD_OUTER | inner(microseconds);
}

static void *thread(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(outer(100));
		zoo_sleep(1000);
	}
	return argument;
}

/* Another instruction that does nothing in place of the first nop. */
static void modify(void)
{
	char *code = memmem((char *)outer, 64, "\x90\x90\x90\x90", 4);
	int mem = open("/proc/self/mem", O_RDWR);

	if (!code || mem < 0 || pwrite(mem, "\xf8", 1, (uintptr_t)code) != 1)
		abort();
	close(mem);
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	modify();
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
