// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual function is new.
 * verdict: cannot be patched
 * refused: vtable
 */
struct A {
	int value;
	virtual int one();
#ifdef NEW
	virtual int two();
#endif
	virtual ~A();
};

int A::one()
{
	return value;
}
#ifdef NEW

int A::two()
{
	return value + 1;
}
#endif

A::~A()
{
}
