// SPDX-License-Identifier: GPL-2.0
/*
 * A member's type has another size.
 * verdict: cannot be patched
 * refused: layout
 */
struct inner {
	int a;
#ifdef NEW
	int b;
#endif
};

struct outer {
	struct inner inner;
	int c;
};

int f(struct outer *outer)
{
	return outer->c;
}
