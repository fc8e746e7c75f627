// SPDX-License-Identifier: GPL-2.0
/*
 * What a point of quiescence costs when there is nothing to do, by disassembly: the programs loop_*
 * beside this one have a loop with a point in it and one without, built in each way that programs are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MAX_INSTRUCTIONS 64

struct instruction {
	unsigned long address;
	char text[80];
};

static unsigned int disassemble(const char *program, const char *function,
				struct instruction *code)
{
	char command[256], line[256];
	unsigned int nr = 0;
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "objdump -d --no-show-raw-insn --disassemble=%s ./%s", function, program);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		if (nr < MAX_INSTRUCTIONS &&
		    sscanf(line, " %lx: %79[^\n]", &code[nr].address, code[nr].text) == 2)
			nr++;
	}
	assert_int_equal(pclose(pipe), 0);
	assert_true(nr > 0 && nr < MAX_INSTRUCTIONS);
	return nr;
}

/* Where a jump leads, 0 if the instruction is none. */
static unsigned long jump_target(const struct instruction *instruction)
{
	unsigned long target = 0;

	return sscanf(instruction->text, "j%*s %lx", &target) == 1 ? target : 0;
}

/*
 * The instructions of one round: from where the first conditional jump backwards leads, to it. What
 * is done when there is something to do lies elsewhere, behind a jump that is not taken.
 */
static unsigned int round_of(const char *program, const char *function)
{
	struct instruction code[MAX_INSTRUCTIONS];
	unsigned int nr = disassemble(program, function, code), i, len;
	unsigned long target = 0;

	for (i = 0; i < nr; i++) {
		assert_null(strstr(code[i].text, "call"));
		target = jump_target(&code[i]);
		if (target && target >= code[0].address && target <= code[i].address)
			break;
	}
	assert_true(i < nr);
	for (len = 0; code[i - len].address != target; len++) {
		print_message("# %s %s: %s\n", program, function, code[i - len].text);
		assert_true(len < i);
	}
	return len + 1;
}

static void check(const char *program)
{
	unsigned int empty = round_of(program, "empty_loop");
	unsigned int with_point = round_of(program, "quiesce_loop");

	if (with_point > empty + 3)
		fail_msg("a point costs %u instructions, 3 are allowed", with_point - empty);
	/* And it is there. */
	assert_true(with_point > empty);
}

static void in_a_position_independent_program_it_costs_three_instructions(void **state)
{
	(void)state;
	check("loop_pie");
}

static void in_a_program_at_a_fixed_address_it_costs_three_instructions(void **state)
{
	(void)state;
	check("loop_no_pie");
}

static void in_a_static_program_it_costs_three_instructions(void **state)
{
	(void)state;
	check("loop_static");
}

static void in_a_shared_library_it_costs_three_instructions(void **state)
{
	(void)state;
	check("loop_shared");
}

/* Linked in any way, the page has its memory for itself. */
static void the_status_page_is_on_a_page_of_its_own(void **state)
{
	static const char *const programs[] = { "loop_pie", "loop_no_pie", "loop_static" };
	char command[128], line[256];
	unsigned long address, size;
	unsigned int i, found;
	FILE *pipe;

	(void)state;
	for (i = 0; i < 3; i++) {
		snprintf(command, sizeof(command), "readelf -sW ./%s", programs[i]);
		pipe = popen(command, "re");
		assert_non_null(pipe);
		found = 0;
		while (fgets(line, sizeof(line), pipe)) {
			if (!strstr(line, " wfpatch_status_page") || strstr(line, " UND ") ||
			    sscanf(line, " %*u: %lx %lu", &address, &size) != 2)
				continue;
			found++;
			assert_int_equal(address % 4096, 0);
			assert_int_equal(size, 4096);
		}
		assert_int_equal(pclose(pipe), 0);
		/* A program built by a compiler that goes through the library's own has none. */
		assert_true(found || !strcmp(programs[i], "loop_pie"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_position_independent_program_it_costs_three_instructions),
		cmocka_unit_test(in_a_program_at_a_fixed_address_it_costs_three_instructions),
		cmocka_unit_test(in_a_static_program_it_costs_three_instructions),
		cmocka_unit_test(in_a_shared_library_it_costs_three_instructions),
		cmocka_unit_test(the_status_page_is_on_a_page_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
