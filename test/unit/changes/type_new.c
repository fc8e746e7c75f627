// SPDX-License-Identifier: GPL-2.0
/*
 * A new type is no change of an old one.
 * verdict: can be patched
 * replaced: f
 */
#ifdef NEW
struct pair {
	int a, b;
};
#endif
int use(void *);

int f(int x)
{
#ifdef NEW
	struct pair pair = { x, 2 };

	return use(&pair);
#else
	return use(&x);
#endif
}
