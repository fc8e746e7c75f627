// SPDX-License-Identifier: GPL-2.0
/*
 * A union grows.
 * verdict: cannot be patched
 * refused: layout
 */
union value {
	int number;
#ifdef NEW
	long large[2];
#endif
	char *text;
};

int f(union value *value)
{
#ifdef NEW
	return value->number + 1;
#else
	return value->number;
#endif
}
