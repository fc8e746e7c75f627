// SPDX-License-Identifier: GPL-2.0
/*
 * Loops that end where the next variable begins.
 * verdict: cannot be patched
 * refused: file
 * flags: -fno-data-sections
 */
int use(int);
static int a[4];
#ifdef NEW
static int mid[4];
#endif
static int b[4];
void fill(int i, int x)
{
	a[i] = x;
	b[i] = x + 1;
	use(x);
}

int sum(void)
{
	int *p, n = 0;

	for (p = a; p < a + 4; p++)
		n += use(*p);
	for (p = b; p < b + 4; p++)
		n += use(*p);
#ifdef NEW
	for (p = mid; p < mid + 4; p++)
		n += use((*p)++);
#endif
	return n;
}
