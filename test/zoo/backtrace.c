// SPDX-License-Identifier: GPL-2.0
/* backtrace(3) through the patched functions, up to the thread's first function. */
#include <execinfo.h>
#include <stddef.h>
#include "zoo.h"

#define MAX_FRAMES 32

void look(void);

ZOO_FUNCTION int inner(void)
{
	look();
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(void)
{
	int answer = inner();

	look();
	return ZOO_OLD_OUTER | answer;
}

/* A call that no patch touches; the trace has to come by it. */
ZOO_FUNCTION static int anchor(void)
{
	int answer = outer();

	zoo_add(&zoo->rounds, 1);
	return answer;
}

static char *anchor_start, *anchor_end;

ZOO_FUNCTION void look(void)
{
	void *frames[MAX_FRAMES];
	int count = backtrace(frames, MAX_FRAMES), i;

	for (i = 0; i < count; i++) {
		if ((char *)frames[i] > anchor_start && (char *)frames[i] <= anchor_end)
			return;
	}
	zoo_error("a trace of %d frames ends inside the patched functions", count);
}

static void *thread(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(anchor());
		zoo_sleep(1000);
	}
	return argument;
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	anchor_start = (char *)anchor;
	anchor_end = anchor_start + 64;
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
