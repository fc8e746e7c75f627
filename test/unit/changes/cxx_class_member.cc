// SPDX-License-Identifier: GPL-2.0
/*
 * A class has a new member.
 * verdict: cannot be patched
 * refused: layout
 */
class A {
	int one;
#ifdef NEW
	int two;
#endif
public:
	int get();
};

int A::get()
{
#ifdef NEW
	return one + two;
#else
	return one;
#endif
}
