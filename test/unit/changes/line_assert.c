// SPDX-License-Identifier: GPL-2.0
/*
 * An assertion moves.
 * verdict: nothing to patch
 * lines: f
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
	return *x;
}
