// SPDX-License-Identifier: GPL-2.0
/*
 * A method in the class.
 * verdict: can be patched
 * replaced: _ZN1A3getEv
 */
int use(int);
struct A {
	int value;
	__attribute__((noinline)) int get()
	{
#ifdef NEW
		return use(value) + 1;
#else
		return use(value);
#endif
	}
};

int f(A *a)
{
	return a->get() * 3;
}
