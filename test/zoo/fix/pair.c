// SPDX-License-Identifier: GPL-2.0
/* New code for pair.c. It has data and text of its own, and uses functions of the program. */
#include <string.h>
#include "pair.h"
#include "zoo.h"

static uint64_t calls;
static const char *const names[] = { "inner", "outer" };

int inner(unsigned int microseconds)
{
	zoo_spin(microseconds / 2);
	return strcmp(names[0], "inner") ? 0 : ZOO_NEW_INNER;
}

int outer(unsigned int microseconds)
{
	int answer = inner(microseconds);

	zoo_add(&calls, 1);
	zoo_spin(microseconds / 2);
	return zoo_get(&calls) ? ZOO_NEW_OUTER | answer : 0;
}
