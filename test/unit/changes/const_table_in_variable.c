// SPDX-License-Identifier: GPL-2.0
/*
 * A variable leads to a table that changes.
 * verdict: cannot be patched
 * refused: data
 */
int use(const int *);
static const int primes[] = { 2, 3,
#ifdef NEW
	7
#else
	9
#endif
};
const int *which = primes;

int f(void)
{
	return use(which);
}
