// SPDX-License-Identifier: GPL-2.0
/*
 * What a new function needs comes along, too.
 * verdict: can be patched
 * replaced: f
 * new: one two
 */
int use(int);
#ifdef NEW
__attribute__((noinline)) static int two(int x)
{
	return use(x) * use(x);
}

__attribute__((noinline)) static int one(int x)
{
	return two(x) + two(x * 3);
}
#endif

int f(int x)
{
#ifdef NEW
	return one(x) - 1;
#else
	return use(x);
#endif
}
