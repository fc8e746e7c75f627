// SPDX-License-Identifier: GPL-2.0
/*
 * A function's own static variable stays what it is.
 * verdict: can be patched
 * replaced: f
 */
int use(int *);
int f(int x)
{
	static int calls = 5;

	calls += use(&calls);
#ifdef NEW
	return calls + x + 1;
#else
	return calls + x;
#endif
}
