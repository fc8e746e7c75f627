// SPDX-License-Identifier: GPL-2.0
/*
 * Thread-local variables that stay as they are, two of one name, in a function that changes.
 * verdict: can be patched
 * replaced: f
 */
#ifdef NEW
#define STEP 3
#else
#define STEP 1
#endif
__thread struct { int used; const char *name; } state;
int f(int x)
{
	static __thread long calls;

	state.used += x * STEP;
	return ++calls > state.used;
}
const char *g(void)
{
	static __thread char calls;

	return ++calls > 9 ? state.name : "";
}
