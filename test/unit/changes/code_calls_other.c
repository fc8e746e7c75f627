// SPDX-License-Identifier: GPL-2.0
/*
 * Calls another function: the bytes are the same.
 * verdict: can be patched
 * replaced: f
 * why: refers to 'second' in place of 'first'
 */
int first(int), second(int);
int f(int x)
{
#ifdef NEW
	return second(x) + 1;
#else
	return first(x) + 1;
#endif
}
