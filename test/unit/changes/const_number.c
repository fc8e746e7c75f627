// SPDX-License-Identifier: GPL-2.0
/*
 * Another floating-point constant.
 * verdict: can be patched
 * replaced: f
 */
double f(double x)
{
#ifdef NEW
	return x * 3.5 + 1.25;
#else
	return x * 2.5 + 1.25;
#endif
}

double g(double x)
{
	return x * 1.25;
}
