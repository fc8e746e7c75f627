// SPDX-License-Identifier: GPL-2.0
/*
 * A variable's type differs, its size does not.
 * verdict: cannot be patched
 * refused: layout
 */
#ifdef NEW
static float value;
#else
static int value;
#endif
void set(int x)
{
	value = x;
}

int f(void)
{
	return value * 3;
}
