// SPDX-License-Identifier: GPL-2.0
/*
 * A thread-local variable that exists is used.
 * verdict: can be patched
 * replaced: f
 */
int use(int *);
__thread int calls = 3;

int f(void)
{
#ifdef NEW
	calls++;
#endif
	return use(&calls);
}
