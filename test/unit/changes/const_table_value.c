// SPDX-License-Identifier: GPL-2.0
/*
 * A static table of constants has other values.
 * verdict: can be patched
 * replaced: f
 * new: primes
 * why: uses the constant 'primes', which differs
 */
int use(const int *);
static const int primes[] = { 2, 3, 5,
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
