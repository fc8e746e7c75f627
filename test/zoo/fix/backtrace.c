// SPDX-License-Identifier: GPL-2.0
/* New code for backtrace.c, with frames of other sizes. */
#include "zoo.h"

void look(void);

int inner(void)
{
	volatile char space[200] = { 0 };

	look();
	return space[100] | ZOO_NEW_INNER;
}

int outer(void)
{
	int answer = inner();

	look();
	return ZOO_NEW_OUTER | answer;
}
