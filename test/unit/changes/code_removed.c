// SPDX-License-Identifier: GPL-2.0
/*
 * A function is gone.
 * verdict: can be patched
 * replaced: f
 */
int use(int);
#ifdef NEW

#else
__attribute__((noinline)) static int helper(int x)
{
	return use(x) + use(x + 1);
}
#endif

int f(int x)
{
#ifdef NEW
	return use(x);
#else
	return helper(x) - 1;
#endif
}
