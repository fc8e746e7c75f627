// SPDX-License-Identifier: GPL-2.0
/*
 * A destructor is gone: the old program will run it.
 * verdict: cannot be patched
 * refused: constructor
 */
int ready;
#ifndef NEW
static void __attribute__((destructor)) end(void)
{
	ready = 0;
}
#endif

int f(void)
{
	return ready;
}
