// SPDX-License-Identifier: GPL-2.0
/*
 * Another text.
 * verdict: can be patched
 * replaced: f
 * why: another text is used
 */
int puts(const char *);
int f(void)
{
#ifdef NEW
	return puts("new words");
#else
	return puts("old words");
#endif
}

int g(void)
{
	return puts("others");
}
