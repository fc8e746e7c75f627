// SPDX-License-Identifier: GPL-2.0
/* libzoo_tls.so: thread-local variables of a library that is loaded later (general dynamic). */
#include "tls_library.h"
#include "zoo.h"

__attribute__((tls_model("global-dynamic"))) _Thread_local int library_owner;
__attribute__((tls_model("global-dynamic"))) _Thread_local uint64_t library_calls = 1000;

ZOO_FUNCTION int library_inner(int me)
{
	return library_owner == me ? ZOO_OLD_INNER : 0;
}

ZOO_FUNCTION int library_outer(int me)
{
	library_calls++;
	return ZOO_OLD_OUTER | library_inner(me);
}

static uint64_t count(void)
{
	return library_calls - 1000;
}

static void begin(int me)
{
	library_owner = me;
}

struct tls_library tls_library = { library_outer, count, begin };
