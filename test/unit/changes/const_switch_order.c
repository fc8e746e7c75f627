// SPDX-License-Identifier: GPL-2.0
/*
 * Cases change their places.
 * verdict: can be patched
 * replaced: f
 * only: gcc-O2
 */
int one(int), two(int), three(int), four(int), five(int);
int f(int x)
{
	switch (x) {
#ifdef NEW
	case 1: return two(x);
	case 0: return one(x);
#else
	case 0: return two(x);
	case 1: return one(x);
#endif
	case 2: return three(x);
	case 3: return four(x);
	case 4: return five(x);
	}
	return 0;
}
