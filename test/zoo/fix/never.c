// SPDX-License-Identifier: GPL-2.0
/* New code for never.c. */
#include "zoo.h"

int inner(unsigned int microseconds)
{
	zoo_spin(microseconds);
	return ZOO_NEW_INNER;
}

int outer(unsigned int microseconds, bool forever)
{
	int answer;

	do {
		answer = inner(microseconds);
		if (forever)
			zoo_sleep(10000);
	} while (forever && !zoo_stopping());
	return ZOO_NEW_OUTER | answer;
}
