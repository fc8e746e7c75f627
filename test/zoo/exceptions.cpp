// SPDX-License-Identifier: GPL-2.0
/*
 * C++ exceptions that are thrown through the patched functions, run their clean-ups, are caught in
 * them, thrown again, and caught outside.
 */
#include "exceptions.h"

ZOO_FUNCTION int fail(int kind)
{
	zoo_sleep(2000);
	throw trouble(kind);
}

/* Clean-up only. */
ZOO_FUNCTION int inner(int kind, int *marks)
{
	guard held(marks, ZOO_OLD_INNER);

	return fail(kind);
}

/* Catches kind 1; lets kind 2 pass, changed; a clean-up for both. */
ZOO_FUNCTION int outer(int kind, int *marks)
{
	guard held(marks, ZOO_OLD_OUTER);

	try {
		return inner(kind, marks);
	} catch (trouble &error) {
		if (error.kind == 1)
			return 0;
		error.kind = 3;
		throw;
	}
}

static int call(int kind)
{
	int marks = 0, caught = 0;

	try {
		outer(kind, &marks);
	} catch (const std::runtime_error &error) {
		caught = dynamic_cast<const trouble &>(error).kind;
	}
	if (caught != (kind == 2 ? 3 : 0))
		zoo_error("kind %d was caught as %d", kind, caught);
	zoo_add(&zoo->rounds, 1);
	return marks;
}

static void *thread(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(call(1));
		zoo_count(call(2));
	}
	return argument;
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	zoo_thread(thread, nullptr);
	zoo_thread(thread, nullptr);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
