// SPDX-License-Identifier: GPL-2.0
/*
 * A variable begins with another value.
 * verdict: cannot be patched
 * refused: data
 */
int limit = 
#ifdef NEW
	20;
#else
	10;
#endif

int f(int x)
{
	return x > limit;
}
