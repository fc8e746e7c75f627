// SPDX-License-Identifier: GPL-2.0
/*
 * The same for a table that is merged with others.
 * verdict: can be patched
 * replaced: f
 * flags: -fno-pie
 * only: clang
 */
int use(int);
static const int other[4] = { 9, 8, 7, 6 };
#ifdef NEW
static const int table[4] = { 1, 2, 3, 4 };
#else
static const int table[4] = { 1, 2, 3, 5 };
#endif
int g(int x)
{
	return use(other[x]);
}

int f(int x)
{
	return use(table[x - 1]);
}
