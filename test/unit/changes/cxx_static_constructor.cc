// SPDX-License-Identifier: GPL-2.0
/*
 * A global object is made otherwise.
 * verdict: cannot be patched
 * refused: constructor
 */
struct A {
	A(int);
	int value;
};

A a(
#ifdef NEW
	2
#else
	1
#endif
);

int f()
{
	return a.value;
}
