// SPDX-License-Identifier: GPL-2.0
/* New versions of what target.c has. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int counter;
extern __thread int per_thread;
extern const char *const words[];
extern int (*pointer)(int n);
extern int helper(int n);
/* Two files have a variable and a function of these names. */
extern int hidden __asm__("wfpatch.local.target_c.hidden");
extern int other_hidden __asm__("wfpatch.local.target_other_c.hidden");
extern int nowhere(int n) __attribute__((weak));

static int calls;
static int table[4] = { 10, 20, 30, 40 };
static int *const entries[] = { &table[3], &table[2] };
static const char text[] = "a text of the patch";

int plain(int n)
{
	static int more = 100;

	calls++;
	more++;
	return n + more + calls * 1000 + *entries[n & 1] + (int)strlen(text) + (nowhere ? 1 : 0);
}

int data(int n)
{
	counter++;
	per_thread++;
	hidden++;
	return helper(n) + counter + per_thread + (int)strlen(words[2]);
}

static int new_same(int n)
{
	return n * 1000 + hidden;
}

int other_same_new(int n)
{
	return n * 10000 + other_hidden;
}

int same_new(int n)
{
	return new_same(n);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Of these the program itself has only snprintf; strrchr and memmove are indirect functions. */
int imports(int n)
{
	int numbers[4] = { n, 3, 2, 1 };
	char line[32];

	qsort(numbers, 4, sizeof(*numbers), compare);
	snprintf(line, sizeof(line), "%d/%d", numbers[0], numbers[3]);
	memmove(line + 1, line, strlen(line) + 1);
	return (int)(strrchr(line, '/') - line) + numbers[3] + !!isalpha('x') + atoi("400");
}

/* Its address is still that which the program has. */
int address(int n)
{
	return pointer == address ? n + 100 : n - 100;
}

int choose(int n)
{
	switch (n) {
	case 0: return 77;
	case 1: return 93;
	case 2: return -5;
	case 3: return counter;
	case 4: return calls;
	case 5: return 18;
	case 6: return hidden;
	case 7: return 4711;
	case 8: return helper(8);
	case 9: return 123;
	case 10: return 99;
	}
	return n;
}

int recursive(int n)
{
	return n > 1 ? recursive(n - 1) + recursive(n - 2) + 1 : n + counter - counter;
}

int looped(int n)
{
	return n + 50;
}

int tiny(int n)
{
	return n;
}

int padded(int n)
{
	return n + 60;
}

int landing(int n)
{
	return n + 70;
}

int split(int n)
{
	return n + 80;
}
