// SPDX-License-Identifier: GPL-2.0
/* New code for altstack.c. */
#include <signal.h>
#include "zoo.h"

int inner(void)
{
	return ZOO_NEW_INNER;
}

int outer(void)
{
	int answer;

	raise(SIGUSR1);
	answer = inner();
	raise(SIGUSR1);
	return ZOO_NEW_OUTER | answer;
}
