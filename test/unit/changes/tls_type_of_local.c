// SPDX-License-Identifier: GPL-2.0
/*
 * The type of a function's own thread-local variable has changed.
 * verdict: cannot be patched
 * refused: layout
 * why: its type in tls_type_of_local.c has changed
 */
#ifdef NEW
typedef float number;
#else
typedef int number;
#endif
int f(int x)
{
	static __thread number sum;

	sum += x;
	return sum > 9;
}
