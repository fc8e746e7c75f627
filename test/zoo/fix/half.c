// SPDX-License-Identifier: GPL-2.0
/* Half a fix for pair.c, for the self-test: the new outer() calls the old inner(). */
#include "pair.h"
#include "zoo.h"

int outer(unsigned int microseconds)
{
	int answer;

	zoo_spin(microseconds / 2);
	answer = inner(microseconds);
	return ZOO_NEW_OUTER | answer;
}
