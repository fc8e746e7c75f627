// SPDX-License-Identifier: GPL-2.0
/*
 * What changes is inlined: those that it is in are replaced.
 * verdict: can be patched
 * replaced: f g
 * new:
 */
int use(int);
static inline __attribute__((always_inline)) int small(int x)
{
#ifdef NEW
	return use(x + 2);
#else
	return use(x + 1);
#endif
}

int f(int x)
{
	return small(x) + 1;
}

int g(int x)
{
	return small(x) * 3;
}

int h(int x)
{
	return use(x) * 3;
}
