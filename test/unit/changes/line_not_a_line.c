// SPDX-License-Identifier: GPL-2.0
/*
 * A constant changes that is no line of the function.
 * verdict: can be patched
 * replaced: f
 */
int use(int);
#ifdef NEW
#line 4000
#else
#line 3000
#endif
int f(void)
{
#ifdef NEW
	return use(4077) + 1;
#else
	return use(3077) + 1;
#endif
}
