// SPDX-License-Identifier: GPL-2.0
/*
 * A new global variable comes along.
 * verdict: can be patched
 * replaced: f
 * new: calls
 */
int use(int);
#ifdef NEW
int calls = 3;
#endif
int f(int x)
{
#ifdef NEW
	return use(x + calls++);
#else
	return use(x);
#endif
}
