// SPDX-License-Identifier: GPL-2.0
/*
 * Of the calls in a loop that never ends, those are named that are the program's own.
 * verdict: cannot be patched
 * refused: quiescence
 * why: in its loop: 'handle', 'read_event'; with
 */
#include <unistd.h>
static int events;
__attribute__((noinline)) int read_event(void)
{
	return events++;
}

__attribute__((noinline)) void handle(int event)
{
	events += event;
}

void loop(void)
{
	for (;;) {
		usleep(10);
		handle(events);
		handle(read_event());
#ifdef NEW
		events++;
#endif
	}
}
