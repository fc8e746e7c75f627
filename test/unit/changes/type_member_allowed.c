// SPDX-License-Identifier: GPL-2.0
/*
 * It is said to be all right.
 * verdict: can be patched
 * replaced: f
 * options: --allow layout
 */
struct conn {
	int fd;
#ifdef NEW
	int extra;
#endif
};

int f(struct conn *conn)
{
#ifdef NEW
	return conn->fd + conn->extra;
#else
	return conn->fd;
#endif
}
