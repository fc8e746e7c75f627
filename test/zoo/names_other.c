// SPDX-License-Identifier: GPL-2.0
/* The other file of names.c, with static functions of the same names. */
#include "zoo.h"

int other(unsigned int n);

ZOO_FUNCTION static int inner(unsigned int n)
{
	zoo_spin(n % 3);
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION static int outer(unsigned int n)
{
	zoo_spin(n % 5);
	return ZOO_OLD_OUTER | inner(n);
}

int other(unsigned int n)
{
	int answer = outer(n);

	zoo_spin(1);
	return answer;
}
