// SPDX-License-Identifier: GPL-2.0
/*
 * Only the cold piece of a function changes: both are one.
 * verdict: can be patched
 * replaced: f
 * only: gcc-O2 gcc-O3
 */
int use(int);
void fail(int) __attribute__((cold, noreturn));
int f(int x)
{
	if (x < 0) {
		use(x);
#ifdef NEW
		use(17);
#endif
		fail(x);
	}
	return use(2 * x);
}
