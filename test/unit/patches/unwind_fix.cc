// SPDX-License-Identifier: GPL-2.0
/* New versions of what unwind.cc has. */
#include <stdexcept>
#include <unistd.h>
#include "unwind.h"

/* An exception from the program through this frame to the program. */
extern "C" int between(int n)
{
	counted guard(3);

	return thrower(n) + 2;
}

/* From the program to this frame, and from this frame to itself. */
extern "C" int catches(int n)
{
	try {
		if (n == 4)
			throw std::out_of_range("own");
		thrower(n);
	} catch (const own_error &error) {
		return 100 + error.n;
	} catch (const std::out_of_range &) {
		return 104;
	} catch (const std::exception &) {
		return 102;
	} catch (...) {
		return 101;
	}
	return n;
}

extern "C" int waits(int n)
{
	counted guard(3);

	pause();
	return n;
}

extern "C" int traced(int n)
{
	return depth(n) + 1000;
}
