// SPDX-License-Identifier: GPL-2.0
/*
 * A variable points to another text.
 * verdict: cannot be patched
 * refused: data
 */
const char *text =
#ifdef NEW
	"new words";
#else
	"old words";
#endif

const char *f(void)
{
	return text;
}
