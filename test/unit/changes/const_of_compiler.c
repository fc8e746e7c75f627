// SPDX-License-Identifier: GPL-2.0
/*
 * Tables that the compiler has made of switches stay what they are.
 * verdict: can be patched
 * replaced: f
 */
int use(int);
const char *name(int x)
{
	switch (x) {
	case 0: return "zero";
	case 1: return "one";
	case 2: return "two";
	case 3: return "three";
	case 4: return "four";
	}
	return "many";
}

int number(int x)
{
	switch (x) {
	case 0: return 17;
	case 1: return 4;
	case 2: return 99;
	case 3: return 1;
	case 4: return 12;
	}
	return 0;
}

int f(int x)
{
#ifdef NEW
	return use(x) + 1;
#else
	return use(x);
#endif
}
