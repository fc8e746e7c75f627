// SPDX-License-Identifier: GPL-2.0
/*
 * A function whose address is handed around.
 * verdict: can be patched
 * replaced: f g
 */
int use(int (*)(int));
static int g(int x)
{
#ifdef NEW
	return 31 * x + 5;
#else
	return 7 * x + 1;
#endif
}

int f(void)
{
#ifdef NEW
	return use(g) + 1;
#else
	return use(g);
#endif
}
