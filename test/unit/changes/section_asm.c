// SPDX-License-Identifier: GPL-2.0
/*
 * Inline assembly notes its place in a section of its own.
 * verdict: cannot be patched
 * refused: assembly
 */
int f(int x)
{
	__asm__ volatile("1: nop\n\t.pushsection .places,\"a\"\n\t.quad 1b\n\t.popsection");
#ifdef NEW
	return x + 1;
#else
	return x;
#endif
}
