// SPDX-License-Identifier: GPL-2.0
/* Lies over fix/shadow.c, and finds what that has attached. */
#include <wfpatch/patch.h>
#include "pair.h"
#include "zoo.h"

#define OBJECTS 64
#define ID 1

static uint64_t next;

int inner(unsigned int microseconds)
{
	const char *object = (const char *)zoo + 16 * (zoo_get(&next) % OBJECTS);
	const void **data = wfpatch_shadow_get(object, ID);

	zoo_add(&next, 1);
	if (!data || *data != object)
		zoo_error("what the first patch has attached is not found");
	zoo_spin(microseconds / 2);
	return ZOO_NEW_INNER;
}

int outer(unsigned int microseconds)
{
	int answer = inner(microseconds);

	zoo_spin(microseconds / 2);
	return ZOO_NEW_OUTER | answer;
}
