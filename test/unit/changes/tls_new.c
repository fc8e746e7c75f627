// SPDX-License-Identifier: GPL-2.0
/*
 * A new thread-local variable.
 * verdict: cannot be patched
 * refused: tls
 */
int use(int *);
#ifdef NEW
static __thread int calls;
#endif
int f(int x)
{
#ifdef NEW
	calls++;
	return use(&calls);
#else
	return use(&x);
#endif
}
