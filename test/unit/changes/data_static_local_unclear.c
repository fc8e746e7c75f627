// SPDX-License-Identifier: GPL-2.0
/*
 * Two static variables of one name in one function.
 * verdict: cannot be patched
 * refused: ambiguous
 */
int use(int *);
int f(int x)
{
	if (x > 4) {
		static int calls = 5;

		return use(&calls) + x;
	} else {
		static int calls = 6;
#ifdef NEW

		calls++;
#endif
		return use(&calls) - x;
	}
}
