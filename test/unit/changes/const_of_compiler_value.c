// SPDX-License-Identifier: GPL-2.0
/*
 * One of two such tables has another value.
 * verdict: can be patched
 * replaced: number
 * only: gcc-O2 gcc-O3
 * new: CSWTCH
 */
int number(int x)
{
	switch (x) {
	case 0: return 17;
	case 1: return 4;
	case 2:
#ifdef NEW
		return 98;
#else
		return 99;
#endif
	case 3: return 1;
	case 4: return 12;
	case 5: return 3;
	case 6: return 31;
	}
	return 0;
}

int other(int x)
{
	switch (x) {
	case 0: return 18;
	case 1: return 8;
	case 2: return 9;
	case 3: return 2;
	case 4: return 1;
	case 5: return 3;
	case 6: return 81;
	}
	return 0;
}
