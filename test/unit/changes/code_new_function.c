// SPDX-License-Identifier: GPL-2.0
/*
 * A new static function comes along.
 * verdict: can be patched
 * replaced: f
 * new: helper
 */
int use(int);
#ifdef NEW
__attribute__((noinline)) static int helper(int x)
{
	return use(x) + use(x + 1);
}
#endif

int f(int x)
{
#ifdef NEW
	return helper(x) - 1;
#else
	return use(x);
#endif
}
