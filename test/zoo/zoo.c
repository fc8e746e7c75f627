// SPDX-License-Identifier: GPL-2.0
/* What the programs of the zoo share, see zoo.h. No call here but those that say so enters the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "zoo.h"

#define STACK_SIZE (128 << 10)

struct zoo *zoo;
static char **options;
static pthread_t *threads;
static unsigned int nr_threads;

void zoo_add(uint64_t *field, uint64_t number)
{
	__atomic_fetch_add(field, number, __ATOMIC_SEQ_CST);
}

uint64_t zoo_get(const uint64_t *field)
{
	return __atomic_load_n(field, __ATOMIC_SEQ_CST);
}

bool zoo_stopping(void)
{
	return zoo_get(&zoo->stop);
}

void zoo_ready(void)
{
	__atomic_store_n(&zoo->ready, 1, __ATOMIC_SEQ_CST);
}

void zoo_start(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd < 0 || ftruncate(fd, sizeof(*zoo))) {
		fprintf(stderr, "usage: %s STATE-FILE [NAME=NUMBER]...\n", argv[0]);
		exit(2);
	}
	zoo = mmap(NULL, sizeof(*zoo), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (zoo == MAP_FAILED) {
		perror(argv[1]);
		exit(2);
	}
	close(fd);
	options = argv + 2;
	__atomic_store_n(&zoo->pid, getpid(), __ATOMIC_SEQ_CST);
}

long zoo_option(const char *name, long value)
{
	size_t length = strlen(name);
	char **option;

	for (option = options; *option; option++) {
		if (!strncmp(*option, name, length) && (*option)[length] == '=')
			value = atol(*option + length + 1);
	}
	return value;
}

unsigned int zoo_begin(void)
{
	return zoo_get(&zoo->expect);
}

void zoo_end(unsigned int want, int answer)
{
	if (answer == ZOO_OLD)
		zoo_add(&zoo->old_answers, 1);
	else if (answer == ZOO_NEW)
		zoo_add(&zoo->new_answers, 1);
	else
		zoo_add(&zoo->mixed, 1);
	/* When the runner has changed its mind meanwhile, either answer is right. */
	if (want && (unsigned int)answer != want && zoo_get(&zoo->expect) == want)
		zoo_add(&zoo->stale, 1);
}

void zoo_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(zoo->text, sizeof(zoo->text), format, arguments);
	va_end(arguments);
	zoo_add(&zoo->errors, 1);
}

long zoo_check(const char *what, long result)
{
	if (result >= 0)
		return result;
	if (errno == EINTR)
		zoo_add(&zoo->interrupted, 1);
	else
		zoo_error("%s: %s", what, strerror(errno));
	return result;
}

void zoo_must(const char *what, int error)
{
	if (error)
		zoo_error("%s: %s", what, strerror(error));
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000ULL + time.tv_nsec / 1000;
}

void zoo_spin(unsigned int microseconds)
{
	uint64_t end = microseconds ? now() + microseconds : 0;

	while (end && now() < end)
		__builtin_ia32_pause();
}

void zoo_sleep(unsigned int microseconds)
{
	struct timespec time = { microseconds / 1000000, microseconds % 1000000 * 1000L };

	zoo_check("nanosleep", nanosleep(&time, NULL));
}

void zoo_sleep_on(unsigned int microseconds)
{
	struct timespec time = { microseconds / 1000000, microseconds % 1000000 * 1000L };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

pthread_t zoo_thread(void *(*function)(void *), void *argument)
{
	pthread_attr_t attributes;
	pthread_t *more = realloc(threads, (nr_threads + 1) * sizeof(*threads));
	int err;

	if (!more)
		abort();
	threads = more;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	err = pthread_create(&threads[nr_threads], &attributes, function, argument);
	pthread_attr_destroy(&attributes);
	if (err) {
		fprintf(stderr, "pthread_create: %s\n", strerror(err));
		exit(2);
	}
	return threads[nr_threads++];
}

void zoo_join(void)
{
	unsigned int i;

	for (i = 0; i < nr_threads; i++)
		zoo_must("pthread_join", pthread_join(threads[i], NULL));
	nr_threads = 0;
}

void zoo_wait(void)
{
	while (!zoo_stopping())
		zoo_sleep(5000);
}
