// SPDX-License-Identifier: GPL-2.0
/*
 * One more value of an enumeration without a name of its own.
 * verdict: can be patched
 * replaced: f
 */
#ifdef NEW
typedef enum { IDLE, BUSY, GONE } state;
#else
typedef enum { IDLE, BUSY } state;
#endif
struct connection {
	state state;
};

static state last;
int f(struct connection *c)
{
#ifdef NEW
	if (c->state == GONE)
		return 5;
#endif
	last = c->state;
	return c->state == BUSY;
}

state *g(void)
{
	return &last;
}
