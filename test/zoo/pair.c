// SPDX-License-Identifier: GPL-2.0
/* The plain pair of functions. */
#include "pair.h"
#include "zoo.h"

ZOO_FUNCTION int inner(unsigned int microseconds)
{
	zoo_spin(microseconds / 2);
	return ZOO_OLD_INNER;
}

ZOO_FUNCTION int outer(unsigned int microseconds)
{
	int answer;

	zoo_spin(microseconds / 4);
	answer = inner(microseconds);
	zoo_spin(microseconds / 4);
	return ZOO_OLD_OUTER | answer;
}
