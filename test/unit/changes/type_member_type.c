// SPDX-License-Identifier: GPL-2.0
/*
 * A member has another type.
 * verdict: cannot be patched
 * refused: layout
 */
struct conn {
#ifdef NEW
	unsigned int fd;
#else
	int fd;
#endif
};

int f(struct conn *conn)
{
	return conn->fd < 5;
}
