// SPDX-License-Identifier: GPL-2.0
/*
 * In C++ hooks are found by the same names. What they use comes along, as in C.
 * verdict: can be patched
 * replaced: _Z1fi
 * new: wfpatch_pre_apply wfpatch_post_revert _ZL7preparev _ZL5table
 * flags: -I../../../userlib/include
 */
#ifdef NEW
#include <wfpatch/patch.h>

static int *table;

__attribute__((noinline)) static int prepare(void)
{
	table = static_cast<int *>(calloc(4, sizeof(*table)));
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
