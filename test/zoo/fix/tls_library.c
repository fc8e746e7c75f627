// SPDX-License-Identifier: GPL-2.0
/* New code for tls_library.c. */
#include "zoo.h"

extern __attribute__((tls_model("global-dynamic"))) _Thread_local int library_owner;
extern __attribute__((tls_model("global-dynamic"))) _Thread_local uint64_t library_calls;

int library_inner(int me)
{
	return library_owner == me ? ZOO_NEW_INNER : 0;
}

int library_outer(int me)
{
	int answer = library_inner(me);

	library_calls += 1;
	return ZOO_NEW_OUTER | answer;
}
