/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a test is written and run. Each test runs in a process of its own, which is forked for it,
 * has one handle open (device) and may change whatever it likes about itself. It passes when its
 * function returns, and fails at the first check that does not hold, in whatever thread or child
 * that is. Afterwards the module must have forgotten the process.
 */
#ifndef TEST_HARNESS_H
#define TEST_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICE_PATH	"/dev/wfpatch"
#define PAGE		4096UL
#define HUGE		(2UL << 20)

struct test {
	const char *name;
	void (*run)(void);
	int line;
};

/* Defines a test; the programs of this directory run all that they define, in that order. */
#define TEST(name)									\
	static void name(void);								\
	static const struct test name##_test = { #name, name, __LINE__ };			\
	static const struct test *const name##_entry					\
		__attribute__((used, section("view_tests"))) = &name##_test;		\
	static void name(void)

/* The handle of the running test. */
extern int device;

/* Ends the test, from any thread or child of it. */
void fail_at(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void skip_test(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define FAIL(...)	fail_at(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(condition)									\
	do {											\
		if (!(condition))								\
			FAIL("expected %s", #condition);					\
	} while (0)

#define CHECK_EQ(seen, expected)								\
	do {											\
		long seen_ = (long)(seen), expected_ = (long)(expected);			\
		if (seen_ != expected_)								\
			FAIL("%s: expected %ld (%#lx), seen %ld (%#lx)", #seen, expected_,	\
			     expected_, seen_, seen_);						\
	} while (0)

/* For calls that return 0 (or a count) or a negative errno. */
#define CHECK_OK(call)										\
	do {											\
		long result_ = (long)(call);							\
		if (result_ < 0)								\
			FAIL("%s: expected success, seen %s", #call, error_name(-result_));	\
	} while (0)

#define CHECK_ERROR(call, error)								\
	do {											\
		long result_ = (long)(call);							\
		if (result_ != -(error))							\
			FAIL("%s: expected %s, seen %s", #call, error_name(error),		\
			     error_name(-result_));						\
	} while (0)

/* For calls that return -1 and set errno. */
#define CHECK_LIBC(call)									\
	({											\
		__typeof__(call) libc_ = (call);						\
		if ((long)libc_ == -1L)								\
			FAIL("%s: %s", #call, last_error());					\
		libc_;										\
	})

const char *error_name(long error);
const char *last_error(void);

/*
 * A child runs a function and ends. child_finish() passes on a failed check of the child, and fails
 * if it ended in any other way than by returning. The child has no handle but the inherited one.
 */
pid_t child_start(void (*run)(void *arg), void *arg);
void child_finish_at(const char *file, int line, pid_t pid);
int child_status(pid_t pid);
#define child_finish(pid)	child_finish_at(__FILE__, __LINE__, pid)
#define child_run(run, arg)	child_finish(child_start(run, arg))

/* Waits until a condition holds; fails when it does not for half a minute. */
#define WAIT_FOR(condition)									\
	do {											\
		for (int tries_ = 0; !(condition); tries_++) {					\
			if (tries_ == 6000)							\
				FAIL("expected in time: %s", #condition);			\
			sleep_ms(5);								\
		}										\
	} while (0)

void sleep_ms(unsigned int ms);
uint64_t now_ms(void);

/* Small files of /proc and /sys. Reading gives the bytes read, or -1. */
long file_read(const char *path, char *buffer, size_t size);
bool file_write(const char *path, const char *text);
/* The number that follows @key in a file of "key value" lines; -1 if there is none. */
long file_value(const char *path, const char *key);
/* A counter of the module for this process. */
long counter(const char *name);

/*
 * Runs this program again with exec_main() of the test program in place of the tests. The arguments
 * end with NULL. Returns on error only.
 */
void exec_self(const char *first, ...) __attribute__((sentinel));
int exec_main(int argc, char **argv);

#endif /* TEST_HARNESS_H */
