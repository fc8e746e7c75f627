// SPDX-License-Identifier: GPL-2.0
/*
 * clang makes variables of the members where it sees all uses; the old program has the whole.
 * verdict: cannot be patched
 * refused: ambiguous
 * only: clang
 */
int use(int);
void see(void *);
static struct {
	int first, second;
} s;
void set(int x)
{
	s.first = x;
	s.second += x;
#ifndef NEW
	see(&s);
#endif
}

int f(int x)
{
	return use(s.first + x) + s.second;
}
