// SPDX-License-Identifier: GPL-2.0
/*
 * Two loops that differ in wfpatch_quiesce() only. test/bench/quiesce compiles and disassembles
 * them to count the instructions that the call costs with nothing pending.
 */
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
