// SPDX-License-Identifier: GPL-2.0
/*
 * What words mean and where files are is no other option.
 * verdict: can be patched
 * replaced: f
 * flags: -grecord-gcc-switches
 * old-flags: -DFACTOR=5 -I. -Wshadow
 * new-flags: -DFACTOR=3 -UOTHER -isystem/usr/include -Wno-unused
 * only: clang
 */
int f(int x)
{
	return x * FACTOR;
}
