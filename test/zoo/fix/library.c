// SPDX-License-Identifier: GPL-2.0
/* New code for library.c. */
#include "library.h"
#include "zoo.h"

/* Static in the library. */
extern int calls;

int library_detail(void)
{
	return ZOO_NEW_INNER;
}

int library_answer(int (*look)(void))
{
	if (!__atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST))
		return 0;
	return look() ? 0 : ZOO_NEW_OUTER | library_detail();
}
