// SPDX-License-Identifier: GPL-2.0
/*
 * A constructor stays as it is.
 * verdict: can be patched
 * replaced: f
 */
int ready, use(int);
static void __attribute__((constructor)) begin(void)
{
	ready = use(1);
}

int f(void)
{
#ifdef NEW
	return ready + 1;
#else
	return ready;
#endif
}
