// SPDX-License-Identifier: GPL-2.0
/* New code for coroutines.c. */
#include "zoo.h"

void rest(void);

int inner(void)
{
	return ZOO_NEW_INNER;
}

int outer(void)
{
	rest();
	return ZOO_NEW_OUTER | inner();
}
