// SPDX-License-Identifier: GPL-2.0
/*
 * A reference to before a text, without -fPIE: the text is another one.
 * verdict: can be patched
 * replaced: f
 * flags: -fno-pie
 */
int use(int);
int puts(const char *);
int f(int x)
{
	puts("head");
#ifdef NEW
	return use("wxyz"[x - 1]);
#else
	return use("abcd"[x - 1]);
#endif
}
