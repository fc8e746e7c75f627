// SPDX-License-Identifier: GPL-2.0
/*
 * A value of an enumeration is another number.
 * verdict: cannot be patched
 * refused: layout
 */
enum state { FIRST,
#ifdef NEW
	BETWEEN,
#endif
	LAST };

int f(enum state state)
{
	return state == LAST;
}
