// SPDX-License-Identifier: GPL-2.0
/*
 * A variable of a structure without a name.
 * verdict: cannot be patched
 * refused: layout
 */
static struct {
#ifdef NEW
	int misses, hits;
#else
	int hits, misses;
#endif
} count;
void *all(void)
{
	return &count;
}

int f(void)
{
	return count.hits - 3 * count.misses;
}
