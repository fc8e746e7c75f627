// SPDX-License-Identifier: GPL-2.0
/*
 * A fast function and an instrumented variant of it, chosen for each thread: one thread runs in a
 * view in which the function is redirected to the variant, while others go on at full speed.
 */
#include <stdatomic.h>
#include "example.h"

#define CALLS 100000

static struct wfpatch *wf;
static unsigned int traced; /* the view with the variant */
static atomic_ulong counted, largest;

static WFPATCH_REPLACEABLE unsigned long square(unsigned long n)
{
	__asm__ volatile("" : "+r"(n));
	return n * n;
}

static WFPATCH_REPLACEABLE unsigned long square_counting(unsigned long n)
{
	counted++;
	if (n > largest)
		largest = n;
	return n * n;
}

/* Half of the calls of the chosen thread are looked at, none of the others'. */
static void *work(void *arg)
{
	unsigned long n, wrong = 0;

	for (n = 0; n < CALLS; n++) {
		if (arg && n == CALLS / 4)
			check("trace", wfpatch_view_migrate(wf, traced, NULL));
		if (arg && n == CALLS / 4 * 3)
			check("untrace", wfpatch_view_migrate(wf, WFPATCH_BASE_VIEW, NULL));
		wrong += square(n) != n * n;
	}
	return (void *)wrong;
}

int main(void)
{
	void *wrong, *any = NULL;
	pthread_t threads[3];
	int i;

	wf = open_wfpatch();
	check("create", wfpatch_view_create(wf, WFPATCH_BASE_VIEW, &traced));
	check("redirect", wfpatch_redirect(wf, traced, square, square_counting, NULL));
	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, work, i == 1 ? wf : NULL);
	for (i = 0; i < 3; i++, any = any ? any : wrong)
		pthread_join(threads[i], &wrong);
	printf("%lu of %d calls counted, the largest of %lu\n", counted, 3 * CALLS, largest);
	return any || counted != CALLS / 2 || largest != CALLS / 4 * 3 - 1;
}
