// SPDX-License-Identifier: GPL-2.0
/*
 * Another bit field.
 * verdict: cannot be patched
 * refused: layout
 */
struct flags {
#ifdef NEW
	unsigned int one : 2, other : 3;
#else
	unsigned int one : 1, other : 3;
#endif
};

int f(struct flags *flags)
{
	return flags->other;
}
