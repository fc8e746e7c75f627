// SPDX-License-Identifier: GPL-2.0
/*
 * Two views of one page of data: two threads store to the same address at the same time, and each
 * reads back its own, because the page is pinned and each thread runs in a view of its own.
 */
#include <stdint.h>
#include <sys/mman.h>
#include "example.h"

#define PAGE 4096
#define ROUNDS 100000L

static struct wfpatch *wf;
static volatile long *shared;

static void *count(void *arg)
{
	unsigned int view = (uintptr_t)arg;
	long i, wrong = 0, last;

	check("migrate", wfpatch_view_migrate(wf, view, NULL));
	for (i = 1; i <= ROUNDS; i++) {
		*shared += view;
		wrong += *shared != i * view;
	}
	last = *shared;
	check("migrate back", wfpatch_view_migrate(wf, WFPATCH_BASE_VIEW, NULL));
	printf("view %u: counted to %ld, %ld wrong reads\n", view, last, wrong);
	return (void *)(uintptr_t)(wrong || last != ROUNDS * view);
}

int main(void)
{
	pthread_t threads[2];
	unsigned int views[2];
	void *failed[2];
	long seen = 0;
	int i;

	wf = open_wfpatch();
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check("pin", wfpatch_pin(wf, (void *)shared, PAGE));
	for (i = 0; i < 2; i++) {
		check("create", wfpatch_view_create(wf, WFPATCH_BASE_VIEW, &views[i]));
		pthread_create(&threads[i], NULL, count, (void *)(uintptr_t)views[i]);
	}
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], &failed[i]);
	check("read", wfpatch_view_read(wf, views[0], (void *)shared, &seen, sizeof(seen)));
	wfpatch_close(wf);
	printf("base: %ld; view %u as seen from the base: %ld\n", *shared, views[0], seen);
	return failed[0] || failed[1] || *shared != 0 || seen != ROUNDS * views[0];
}
