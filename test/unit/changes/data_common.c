// SPDX-License-Identifier: GPL-2.0
/*
 * A common variable has another size.
 * verdict: cannot be patched
 * refused: size
 * flags: -fcommon
 */
#ifdef NEW
int buffer[8];
#else
int buffer[4];
#endif
int f(int x)
{
	return buffer[x & (sizeof(buffer) / 4 - 1)];
}
