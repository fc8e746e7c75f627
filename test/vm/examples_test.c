// SPDX-License-Identifier: GPL-2.0
/* The programs of examples/: each is run as a user would run it, and must print what it promises. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guest.h"
#include "harness.h"
#include "program.h"

/* Where test/run puts them. */
#define EXAMPLES	"/opt/examples"

static const char *const examples[] = { "instrumented", "isolation", "self_patch", "worker_pool" };

#define NR_EXAMPLES	(sizeof(examples) / sizeof(examples[0]))

/* Returns its exit status. */
static int run_example(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), EXAMPLES "/%s", name);
	return program_run(path, NULL);
}

static void expect_success(const char *name)
{
	int status = run_example(name);

	if (status)
		FAIL("%s: expected exit status 0, seen %d; it printed: %s", name, status,
		     program_output);
}

/* How many whole lines of what it printed are @line. */
static int nr_lines(const char *line)
{
	const char *at = program_output, *end;
	int n = 0;

	for (; (end = strchr(at, '\n')); at = end + 1)
		n += (size_t)(end - at) == strlen(line) && !memcmp(at, line, strlen(line));
	return n;
}

#define EXPECT_LINE(line)									\
	do {											\
		if (nr_lines(line) != 1)							\
			FAIL("expected one line \"%s\", seen: %s", line, program_output);	\
	} while (0)

/* How many different threads are said to have gone from one view to another. */
static int nr_threads_that_went(unsigned int from, unsigned int to)
{
	unsigned int previous, view;
	int tids[64], tid, i, n = 0;
	char *at;

	for (at = program_output; (at = strstr(at, "thread ")) && n < 64; at++) {
		if (sscanf(at, "thread %d: view %u -> %u\n", &tid, &previous, &view) != 3 ||
		    previous != from || view != to)
			continue;
		for (i = 0; i < n && tids[i] != tid; i++)
			;
		if (i == n)
			tids[n++] = tid;
	}
	return n;
}

TEST(self_patch_replaces_its_function_and_takes_it_back)
{
	unsigned long old_calls, new_calls;
	char *last;

	expect_success("self_patch");
	/* Four that call it, and the one that replaces it. */
	CHECK_EQ(nr_threads_that_went(0, 1), 5);
	CHECK_EQ(nr_threads_that_went(1, 0), 5);
	last = strstr(program_output, "version ");
	if (!last || sscanf(last, "version 2, then 1; calls: %lu, %lu\n", &old_calls,
			    &new_calls) != 2)
		FAIL("expected the versions and calls, seen: %s", program_output);
	CHECK(old_calls > 0 && new_calls > 0);
}

TEST(isolation_counts_apart_at_one_address)
{
	expect_success("isolation");
	EXPECT_LINE("view 1: counted to 100000, 0 wrong reads");
	EXPECT_LINE("view 2: counted to 200000, 0 wrong reads");
	EXPECT_LINE("base: 0; view 1 as seen from the base: 100000");
}

TEST(instrumented_counts_the_calls_of_one_thread)
{
	expect_success("instrumented");
	EXPECT_LINE("50000 of 300000 calls counted, the largest of 74999");
}

TEST(worker_pool_is_patched_between_jobs)
{
	expect_success("worker_pool");
	EXPECT_LINE("50 jobs at the old price, 50 at the new one");
}

TEST(an_example_that_may_not_open_the_device_says_so)
{
	size_t i;

	become_nobody();
	for (i = 0; i < NR_EXAMPLES; i++) {
		CHECK_EQ(run_example(examples[i]), EXIT_FAILURE);
		if (!strstr(program_output, ": user 65534 may not open /dev/wfpatch: "))
			FAIL("%s: expected what is wrong, seen: %s", examples[i], program_output);
	}
}

/* A new example wants a test here. */
TEST(every_example_is_tested)
{
	DIR *dir = opendir(EXAMPLES);
	struct dirent *entry;
	size_t i, nr = 0;

	if (!dir)
		FAIL("%s cannot be opened: %s", EXAMPLES, last_error());
	while ((entry = readdir(dir))) {
		struct stat about;

		CHECK_LIBC(fstatat(dirfd(dir), entry->d_name, &about, 0));
		if (!S_ISREG(about.st_mode) || !(about.st_mode & 0111))
			continue;
		for (i = 0; i < NR_EXAMPLES && strcmp(examples[i], entry->d_name); i++)
			;
		if (i == NR_EXAMPLES)
			FAIL("%s is an example without a test", entry->d_name);
		nr++;
	}
	closedir(dir);
	CHECK_EQ(nr, NR_EXAMPLES);
}
