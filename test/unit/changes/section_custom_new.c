// SPDX-License-Identifier: GPL-2.0
/*
 * A table that somebody walks through has a new entry.
 * verdict: cannot be patched
 * refused: assembly
 */
int f(int x)
{
	return x;
}

#ifdef NEW
static int (*const entry)(int) __attribute__((section("commands"), used)) = f;
#endif
