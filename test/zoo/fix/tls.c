// SPDX-License-Identifier: GPL-2.0
/*
 * New code for tls.c. The static variable is named by what the target's symbol table has; an
 * undefined symbol of the fix may be a local one there.
 */
#include "zoo.h"

extern _Thread_local int owner;
extern _Thread_local uint64_t calls;
extern _Thread_local uint64_t hidden;

int inner(int me)
{
	hidden += 1;
	return owner == me ? ZOO_NEW_INNER : 0;
}

int outer(int me)
{
	int answer = inner(me);

	calls += 1;
	return answer | (owner == me ? ZOO_NEW_OUTER : 0);
}
