// SPDX-License-Identifier: GPL-2.0
/* Two loops that differ in a point of quiescence, for quiesce_code_test to count their instructions. */
#include <wfpatch.h>

void empty_loop(unsigned long rounds);
void quiesce_loop(unsigned long rounds);

void empty_loop(unsigned long rounds)
{
	for (; rounds; rounds--)
		__asm__ volatile("" : : : "memory");
}

void quiesce_loop(unsigned long rounds)
{
	for (; rounds; rounds--) {
		__asm__ volatile("" : : : "memory");
		wfpatch_quiesce();
	}
}

int main(void)
{
	empty_loop(1000);
	quiesce_loop(1000);
	return 0;
}
