/* SPDX-License-Identifier: GPL-2.0 */
/* What the examples share: headers, giving up, and code that the compiler does not work out. */
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wfpatch.h>

/* End the program if a call of the library failed. */
static inline void check(const char *what, int result)
{
	if (result < 0)
		errx(EXIT_FAILURE, "%s: %s", what, strerror(-result));
}

/* A handle to this process; the library says what to do if it cannot be had. */
static inline struct wfpatch *open_wfpatch(void)
{
	char message[256];
	struct wfpatch *wf;
	WFPATCH_OPTS(wfpatch_open_opts, opts, .message = message, .message_size = sizeof(message));

	if (wfpatch_open(&wf, &opts))
		errx(EXIT_FAILURE, "%s", message);
	return wf;
}

/* Threads that run as long as the program. */
static inline void start_threads(int nr, void *(*work)(void *))
{
	pthread_t thread;

	while (nr--)
		check("start a thread", -pthread_create(&thread, NULL, work, NULL));
}

/* @value, of which the compiler does not know that. */
static inline int opaque(int value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}
