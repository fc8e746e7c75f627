// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing says what types there are.
 * verdict: cannot be patched
 * refused: file
 * why: build both with -g
 * flags: -g0
 */
int use(int);
int f(int x)
{
#ifdef NEW
	return use(x) + 1;
#else
	return use(x);
#endif
}
