// SPDX-License-Identifier: GPL-2.0
/*
 * A variable on the stack has another name.
 * verdict: nothing to patch
 */
int f(int x)
{
#ifdef NEW
	int twice = 2 * x;

	return twice;
#else
	int y = 2 * x;

	return y;
#endif
}
