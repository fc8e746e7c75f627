// SPDX-License-Identifier: GPL-2.0
/* libzoo_library.so: a library whose functions are replaced. One calls the other by its symbol. */
#include "library.h"
#include "zoo.h"

static int calls;

ZOO_FUNCTION int library_detail(void)
{
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int library_answer(int (*look)(void))
{
	__atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);
	return look() ? 0 : ZOO_OLD_OUTER | library_detail();
}
