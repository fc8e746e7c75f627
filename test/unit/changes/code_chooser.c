// SPDX-License-Identifier: GPL-2.0
/*
 * A new indirect function.
 * verdict: cannot be patched
 * refused: assembly
 */
int use(int);
#ifdef NEW
static int one(int x)
{
	return use(x + 1);
}

static int (*choose(void))(int)
{
	return one;
}

int chosen(int) __attribute__((ifunc("choose")));
int f(int x)
{
	return chosen(x) + 1;
}
#else
int f(int x)
{
	return use(x) + 1;
}
#endif
