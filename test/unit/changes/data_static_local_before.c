// SPDX-License-Identifier: GPL-2.0
/*
 * A new static variable takes the number of one that exists.
 * verdict: cannot be patched
 * refused: ambiguous
 */
int use(int);
int f(int x)
{
#ifdef NEW
	{
		static int n;

		n += x;
		use(n);
	}
#endif
	{
		static int n;

		n -= x;
		use(n * 2);
	}
	return 0;
}
