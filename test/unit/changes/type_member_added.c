// SPDX-License-Identifier: GPL-2.0
/*
 * A member is new.
 * verdict: cannot be patched
 * refused: layout
 */
struct conn {
	int fd;
#ifdef NEW
	int extra;
#endif
	char *buffer;
};

int f(struct conn *conn)
{
#ifdef NEW
	return conn->fd + conn->extra;
#else
	return conn->fd;
#endif
}
