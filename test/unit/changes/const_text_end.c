// SPDX-License-Identifier: GPL-2.0
/*
 * A pointer to the end of a text, one behind its last byte, where another text may begin.
 * verdict: can be patched
 * replaced: f
 */
const char *volatile end;

int f(const char *p)
{
#ifdef NEW
	end = "new first text";
#endif
	end = &"abcde"[6];
	return *p == 'x';
}
const char *g(void)
{
	return "abcdef";
}
