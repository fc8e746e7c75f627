// SPDX-License-Identifier: GPL-2.0
/*
 * One is gone, another of its name is new: it does not get the old one's value.
 * verdict: can be patched
 * replaced: f g
 * new: calls
 */
int use(int *);
int f(int x)
{
#ifdef NEW
	return x;
#else
	static int calls = 5;

	return use(&calls) + x;
#endif
}

int g(int x)
{
#ifdef NEW
	static int calls = 5;

	return use(&calls) + x;
#else
	return x;
#endif
}
