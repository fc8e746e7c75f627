// SPDX-License-Identifier: GPL-2.0
/*
 * It is kept if that is wanted.
 * verdict: can be patched
 * replaced: f
 * options: --keep-line-changes
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
