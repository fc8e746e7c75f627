// SPDX-License-Identifier: GPL-2.0
/*
 * Other options, which clang tells if it is asked to; those that only say where files are or what words
 * mean are no others.
 * verdict: cannot be patched
 * refused: compiler
 * flags: -grecord-gcc-switches
 * old-flags: -DNAME=old
 * new-flags: -DNAME=new -fno-strict-aliasing
 * only: clang
 */
int f(int x)
{
#ifdef NEW
	return x * 3;
#else
	return x * 5;
#endif
}
