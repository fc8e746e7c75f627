/* SPDX-License-Identifier: GPL-2.0 */
/* Between libzoo_tls.so and the program that loads it. */
#ifndef ZOO_TLS_LIBRARY_H
#define ZOO_TLS_LIBRARY_H

#include <stdint.h>

/* What the program gives to the library, and gets from it. */
struct tls_library {
	int (*answer)(int me);
	uint64_t (*count)(void);
	void (*begin)(int me);
};

#endif
