// SPDX-License-Identifier: GPL-2.0
/*
 * A table that somebody walks through leads to a function that changes.
 * verdict: cannot be patched
 * refused: assembly
 */
int use(int);
int f(int x)
{
#ifdef NEW
	return use(x) + 1;
#else
	return use(x);
#endif
}

int (*const entry)(int) __attribute__((section("commands"), used)) = f;
