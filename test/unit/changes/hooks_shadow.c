// SPDX-License-Identifier: GPL-2.0
/*
 * A shadow variable: the functions and the table of wfpatch/patch.h come along.
 * verdict: can be patched
 * replaced: f
 * new: wfpatch_shadow_own wfpatch_shadow_table
 * only: gcc-O1 clang-O1 clang-O2 clang-O3 clang-Os
 * flags: -I../../../userlib/include
 */
#ifdef NEW
#include <wfpatch/patch.h>
#endif

int use(int);
int f(void *object)
{
#ifdef NEW
	int *count = wfpatch_shadow_get_or_alloc(object, 1, sizeof(*count), NULL, NULL);

	return count ? use(++*count) : -1;
#else
	return use(object != 0);
#endif
}
