// SPDX-License-Identifier: GPL-2.0
/*
 * A table that others can see has other values.
 * verdict: cannot be patched
 * refused: data
 */
int use(const int *);
const int primes[] = { 2, 3, 5,
#ifdef NEW
	7
#else
	9
#endif
};

int f(void)
{
	return use(primes);
}
