// SPDX-License-Identifier: GPL-2.0
/*
 * A static table of constants has grown: those who use it are replaced.
 * verdict: can be patched
 * replaced: f
 * new: primes
 */
int use(const int *);
static const int primes[] = { 2, 3, 5, 7,
#ifdef NEW
	11, 13,
#endif
};

int f(void)
{
	return use(primes);
}

int g(void)
{
	return use(0);
}
