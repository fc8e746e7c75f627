// SPDX-License-Identifier: GPL-2.0
/* New code for two functions of target.c. */
#include <stdint.h>

#include "../target.h"

static volatile uint32_t sink;

int work(void)
{
	return 2;
}

int compute(unsigned int rounds)
{
	uint32_t value = rounds;

	for (unsigned int i = 0; i < rounds; i++)
		value = value * 1664525 + 1013904223;
	sink = value;
	return 2;
}
