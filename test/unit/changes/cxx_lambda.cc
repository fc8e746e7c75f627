// SPDX-License-Identifier: GPL-2.0
/*
 * A lambda.
 * verdict: can be patched
 * replaced: _ZZ1fiENKUliE_clEi
 * only: gcc
 */
int use(int);
int f(int x)
{
	auto inner = [](int y) __attribute__((noinline)) {
#ifdef NEW
		return use(y) + 1;
#else
		return use(y);
#endif
	};

	return inner(x) * 3;
}
