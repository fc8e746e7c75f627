// SPDX-License-Identifier: GPL-2.0
/*
 * Another constant in the code.
 * verdict: can be patched
 * replaced: f
 */
int f(int x)
{
#ifdef NEW
	return 31 * x + 5;
#else
	return 7 * x + 1;
#endif
}

int g(int x)
{
	return x ^ 5;
}
