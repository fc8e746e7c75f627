// SPDX-License-Identifier: GPL-2.0
/*
 * A loop that never ends; its calls are named.
 * verdict: cannot be patched
 * refused: quiescence
 * why: read_event
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
