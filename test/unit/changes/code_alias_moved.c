// SPDX-License-Identifier: GPL-2.0
/*
 * Another name of a function is now another function's.
 * verdict: cannot be patched
 * refused: assembly
 */
int use(int);
int one(int x)
{
	return use(x + 1);
}

int two(int x)
{
	return use(x + 2);
}

#ifdef NEW
int handler(int) __attribute__((alias("two")));
#else
int handler(int) __attribute__((alias("one")));
#endif
