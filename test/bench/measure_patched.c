// SPDX-License-Identifier: GPL-2.0
/*
 * What is left in a program that was patched from outside, when the view is committed: nothing. The
 * same is measured with and without a patch: BENCH_PATCH is the command, which may do nothing, and
 * BENCH_ANSWER what compute() returns afterwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "microbench.h"
#include "target.h"

/* The hooks go a moment after the last view, ns. */
#define MOMENT	3000000000ULL
/* Rounds of compute() for a call, and calls for a value. */
#define ROUNDS	2000
#define CALLS	500

static double kb_of_status(const char *key)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[128];
	double kb = -1;

	if (!file)
		fail("/proc/self/status");
	while (kb < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			kb = strtod(line + strlen(key), NULL);
	fclose(file);
	if (kb < 0)
		fail("%s in /proc/self/status", key);
	return kb;
}

static double measure_compute(int answer)
{
	struct batch batch = { 0 };

	for (int i = 0; i < BATCHES; i++) {
		uint64_t start = now_ns();

		for (int j = 0; j < CALLS; j++)
			if (compute(ROUNDS) != answer)
				fail("compute() is not the %s", answer == 1 ? "old" : "new");
		batch_add(&batch, (double)(now_ns() - start) / CALLS);
	}
	return batch_median(&batch);
}

void case_patched(void)
{
	const char *command = getenv("BENCH_PATCH"), *answer = getenv("BENCH_ANSWER");

	if (!command || !answer)
		fail("BENCH_PATCH or BENCH_ANSWER");

	/* A program of some size; its memory is compared as a whole. */
	resident_memory(4 * MIB);
	target_end(target_begin(command));
	target_sleep(MOMENT);
	sample("compute", measure_compute(atoi(answer)));
	sample("memory", (kb_of_status("VmRSS:") + kb_of_status("VmPTE:")) * 1024);
	sample("switch", measure_ping_pong());
	sample("fault", measure_page_fault());
}
