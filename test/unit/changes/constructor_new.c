// SPDX-License-Identifier: GPL-2.0
/*
 * A new constructor.
 * verdict: cannot be patched
 * refused: constructor
 */
int ready, use(int);
#ifdef NEW
static void __attribute__((constructor)) begin(void)
{
	ready = use(1);
}
#endif

int f(void)
{
	return ready;
}
