// SPDX-License-Identifier: GPL-2.0
/*
 * Texts behind it move.
 * verdict: can be patched
 * replaced: f
 */
int puts(const char *);
int f(void)
{
#ifdef NEW
	return puts("a text that is much longer than it was");
#else
	return puts("short");
#endif
}

int g(void)
{
	return puts("others") + puts("behind it");
}
