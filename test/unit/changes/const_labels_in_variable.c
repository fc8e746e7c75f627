// SPDX-License-Identifier: GPL-2.0
/*
 * A variable holds labels of a function that changes.
 * verdict: cannot be patched
 * refused: assembly
 */
int use(int);
void *tab[3];
int f(int x)
{
	static void *start[] = { &&a, &&b, &&c };

	if (x > 9) {
		start[1] = tab[x];
		return 0;
	}
	goto *start[x];
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
