// SPDX-License-Identifier: GPL-2.0
/*
 * The apply may wait.
 * verdict: can be patched
 * replaced: loop
 * options: --allow quiescence
 */
int read_event(void), handle(int);
void loop(void)
{
	for (;;) {
		int event = read_event();

#ifdef NEW
		if (event > 5)
			continue;
#endif
		handle(event);
	}
}
