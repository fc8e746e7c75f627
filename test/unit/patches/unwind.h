/* SPDX-License-Identifier: GPL-2.0 */
/* What unwind.cc and its patch share. */
#ifndef UNWIND_H
#define UNWIND_H

extern int cleaned;

/* Counts what was cleaned up. */
struct counted {
	int by;
	explicit counted(int n) : by(n) {}
	~counted() { cleaned += by; }
};

struct own_error {
	int n;
	explicit own_error(int value) : n(value) {}
	virtual ~own_error() {}
};

extern "C" int thrower(int n);
extern "C" int depth(int n);

#endif
