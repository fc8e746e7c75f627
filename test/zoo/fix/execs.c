// SPDX-License-Identifier: GPL-2.0
/* New code for execs.c. */
#include "zoo.h"

int inner(unsigned int microseconds)
{
	zoo_sleep(microseconds);
	return ZOO_NEW_INNER;
}

int outer(unsigned int microseconds)
{
	int answer = inner(microseconds);

	return ZOO_NEW_OUTER | answer;
}
