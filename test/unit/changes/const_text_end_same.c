// SPDX-License-Identifier: GPL-2.0
/*
 * The end of the same text, where another text follows now.
 * verdict: nothing to patch
 */
const char *volatile end;

const char *g(void)
{
	end = &"abcde"[6];
#ifdef NEW
	return end;
}
const char *h(void)
{
	return "another text";
#else
	return end;
#endif
}
