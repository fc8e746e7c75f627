// SPDX-License-Identifier: GPL-2.0
/*
 * A new name that comes before the function's own does not hide that it has changed.
 * verdict: can be patched
 * replaced: a
 */
int use(int);
#ifdef NEW
int f(int x)
{
	return use(x + 7);
}

int a(int) __attribute__((alias("f")));
#else
int f(int x)
{
	return use(x + 1);
}
#endif
