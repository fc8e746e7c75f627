// SPDX-License-Identifier: GPL-2.0
/*
 * A variable has another size.
 * verdict: cannot be patched
 * refused: size
 */
char line[
#ifdef NEW
	200
#else
	100
#endif
];

int f(int x)
{
	return line[x];
}
