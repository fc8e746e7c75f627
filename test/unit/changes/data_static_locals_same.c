// SPDX-License-Identifier: GPL-2.0
/*
 * Several static variables of one name in a function that is as it was.
 * verdict: can be patched
 * replaced: g
 */
int use(int);
#define ONCE(x) do { static int seen; if (!seen++) use(x); } while (0)
int f(int x)
{
	ONCE(x);
	ONCE(x + 3);
	return x;
}

int g(int x)
{
#ifdef NEW
	return use(x + 1);
#else
	return use(x + 2);
#endif
}
