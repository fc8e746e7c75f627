// SPDX-License-Identifier: GPL-2.0
/*
 * A constructor changes.
 * verdict: cannot be patched
 * refused: constructor
 */
int ready, use(int);
static void __attribute__((constructor)) begin(void)
{
#ifdef NEW
	ready = use(2);
#else
	ready = use(1);
#endif
}

int f(void)
{
	return ready;
}
