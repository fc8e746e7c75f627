// SPDX-License-Identifier: GPL-2.0
/*
 * A function whose address a variable has takes more.
 * verdict: cannot be patched
 * refused: signature
 */
int use(int);
#ifdef NEW
int g(int x, int y)
{
	return use(x) + y;
}
#else
int g(int x)
{
	return use(x);
}
#endif

int (*pointer)() = (int (*)())g;
