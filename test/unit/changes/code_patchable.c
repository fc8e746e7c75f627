// SPDX-License-Identifier: GPL-2.0
/*
 * Room at the start of functions, with a list of them.
 * verdict: can be patched
 * replaced: f
 * flags: -fpatchable-function-entry=4
 */
int use(int);
int f(int x)
{
#ifdef NEW
	return use(x + 1);
#else
	return use(x);
#endif
}

int g(int x)
{
	return use(x + 5);
}
