/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of the zoo share. Each is an ordinary program that knows nothing of wfpatch. It
 * calls functions that fixes replace, and counts in a shared file which code answered.
 *
 * Most have two functions, outer() and inner(), which are patched together: the old outer() must
 * only ever call the old inner(), and the new one the new. Each puts its mark on the answer.
 */
#ifndef ZOO_H
#define ZOO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZOO_OLD_OUTER	0x10
#define ZOO_OLD_INNER	0x01
#define ZOO_NEW_OUTER	0x20
#define ZOO_NEW_INNER	0x02
#define ZOO_OLD		(ZOO_OLD_OUTER | ZOO_OLD_INNER)
#define ZOO_NEW		(ZOO_NEW_OUTER | ZOO_NEW_INNER)

/* As functions of other source files are to the compiler: not inlined, cloned or looked into. */
#ifdef __clang__
#define ZOO_FUNCTION __attribute__((noinline))
#else
#define ZOO_FUNCTION __attribute__((noipa))
#endif

/**
 * struct zoo - the file that a program and its runner share
 * @pid: of the program
 * @ready: 1 once the program does what it is for
 * @stop: set by the runner: end with status 0
 * @expect: set by the runner: what a call that begins now must be answered, 0 if either will do
 * @old_answers, @new_answers, @mixed: calls answered by old code, by new code, by some of each
 * @stale: calls whose answer was not the one that was expected when they began
 * @interrupted: system calls that ended with EINTR without a signal of the program's own
 * @errors: whatever else went wrong; @text says what it was at last
 * @inside: threads in a patched function that stay there for long
 * @wake: set by the runner: how often the threads that are blocked have to be woken
 * @woken: how often such a thread has been woken and has called the function
 * @threads: how many such threads there are
 * @go: set by the runner: do the one thing now that this program is for
 * @rounds: how often the program has done what it is for
 * @refuse: set by the runner: what the pre-apply and pre-revert hooks return
 * @nap: set by the runner: microseconds that each hook takes
 * @hooked: the hooks that have run, in their order, a decimal digit each: 1 pre-apply, 2 post-apply,
 *	3 pre-revert, 4 post-revert
 * @text: of an error
 */
struct zoo {
	uint64_t pid;
	uint64_t ready;
	uint64_t stop;
	uint64_t expect;
	uint64_t old_answers;
	uint64_t new_answers;
	uint64_t mixed;
	uint64_t stale;
	uint64_t interrupted;
	uint64_t errors;
	uint64_t inside;
	uint64_t wake;
	uint64_t woken;
	uint64_t threads;
	uint64_t go;
	uint64_t rounds;
	uint64_t refuse;
	uint64_t nap;
	uint64_t hooked;
	char text[128];
};

extern struct zoo *zoo;

/* PROGRAM STATE-FILE [NAME=NUMBER]... */
void zoo_start(int argc, char **argv);
long zoo_option(const char *name, long value);

/* Around a call of a patched function; zoo_count() is both. */
unsigned int zoo_begin(void);
void zoo_end(unsigned int want, int answer);
#define zoo_count(call)						\
	do {							\
		unsigned int want_ = zoo_begin();		\
								\
		zoo_end(want_, (call));				\
	} while (0)

void zoo_add(uint64_t *field, uint64_t number);
uint64_t zoo_get(const uint64_t *field);
bool zoo_stopping(void);
void zoo_ready(void);

/* An error that does not end the program. */
void zoo_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Judges what a system call returned: counts EINTR, takes any other error for one. */
long zoo_check(const char *what, long result);
/* The same for functions that return an error number. */
void zoo_must(const char *what, int error);

/* Compute for so many microseconds, without a system call; 0 does not read the clock. */
void zoo_spin(unsigned int microseconds);
/* Sleep in the kernel. The second does not mind signals, and sleeps as long as it was asked to. */
void zoo_sleep(unsigned int microseconds);
void zoo_sleep_on(unsigned int microseconds);

/* A thread with a small stack; zoo_join() waits for all. */
pthread_t zoo_thread(void *(*function)(void *), void *argument);
void zoo_join(void);
/* Until the runner says stop. */
void zoo_wait(void);

/*
 * A program with threads that are blocked: each calls the function once, then zoo_blocked() with a
 * call that blocks until @release is called, and so on. The main thread does the rest.
 */
struct zoo_blocked {
	long (*block)(unsigned int thread);
	void (*release)(unsigned int thread);
	unsigned int threads;
};
int zoo_blocked(const struct zoo_blocked *blocked);

#ifdef __cplusplus
}
#endif

#endif
