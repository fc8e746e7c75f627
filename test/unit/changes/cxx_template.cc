// SPDX-License-Identifier: GPL-2.0
/*
 * A template's instance changes.
 * verdict: can be patched
 * replaced: _Z5twiceIiET_S0_
 */
int use(int);
template <typename T> __attribute__((noinline)) T twice(T x)
{
#ifdef NEW
	return use(x) + x + 1;
#else
	return use(x) + x;
#endif
}

int f(int x)
{
	return twice<int>(x) + 1;
}
