// SPDX-License-Identifier: GPL-2.0
/*
 * There is no code in an object before it is linked.
 * verdict: cannot be patched
 * refused: lto
 * flags: -flto
 */
int f(int x)
{
#ifdef NEW
	return 31 * x + 5;
#else
	return 7 * x + 1;
#endif
}
