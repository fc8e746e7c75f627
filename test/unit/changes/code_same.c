// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing changes.
 * verdict: nothing to patch
 */
int f(int x)
{
	return 3 * x;
}
