// SPDX-License-Identifier: GPL-2.0
/*
 * The same instructions, but how to unwind from them is told otherwise: whoever unwinds from the function
 * needs the one that belongs to it.
 * verdict: can be patched
 * replaced: f
 * why: its frame information differs
 */
#ifdef NEW
#define NOTE ".cfi_undefined rbx"
#else
#define NOTE ".cfi_same_value rbx"
#endif
int f(int x)
{
	asm volatile(NOTE);
	return x;
}
int g(int x)
{
	return x + 1;
}
