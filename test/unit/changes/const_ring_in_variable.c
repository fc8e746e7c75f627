// SPDX-License-Identifier: GPL-2.0
/*
 * A variable leads to a ring of constants, one of which changes.
 * verdict: cannot be patched
 * refused: data
 */
struct node {
	const struct node *next;
	int value;
};
int use(const struct node *);
static const struct node one, two;
const struct node *begin = &one;
static const struct node one = { &two, 1 };
static const struct node two = { &one,
#ifdef NEW
	3
#else
	2
#endif
};

int f(void)
{
	return use(begin);
}
