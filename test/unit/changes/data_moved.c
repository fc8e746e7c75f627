// SPDX-License-Identifier: GPL-2.0
/*
 * Variables in another order.
 * verdict: nothing to patch
 */
#ifdef NEW
int second = 2, first = 1;
#else
int first = 1, second = 2;
#endif

int f(int x)
{
	return first + x * second;
}
