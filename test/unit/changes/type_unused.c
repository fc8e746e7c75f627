// SPDX-License-Identifier: GPL-2.0
/*
 * A type changes that nothing of the file uses.
 * verdict: can be patched
 * replaced: f
 */
struct unused {
	int a;
#ifdef NEW
	int b;
#endif
};

int f(int x)
{
#ifdef NEW
	return 31 * x + 5;
#else
	return 7 * x + 1;
#endif
}
