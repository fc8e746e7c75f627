// SPDX-License-Identifier: GPL-2.0
/* A program whose stack is unwound through functions that are patched: by exceptions, pthread_cancel
 * and backtrace. It understands the lines that target.c does. */
#include <cstdio>
#include <cstring>
#include <execinfo.h>
#include <pthread.h>
#include <stdexcept>
#include <unistd.h>
#include "unwind.h"

#define FUNCTION extern "C" __attribute__((noipa))

int cleaned;

FUNCTION int thrower(int n)
{
	if (n == 1)
		throw 42;
	if (n == 2)
		throw std::runtime_error("two");
	if (n == 3)
		throw own_error(n);
	return n;
}

/* These three are replaced. */
FUNCTION int between(int n)
{
	counted guard(1);

	return thrower(n) + 1;
}

FUNCTION int catches(int n)
{
	return n;
}

FUNCTION int waits(int n)
{
	counted guard(1);

	pause();
	return n;
}

FUNCTION int throws(int n)
{
	cleaned = 0;
	try {
		return between(n);
	} catch (int value) {
		return value + cleaned * 1000;
	} catch (const own_error &error) {
		return error.n + 50 + cleaned * 1000;
	} catch (const std::exception &error) {
		return (int)strlen(error.what()) + cleaned * 1000;
	}
}

static void *thread(void *)
{
	counted guard(5);

	waits(1);
	return NULL;
}

FUNCTION int cancels(int n)
{
	pthread_t id;
	void *result;

	cleaned = 0;
	pthread_create(&id, NULL, thread, NULL);
	usleep(20000);
	pthread_cancel(id);
	pthread_join(id, &result);
	return cleaned + (result == PTHREAD_CANCELED ? 10000 : 0) + n;
}

FUNCTION int depth(int n)
{
	void *frames[64];

	return backtrace(frames, 64) + n;
}

/* Replaced, too. */
FUNCTION int traced(int n)
{
	return depth(n) + 1;
}

static const struct {
	const char *name;
	int (*call)(int n);
} table[] = {
	{ "throws", throws }, { "catches", catches }, { "cancels", cancels }, { "traced", traced },
};

int main()
{
	char name[32];
	int n;

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (scanf("%31s %d", name, &n) == 2) {
		for (auto &entry : table) {
			if (!strcmp(name, entry.name))
				printf("%d\n", entry.call(n));
		}
	}
	return 0;
}
