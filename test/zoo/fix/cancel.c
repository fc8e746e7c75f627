// SPDX-License-Identifier: GPL-2.0
/* New code for cancel.c. */
#include <pthread.h>
#include "zoo.h"

void cleaned(void *argument);
void stay(void);

int inner(int *answer)
{
	pthread_cleanup_push(cleaned, answer);
	*answer |= ZOO_NEW_INNER;
	stay();
	pthread_cleanup_pop(0);
	return *answer;
}

int outer(int *answer)
{
	int result;

	*answer = ZOO_NEW_OUTER;
	pthread_cleanup_push(cleaned, answer);
	result = inner(answer);
	pthread_cleanup_pop(0);
	return result;
}
