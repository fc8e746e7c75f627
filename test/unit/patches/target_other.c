// SPDX-License-Identifier: GPL-2.0
/* A second file of the program: it has names that the first has, too. */
#include "target.h"

static volatile int hidden = 7;

__attribute__((noipa)) static int same(int n)
{
	return n * 100 + hidden;
}

int other_same(int n)
{
	return same(n);
}
