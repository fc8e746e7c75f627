/* SPDX-License-Identifier: GPL-2.0 */
/* What exceptions.cpp and its fix both know. */
#ifndef ZOO_EXCEPTIONS_H
#define ZOO_EXCEPTIONS_H

#include <stdexcept>
#include "zoo.h"

/* Thrown by a function that is not patched, through patched ones. */
class trouble : public std::runtime_error {
public:
	explicit trouble(int kind) : std::runtime_error("trouble"), kind(kind) {}
	int kind;
};

/* Its destructor is a clean-up of the function that has one, and leaves that function's mark. */
struct guard {
	guard(int *marks, int mark) : marks(marks), mark(mark) {}
	~guard() { *marks += mark; }
	int *marks, mark;
};

int fail(int kind);
int inner(int kind, int *marks);
int outer(int kind, int *marks);

#endif
