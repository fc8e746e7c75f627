// SPDX-License-Identifier: GPL-2.0
/*
 * An enumeration has one value more.
 * verdict: can be patched
 * replaced: f
 */
enum state { FIRST, SECOND,
#ifdef NEW
	THIRD,
#endif
};

int f(enum state state)
{
#ifdef NEW
	return state == THIRD ? 5 : 4;
#else
	return state == SECOND;
#endif
}
