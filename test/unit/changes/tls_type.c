// SPDX-License-Identifier: GPL-2.0
/*
 * A thread-local variable means something else now, in as many bytes.
 * verdict: cannot be patched
 * refused: layout
 * why: its type in tls_type.c has changed
 */
#ifdef NEW
__thread unsigned int level;
#else
__thread int level;
#endif
int f(int x)
{
	return level < x;
}
