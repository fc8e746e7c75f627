// SPDX-License-Identifier: GPL-2.0
/*
 * Static members of templates: with clang each has a section of its own for what runs at the start, all
 * of one name. The first is the same, the second is new.
 * verdict: cannot be patched
 * refused: constructor
 * only: clang
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
	return counter<1>::value;
#endif
}
