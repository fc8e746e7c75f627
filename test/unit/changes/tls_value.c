// SPDX-License-Identifier: GPL-2.0
/*
 * A thread-local variable begins with another value.
 * verdict: cannot be patched
 * refused: tls
 */
int use(int *);
__thread int calls =
#ifdef NEW
	4;
#else
	3;
#endif

int f(void)
{
	return use(&calls);
}
