// SPDX-License-Identifier: GPL-2.0
/*
 * Another type of exceptions is caught.
 * verdict: can be patched
 * replaced: _Z1fv
 */
void use();
struct One {};
struct Two {};
int other()
{
	try {
		use();
	} catch (One &) {
		return 3;
	} catch (Two &) {
		return 4;
	}
	return 0;
}

int f()
{
	try {
		use();
	} catch (
#ifdef NEW
		Two &
#else
		One &
#endif
		) {
		return 1;
	}
	return 2;
}
