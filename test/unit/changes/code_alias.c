// SPDX-License-Identifier: GPL-2.0
/*
 * A function with two names is replaced once.
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

int other_name(int x) __attribute__((alias("f")));
