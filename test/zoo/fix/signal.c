// SPDX-License-Identifier: GPL-2.0
/* New code for signal.c. */
#include <signal.h>
#include "zoo.h"

int inner(void)
{
	return ZOO_NEW_INNER;
}

int outer(bool interrupt)
{
	if (interrupt)
		raise(SIGUSR1);
	return ZOO_NEW_OUTER | inner();
}
