// SPDX-License-Identifier: GPL-2.0
/*
 * It is said to be all right.
 * verdict: can be patched
 * replaced: f
 * options: --allow compiler
 * old-flags: -fno-strict-aliasing
 * only: gcc
 */
int use(int);
int f(int x)
{
#ifdef NEW
	return use(x) + 1;
#else
	return use(x);
#endif
}
