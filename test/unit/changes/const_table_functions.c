// SPDX-License-Identifier: GPL-2.0
/*
 * A table of functions gets a new one.
 * verdict: can be patched
 * replaced: f
 * new: table second
 */
typedef int handler(int);
int use(handler *const *);
__attribute__((noinline)) static int first(int x)
{
	return x + 1;
}
#ifdef NEW

__attribute__((noinline)) static int second(int x)
{
	return x + 2;
}
#endif

static handler *const table[] = { first,
#ifdef NEW
	second,
#else
	first,
#endif
};

int f(void)
{
	return use(table);
}
