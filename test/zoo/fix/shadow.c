// SPDX-License-Identifier: GPL-2.0
/* New code for pair.c that attaches data to objects of the program. fix/shadow_second.c finds them. */
#include <wfpatch/patch.h>
#include "pair.h"
#include "zoo.h"

#define OBJECTS 64
#define ID 1

struct data {
	const void *object;
	uint64_t calls;
};

static uint64_t next;

static int construct(const void *object, void *data, void *argument)
{
	struct data *to = data;

	to->object = object;
	zoo_add(argument, 1);
	return 0;
}

int inner(unsigned int microseconds)
{
	const char *object = (const char *)zoo + 16 * (zoo_get(&next) % OBJECTS);
	struct data *data;

	zoo_add(&next, 1);
	data = wfpatch_shadow_get_or_alloc(object, ID, sizeof(*data), construct, &zoo->rounds);
	if (!data)
		zoo_error("nothing could be attached");
	else if (data->object != object)
		zoo_error("what is attached is another object's");
	else
		zoo_add(&data->calls, 1);
	/* Attached and freed all the time, by all threads. */
	if (wfpatch_shadow_get_or_alloc(object, ID + 1, 8, NULL, NULL))
		wfpatch_shadow_free(object, ID + 1, NULL);
	zoo_spin(microseconds / 2);
	return ZOO_NEW_INNER;
}

int outer(unsigned int microseconds)
{
	int answer = inner(microseconds);

	zoo_spin(microseconds / 2);
	return ZOO_NEW_OUTER | answer;
}

static void destroy(const void *object, void *data)
{
	if (((struct data *)data)->object != object)
		zoo_error("what is freed is another object's");
	zoo_add(&zoo->woken, 1);
}

static void post_revert(void)
{
	if (wfpatch_shadow_free_all(ID, destroy) != zoo_get(&zoo->rounds))
		zoo_error("not all were attached once, and freed");
	if (wfpatch_shadow_get((const char *)zoo, ID))
		zoo_error("freed, and still attached");
	wfpatch_shadow_free_all(ID + 1, NULL);
}

WFPATCH_POST_REVERT(post_revert);
