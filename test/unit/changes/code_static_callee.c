// SPDX-License-Identifier: GPL-2.0
/*
 * A static function changes, who calls it does not.
 * verdict: can be patched
 * replaced: inner
 */
int use(int);
__attribute__((noinline)) static int inner(int x)
{
#ifdef NEW
	return use(x) + use(x + 1);
#else
	return use(x);
#endif
}

int f(int x)
{
	return inner(x) + 1;
}
