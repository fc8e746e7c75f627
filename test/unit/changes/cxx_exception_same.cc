// SPDX-License-Identifier: GPL-2.0
/*
 * A function that catches exceptions stays as it is.
 * verdict: can be patched
 * replaced: _Z1gi
 */
void use();
int f()
{
	try {
		use();
	} catch (int) {
		return 1;
	}
	return 2;
}

int g(int x)
{
#ifdef NEW
	use();
#endif
	use();
	return x;
}
