// SPDX-License-Identifier: GPL-2.0
/*
 * Functions share a section.
 * verdict: cannot be patched
 * refused: file
 * why: -ffunction-sections
 * flags: NOSECTIONS
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

int g(int x)
{
	return use(x) * 3;
}
