// SPDX-License-Identifier: GPL-2.0
/*
 * A new variable comes along.
 * verdict: can be patched
 * replaced: f
 * new: calls
 */
int use(int);
#ifdef NEW
static int calls;
#endif
int f(int x)
{
#ifdef NEW
	calls++;
	return use(x + calls);
#else
	return use(x);
#endif
}
