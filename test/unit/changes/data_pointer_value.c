// SPDX-License-Identifier: GPL-2.0
/*
 * A pointer leads elsewhere from the start.
 * verdict: cannot be patched
 * refused: data
 */
extern int one, other;
int *which =
#ifdef NEW
	&other;
#else
	&one;
#endif

int f(void)
{
	return *which;
}
