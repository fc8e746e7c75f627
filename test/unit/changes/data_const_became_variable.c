// SPDX-License-Identifier: GPL-2.0
/*
 * A constant becomes a variable.
 * verdict: cannot be patched
 * refused: data
 */
int use(const int *);
#ifdef NEW

#else
const
#endif
int table[4] = { 1, 2, 3, 4 };

int f(void)
{
	return use(table);
}
