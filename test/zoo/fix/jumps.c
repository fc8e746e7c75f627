// SPDX-License-Identifier: GPL-2.0
/* New code for jumps.c. */
#include "zoo.h"

void leave(int answer, bool by_signal);

int inner(void)
{
	return ZOO_NEW_INNER;
}

int outer(bool by_signal)
{
	int answer = inner();

	zoo_sleep(3000);
	leave(ZOO_NEW_OUTER | answer | inner(), by_signal);
	return 0;
}
