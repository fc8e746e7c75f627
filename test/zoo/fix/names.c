// SPDX-License-Identifier: GPL-2.0
/* New code for the static functions of names_other.c. */
#include "zoo.h"

int new_inner(unsigned int n);
int new_outer(unsigned int n);

int new_inner(unsigned int n)
{
	zoo_spin(n % 2);
	return ZOO_NEW_INNER;
}

int new_outer(unsigned int n)
{
	return ZOO_NEW_OUTER | new_inner(n);
}
