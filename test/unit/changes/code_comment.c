// SPDX-License-Identifier: GPL-2.0
/*
 * Only a comment.
 * verdict: nothing to patch
 */
#ifdef NEW
/* Said
 * better. */
#else
/* Said. */
#endif
#line 20
int f(int x)
{
	return x;
}
