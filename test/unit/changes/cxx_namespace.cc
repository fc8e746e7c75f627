// SPDX-License-Identifier: GPL-2.0
/*
 * A function of a nameless namespace.
 * verdict: can be patched
 * replaced: _ZN12_GLOBAL__N_15innerEi
 */
int use(int);
namespace {
__attribute__((noinline)) int inner(int x)
{
#ifdef NEW
	return use(x) + use(x + 1);
#else
	return use(x);
#endif
}
}

int f(int x)
{
	return inner(x) + 1;
}
