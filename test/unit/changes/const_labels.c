// SPDX-License-Identifier: GPL-2.0
/*
 * A table of labels leads into the function, which has the same size.
 * verdict: can be patched
 * replaced: f
 * new: tab
 */
int use(int);
int f(int x)
{
	static const void *const tab[] = { &&a, &&b, &&c };

	goto *tab[x];
a:
	return use(x + 100);
b:
	return use(x * 3);
c:
#ifdef NEW
	return use(x - 50);
#else
	return use(x - 40);
#endif
}
