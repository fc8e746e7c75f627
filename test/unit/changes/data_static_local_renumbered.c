// SPDX-License-Identifier: GPL-2.0
/*
 * A new static variable has the name of two others: these stay theirs.
 * verdict: can be patched
 * replaced: g
 * new: calls
 */
int use(int *);
int f(int x)
{
	static int calls = 5;

	return use(&calls) + x;
}

int g(int x)
{
#ifdef NEW
	static int calls = 6;

	return use(&calls) + x;
#else
	return x;
#endif
}

int h(int x)
{
	static int calls = 7;

	return use(&calls) * x;
}
