// SPDX-License-Identifier: GPL-2.0
/* New code for tail_calls.c. */
#include "zoo.h"

int inner(int mark, unsigned int microseconds);
int outer(unsigned int microseconds);

int inner(int mark, unsigned int microseconds)
{
	zoo_spin(microseconds);
	return mark | ZOO_NEW_INNER;
}

int outer(unsigned int microseconds)
{
	return inner(ZOO_NEW_OUTER, microseconds);
}
