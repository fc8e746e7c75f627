// SPDX-License-Identifier: GPL-2.0
/* New code for exceptions.cpp. */
#include "exceptions.h"

int inner(int kind, int *marks)
{
	guard held(marks, ZOO_NEW_INNER), another(marks, 0);

	return fail(kind);
}

int outer(int kind, int *marks)
{
	guard held(marks, ZOO_NEW_OUTER);

	try {
		return inner(kind, marks);
	} catch (trouble &error) {
		if (error.kind == 1)
			return 0;
		error.kind = 3;
		throw;
	}
}
