// SPDX-License-Identifier: GPL-2.0
/*
 * Not the end of the text any more, but a place in it.
 * verdict: can be patched
 * replaced: f
 */
#ifdef NEW
#define LENGTH 5
#else
#define LENGTH 6
#endif
const char *volatile end;

void f(void)
{
	end = &"abcde"[LENGTH];
}
