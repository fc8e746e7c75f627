// SPDX-License-Identifier: GPL-2.0
/*
 * A function takes more; all who call it come along.
 * verdict: can be patched
 * replaced: f g
 * only: gcc-O2 gcc-O3 gcc-Os gcc-O1
 */
int use(int);
#ifdef NEW
__attribute__((noinline)) static int g(int x, int *y)
{
	return use(x) + use(*y);
}
#else
__attribute__((noinline)) static int g(int x)
{
	return use(x);
}
#endif

int f(int x)
{
#ifdef NEW
	return g(x, &x) + use(x);
#else
	return g(x) + use(x);
#endif
}
