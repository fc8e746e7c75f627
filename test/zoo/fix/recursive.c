// SPDX-License-Identifier: GPL-2.0
/* New code for recursive.c. */
#include "zoo.h"

int outer(unsigned int depth, unsigned int microseconds);

int inner(unsigned int depth, unsigned int microseconds)
{
	if (depth && (outer(depth - 1, microseconds) & 0xf0) != ZOO_NEW_OUTER)
		return 0;
	return ZOO_NEW_INNER;
}

int outer(unsigned int depth, unsigned int microseconds)
{
	int answer;

	if (!depth)
		zoo_sleep(microseconds);
	else if (depth > 20 && outer(depth - 20, 0) != ZOO_NEW)
		return 0;
	answer = inner(depth, microseconds);
	return ZOO_NEW_OUTER | answer;
}
