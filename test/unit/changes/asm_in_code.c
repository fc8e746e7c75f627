// SPDX-License-Identifier: GPL-2.0
/*
 * Inline assembly that is code and nothing else.
 * verdict: can be patched
 * replaced: f
 */
int f(int x)
{
#ifdef NEW
	__asm__("bswap %0" : "+r"(x));
#else
	__asm__("not %0" : "+r"(x));
#endif
	return x;
}
