// SPDX-License-Identifier: GPL-2.0
/*
 * A jump table grows; that of another function is the same.
 * verdict: can be patched
 * replaced: f
 */
int use(int);
int f(int x)
{
	switch (x) {
	case 0:
		return use(7);
	case 1:
		return use(8);
	case 2:
		return use(11);
	case 3:
		return use(16);
	case 4:
		return use(23);
	case 5:
		return use(32);
	case 6:
		return use(43);
#ifdef NEW
	case 7:
		return use(99) + 1;
#endif
	}
	return 0;
}

int g(int x)
{
	switch (x) {
	case 0:
		return use(9);
	case 1:
		return use(10);
	case 2:
		return use(13);
	case 3:
		return use(18);
	case 4:
		return use(25);
	case 5:
		return use(34);
	case 6:
		return use(45);
	}
	return 1;
}
