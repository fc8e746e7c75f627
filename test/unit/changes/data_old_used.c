// SPDX-License-Identifier: GPL-2.0
/*
 * A variable that exists is used, not copied.
 * verdict: can be patched
 * replaced: f
 */
int use(int);
static int calls;
int g(void)
{
	return calls++;
}

int f(int x)
{
#ifdef NEW
	return use(x + calls);
#else
	return use(x);
#endif
}
