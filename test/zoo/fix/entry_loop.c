// SPDX-License-Identifier: GPL-2.0
/* New code for entry_loop.c. A thread of the old loop that came here would be seen: its count is not whole. */
#include "zoo.h"

int inner(void);
int outer(unsigned int loops);

int inner(void)
{
	return ZOO_NEW_INNER;
}

int outer(unsigned int loops)
{
	unsigned int left;

	if (loops != 100000)
		return 0;
	for (left = loops; left; left--)
		__builtin_ia32_pause();
	return ZOO_NEW_OUTER | inner();
}
