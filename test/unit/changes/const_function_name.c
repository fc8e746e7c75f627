// SPDX-License-Identifier: GPL-2.0
/*
 * A function uses its own name.
 * verdict: can be patched
 * replaced: f
 */
int puts(const char *);
int f(void)
{
#ifdef NEW
	puts("more");
#endif
	return puts(__func__);
}
