// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual function's body changes.
 * verdict: can be patched
 * replaced: _ZN1A3oneEv
 */
int use(int);
struct A {
	int value;
	virtual int one();
	virtual ~A();
};

int A::one()
{
#ifdef NEW
	return use(value) + 1;
#else
	return use(value);
#endif
}

A::~A()
{
}
