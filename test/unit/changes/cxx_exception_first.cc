// SPDX-License-Identifier: GPL-2.0
/*
 * The first function of its file that catches something.
 * verdict: can be patched
 * replaced: _Z1fi
 * new: _ZTIi __gxx_personality_v0
 * only: gcc
 */
int use(int);
int f(int x)
{
#ifdef NEW
	try {
		return use(x);
	} catch (int e) {
		return e;
	}
#else
	return use(x);
#endif
}
