// SPDX-License-Identifier: GPL-2.0
/*
 * An author's hooks come along, though nobody refers to them, and what they use.
 * verdict: can be patched
 * replaced: f
 * new: wfpatch_pre_apply wfpatch_post_revert prepare table
 * flags: -I../../../userlib/include
 */
#ifdef NEW
#include <wfpatch/patch.h>

static int *table;

__attribute__((noinline)) static int prepare(void)
{
	table = calloc(4, sizeof(*table));
	return !table;
}

static void clear(void)
{
	free(table);
}

WFPATCH_PRE_APPLY(prepare);
WFPATCH_POST_REVERT(clear);
#endif

int use(int);
int f(int x)
{
#ifdef NEW
	return use(x) + table[x & 3];
#else
	return use(x);
#endif
}
