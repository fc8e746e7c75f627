// SPDX-License-Identifier: GPL-2.0
/*
 * A variable that was zero begins with a value.
 * verdict: cannot be patched
 * refused: data
 */
int limit
#ifdef NEW
	= 20
#endif
;

int f(int x)
{
	return x > limit;
}
