// SPDX-License-Identifier: GPL-2.0
/*
 * Round trips: a running program that gets the patch that wfpatch build has made of a change computes
 * what the changed program does. The changes are random_change.py's; WFPATCH_ROUNDS is their number,
 * WFPATCH_SEED the first one's seed.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "inject.h"
#include "programs.h"

#define ROUNDS 60
#define QUESTIONS 40

enum outcome { PATCHED, NOTHING, REFUSED, NR_OUTCOMES };

/* What random_change.py says of a program. */
struct change {
	unsigned long seed;
	int functions;
	char refused[32], compiler[32], flags[128];
};

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
	const char *value = getenv(variable);

	return value && *value ? strtoul(value, NULL, 0) : otherwise;
}

/* In the tests' directory, with the flags that its first line names. */
static void make_programs(struct change *change)
{
	char line[256];
	FILE *file;

	run("mkdir -p round && python3 $S/../random_change.py %lu round >round/how", change->seed);
	file = fopen(in_dir("round/how"), "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	assert_int_equal(sscanf(line, "%d %31s %31s %127[^\n]", &change->functions, change->refused,
				change->compiler, change->flags), 4);
	run("cd round && for v in old new; do cp $v.c program.c && "
	    "%s %s -w -g -ffunction-sections -fdata-sections -c -o $v.o program.c && "
	    "%s %s -w -o $v main.c $v.o || exit 1; done",
	    change->compiler, change->flags, change->compiler, change->flags);
}

static enum outcome build(const struct change *change)
{
	int status;

	status = system(in_dir("build"));
	assert_true(WIFEXITED(status));
	/* A variable that the compiler has left out may begin with what it likes: what comes is compared. */
	switch (WEXITSTATUS(status)) {
	case 0:
		return PATCHED;
	case 7:
		return NOTHING;
	case 2:
		/* How short a function becomes is the compiler's choice. */
		if (!strcmp(change->refused, "-") &&
		    system(in_dir("build refused_short")))
			break;
		return REFUSED;
	}
	run("cat round/said >&2");
	fail_msg("seed %lu: status %d", change->seed, WEXITSTATUS(status));
	return REFUSED;
}

static void compare(const struct change *change, struct target *seen, struct target *wanted)
{
	char name[16];
	int i, x, a, b;

	for (i = 0; i < QUESTIONS; i++) {
		snprintf(name, sizeof(name), "f%d", i % change->functions);
		x = i * 7 - 20;
		a = ask(seen, name, x);
		b = ask(wanted, name, x);
		if (a != b)
			fail_msg("seed %lu: %s(%d) is %d, and %d in the changed program",
				 change->seed, name, x, a, b);
	}
}

static void apply(struct target *target, struct wf_image **image)
{
	struct wfpatch_patch *patch;
	char err[512];

	if (wfpatch_patch_open(&patch, in_dir("round/fix.wfp"), err, sizeof(err)))
		fail_msg("%s", err);
	*image = link_ok(target, patch);
	inject(target->pid, *image);
	wfpatch_patch_close(patch);
}

/* Patched from the start it is the new program; in the middle of its life it goes on. */
static void try_out(const struct change *change, enum outcome outcome)
{
	struct target old, new;
	struct wf_image *image = NULL;
	char name[16];
	int i;

	start(&old, in_dir("round/old"));
	start(&new, in_dir("round/new"));
	if (outcome == PATCHED)
		apply(&old, &image);
	compare(change, &old, &new);
	/* The later one has the other's pipes open. */
	stop(&new);
	stop(&old);
	wf_image_free(image);
	image = NULL;
	if (outcome != PATCHED)
		return;
	start(&old, in_dir("round/old"));
	for (i = 0; i < 2 * QUESTIONS; i++) {
		snprintf(name, sizeof(name), "f%d", i % change->functions);
		ask(&old, name, i);
		if (i == QUESTIONS)
			apply(&old, &image);
	}
	take_out(old.pid, image);
	for (i = 0; i < QUESTIONS; i++) {
		snprintf(name, sizeof(name), "f%d", i % change->functions);
		ask(&old, name, i);
	}
	stop(&old);
	wf_image_free(image);
}

static void a_patched_program_computes_what_the_changed_one_does(void **state)
{
	unsigned long rounds = number_of("WFPATCH_ROUNDS", ROUNDS), first, i;
	unsigned int outcomes[NR_OUTCOMES] = { 0 };
	enum outcome outcome;

	(void)state;
	first = number_of("WFPATCH_SEED", 1);
	for (i = first; i < first + rounds; i++) {
		struct change change = { .seed = i };

		make_programs(&change);
		outcome = build(&change);
		outcomes[outcome]++;
		if (outcome != REFUSED)
			try_out(&change, outcome);
	}
	print_message("%lu changes: %u patched, %u nothing to patch, %u refused as they should be\n",
		      rounds, outcomes[PATCHED], outcomes[NOTHING], outcomes[REFUSED]);
	/* A test that never patches would show nothing. */
	assert_true(outcomes[PATCHED] > rounds / 2);
}

/* Exceptions, templates, virtual functions: the object of the patch has their tables, too. */
static void a_program_in_cxx_goes_on(void **state)
{
	static const char *const flags[] = { "-O1", "-O2", "-O3", "-Os" };
	struct change change = { .functions = 4, .refused = "-" };
	unsigned int i, j;

	(void)state;
	for (i = 0; i < 8; i++) {
		j = i % 4;
		change.seed = i;
		run("mkdir -p round && cd round && for v in OLD NEW; do "
		    "%s -std=gnu++17 %s -g -ffunction-sections -fdata-sections -D$v -c "
		    "-o $v.o $S/round_trip.cc && g++ -o $v $v.o || exit 1; done; "
		    "mv OLD old; mv OLD.o old.o; mv NEW new; mv NEW.o new.o",
		    i < 4 ? "g++" : "clang++", flags[j]);
		assert_int_equal(build(&change), PATCHED);
		try_out(&change, PATCHED);
	}
}

/* Where the command is: beside the tests, or where WFPATCH_TOOL says. */
static int make_dir_and_script(void **state)
{
	const char *tool = getenv("WFPATCH_TOOL");
	FILE *file;

	if (make_dir(state))
		return 1;
	file = fopen(in_dir("build"), "w");
	if (!file)
		return 1;
	fprintf(file, "#!/bin/sh\ncd %s/round || exit 99\n"
		"[ $# = 0 ] || exec grep -q '\\[short\\]' said\nrm -f fix.wfp\n"
		"exec '%s' build --old old.o --new new.o --target old -o fix.wfp >said 2>&1\n",
		dir, tool ? tool : TOOL);
	fclose(file);
	run("chmod +x build");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_patched_program_computes_what_the_changed_one_does),
		cmocka_unit_test(a_program_in_cxx_goes_on),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_dir_and_script, remove_dir);
}
