// SPDX-License-Identifier: GPL-2.0
/*
 * A function of the C library, lfind(3), which calls back into the program, and there is called once
 * more. Old code finds the first of two equal elements, the fix finds the last.
 */
#include <search.h>
#include <stddef.h>
#include "zoo.h"

static const int numbers[] = { 3, 7, 7, 9 };

static int compare(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

static int find(int number, int (*compare)(const void *left, const void *right))
{
	size_t count = sizeof(numbers) / sizeof(numbers[0]);
	const int *found = lfind(&number, numbers, &count, sizeof(numbers[0]), compare);

	return found ? found - numbers : -1;
}

static _Thread_local int seen;

static int compare_twice(const void *left, const void *right)
{
	int found = find(7, compare);

	seen |= found == 1 ? ZOO_OLD_INNER : found == 2 ? ZOO_NEW_INNER : 0x100;
	zoo_sleep(500);
	return compare(left, right);
}

static int call(void)
{
	int found;

	seen = 0;
	found = find(7, compare_twice);
	return seen | (found == 1 ? ZOO_OLD_OUTER : found == 2 ? ZOO_NEW_OUTER : 0x200);
}

static void *thread(void *argument)
{
	while (!zoo_stopping())
		zoo_count(call());
	return argument;
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}
