// SPDX-License-Identifier: GPL-2.0
/*
 * The new code counts on an alignment that the old variable does not have.
 * verdict: cannot be patched
 * refused: size
 */
#ifdef NEW
static _Alignas(64) int values[16];
#else
static int values[16];
#endif
int *all(void)
{
	return values;
}

int f(int x)
{
#ifdef NEW
	return values[x] + 1;
#else
	return values[x];
#endif
}
