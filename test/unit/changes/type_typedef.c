// SPDX-License-Identifier: GPL-2.0
/*
 * A structure that has no name but its typedef's.
 * verdict: cannot be patched
 * refused: layout
 */
typedef struct {
#ifdef NEW
	int second, first;
#else
	int first, second;
#endif
} two;
int f(two *t)
{
	return t->first - 3 * t->second;
}
