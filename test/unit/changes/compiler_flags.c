// SPDX-License-Identifier: GPL-2.0
/*
 * Built with other options.
 * verdict: cannot be patched
 * refused: compiler
 * old-flags: -fno-omit-frame-pointer
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
