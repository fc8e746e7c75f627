// SPDX-License-Identifier: GPL-2.0
/*
 * A new closure takes the number of one that may be known to the program.
 * verdict: cannot be patched
 * refused: ambiguous
 */
int use(int);
void keep(int (*)(int));
void f()
{
#ifdef NEW
	keep([](int x) { return use(x * 100 + 3); });
#endif
	keep([](int x) { return use(x + 7); });
}
