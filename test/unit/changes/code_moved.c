// SPDX-License-Identifier: GPL-2.0
/*
 * Functions in another order.
 * verdict: nothing to patch
 */
#ifdef NEW
int g(int x)
{
	return x ^ 5;
}
#endif
int f(int x)
{
	return 3 * x;
}
#ifdef NEW

#else
int g(int x)
{
	return x ^ 5;
}
#endif
