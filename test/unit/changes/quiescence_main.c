// SPDX-License-Identifier: GPL-2.0
/*
 * main() is always on a stack.
 * verdict: cannot be patched
 * refused: quiescence
 */
int use(int);
int main(void)
{
#ifdef NEW
	use(2);
#endif
	return use(1);
}
