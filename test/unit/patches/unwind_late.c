// SPDX-License-Identifier: GPL-2.0
/* A program in C, into which libgcc comes when something is unwound first: after it was patched. */
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FUNCTION __attribute__((noipa))

int cleaned;

void clean(void *by)
{
	cleaned += *(int *)by;
}

FUNCTION int waits(int n)
{
	int by = 1;

	pthread_cleanup_push(clean, &by);
	pause();
	pthread_cleanup_pop(0);
	return n;
}

static void *thread(void *unused)
{
	int by = 5;

	pthread_cleanup_push(clean, &by);
	waits(!!unused);
	pthread_cleanup_pop(0);
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

FUNCTION int traced(int n)
{
	return depth(n) + 1;
}

static FUNCTION int loaded(int n)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), maps))
		n += !!strstr(line, "libgcc_s");
	fclose(maps);
	return n;
}

int main(void)
{
	char name[32];
	int n;

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (scanf("%31s %d", name, &n) == 2) {
		printf("%d\n", !strcmp(name, "cancels") ? cancels(n) :
			       !strcmp(name, "traced")	? traced(n) : loaded(n));
	}
	return 0;
}
