// SPDX-License-Identifier: GPL-2.0
/*
 * One function changes, in another only a line's number.
 * verdict: can be patched
 * replaced: f
 * lines: h
 */
#include <assert.h>
#ifdef NEW
#line 4000
#else
#line 3000
#endif
int f(int *x)
{
	assert(x);
#ifdef NEW
	return *x + 1;
#else
	return *x;
#endif
}

#line 4500
int g(int *x)
{
	return *x;
}
#ifdef NEW
#line 4600
#else
#line 4700
#endif
int h(int *x)
{
	assert(x);
	return *x;
}
