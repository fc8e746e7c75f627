// SPDX-License-Identifier: GPL-2.0
/*
 * A new function that nobody uses is no patch.
 * verdict: nothing to patch
 */
#ifdef NEW
int helper(int x)
{
	return x + 1;
}
#endif
int f(int x)
{
	return x;
}
