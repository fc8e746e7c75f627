// SPDX-License-Identifier: GPL-2.0
/*
 * A symbol has another version.
 * verdict: cannot be patched
 * refused: version
 */
#ifdef NEW
__asm__(".symver f, f@VERS_2");
#else
__asm__(".symver f, f@VERS_1");
#endif

int f(int x)
{
	return 3 * x;
}
