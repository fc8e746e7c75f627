// SPDX-License-Identifier: GPL-2.0
/* A 32-bit program on a 64-bit kernel: compat32, which stands beside this program. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "layout.h"
#include "program.h"

static void run_compat32(const char *how)
{
	int status;

	/* There with CONFIG_IA32_EMULATION only. */
	if (access("/proc/sys/abi/vsyscall32", F_OK))
		skip_test("the kernel runs no 32-bit programs");
	status = program_run("./compat32", how, NULL);
	if (status)
		FAIL("expected exit status 0, seen %d; it printed: %s", status, program_output);
}

TEST(a_32_bit_program_uses_views)
{
	run_compat32("int80");
}

TEST(a_32_bit_program_uses_views_by_system_calls_through_its_vdso)
{
	run_compat32("vdso");
}

TEST(structs_have_the_same_layout_in_32_bits)
{
	char expected[sizeof(program_output)];
	size_t used = 0, i;

	for (i = 0; i < NR_LAYOUTS; i++)
		used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s.%s %u %u\n",
					 layouts[i].type, layouts[i].field, layouts[i].offset,
					 layouts[i].size);
	CHECK(used < sizeof(expected) - 1);
	run_compat32("layout");
	if (strcmp(program_output, expected))
		FAIL("expected: %s seen: %s", expected, program_output);
}
