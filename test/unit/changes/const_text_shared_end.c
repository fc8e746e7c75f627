// SPDX-License-Identifier: GPL-2.0
/*
 * A text that is another's end.
 * verdict: can be patched
 * replaced: f
 */
int puts(const char *);
int f(void)
{
#ifdef NEW
	return puts("end of it all");
#else
	return puts("all");
#endif
}

int g(void)
{
	return puts("the end of it all");
}
