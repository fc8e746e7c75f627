// SPDX-License-Identifier: GPL-2.0
/*
 * The old constant is the number of a line, the new one is not.
 * verdict: can be patched
 * replaced: f
 * why: its bytes differ
 */
int use(int);
#line 100
int f(void)
{
#ifdef NEW
	return use(777) + 1;
#else
	return use(102) + 1;
#endif
}
