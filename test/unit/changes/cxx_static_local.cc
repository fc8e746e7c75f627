// SPDX-License-Identifier: GPL-2.0
/*
 * A static variable with a constructor stays what it is.
 * verdict: can be patched
 * replaced: _Z1fv
 */
struct A {
	A();
	int value;
};

int f()
{
	static A a;

#ifdef NEW
	a.value++;
#endif
	return a.value;
}
