// SPDX-License-Identifier: GPL-2.0
/*
 * A member's name tells what it is: another name may be another meaning.
 * verdict: cannot be patched
 * refused: layout
 */
struct conn {
#ifdef NEW
	int socket;
#else
	int fd;
#endif
};

int f(struct conn *conn)
{
#ifdef NEW
	return conn->socket + 1;
#else
	return conn->fd;
#endif
}
