// SPDX-License-Identifier: GPL-2.0
/*
 * The old value may stay.
 * verdict: can be patched
 * replaced: f
 * options: --allow data
 */
int limit = 
#ifdef NEW
	20;
#else
	10;
#endif

int f(int x)
{
#ifdef NEW
	return x >= limit;
#else
	return x > limit;
#endif
}
