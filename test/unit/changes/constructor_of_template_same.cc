// SPDX-License-Identifier: GPL-2.0
/*
 * Two static members of templates that stay as they are, in a function that changes.
 * verdict: can be patched
 * replaced: _Z1fv
 */
int start(int x);

template <int N> struct counter {
	static int value;
};
template <int N> int counter<N>::value = start(N);

int f(void)
{
#ifdef NEW
	return counter<1>::value + counter<2>::value + 1;
#else
	return counter<1>::value + counter<2>::value;
#endif
}
