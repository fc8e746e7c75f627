// SPDX-License-Identifier: GPL-2.0
/*
 * A table leads to one that changes.
 * verdict: can be patched
 * replaced: f
 * new: inner outer
 */
int use(const int *const *);
static const int inner[] = { 1,
#ifdef NEW
	2
#else
	3
#endif
};
static const int *const outer[] = { inner, inner };

int f(void)
{
	return use(outer);
}
