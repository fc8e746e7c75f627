// SPDX-License-Identifier: GPL-2.0
/* The search for words of another process's memory that point into a range. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "applied.h"

#define PAGE 4096UL
/* Nothing of a process is there: the hole below the non-canonical addresses is the kernel's guard. */
#define START 0x7fffdeadb000ULL
#define END (START + PAGE)

/* Its second half is code. */
static const struct wf_extent extent = { START, END, START + PAGE / 2, END };

static pid_t child;

/*
 * A process that prepares itself, says so, and waits. It is forked from one that has never looked for
 * anything: the search leaves words that point into the range on the stack.
 */
static int ask[2], answer[2];

static void become_target(void (*prepare)(void))
{
	pid_t self = getpid();

	prepare();
	if (write(answer[1], &self, sizeof(self)) != sizeof(self))
		_exit(1);
	for (;;)
		pause();
}

static void fork_server(void)
{
	void (*prepare)(void);

	signal(SIGCHLD, SIG_IGN);
	while (read(ask[0], &prepare, sizeof(prepare)) == sizeof(prepare)) {
		if (!fork())
			become_target(prepare);
	}
	_exit(0);
}

static void start(void (*prepare)(void))
{
	assert_int_equal(write(ask[1], &prepare, sizeof(prepare)), sizeof(prepare));
	assert_int_equal(read(answer[0], &child, sizeof(child)), sizeof(child));
}

static int stop(void **state)
{
	(void)state;
	if (child > 0)
		kill(child, SIGKILL);
	child = 0;
	return 0;
}

static void *pages(unsigned int nr, int prot, int flags)
{
	void *place = mmap(NULL, nr * PAGE, prot, MAP_ANONYMOUS | flags, -1, 0);

	if (place == MAP_FAILED)
		_exit(1);
	return place;
}

static uint64_t *shared_answer; /* where the child has put the word */

static void put(uint64_t *at, uint64_t word)
{
	*(volatile uint64_t *)at = word;
	*shared_answer = (uintptr_t)at;
}

static void expect_found(void)
{
	uint64_t where = 0;

	assert_int_equal(wf_points_into(child, &extent, &where), 1);
	assert_int_equal(where, *shared_answer);
}

static void expect_not_found(void)
{
	uint64_t where = 7;

	assert_int_equal(wf_points_into(child, &extent, &where), 0);
	assert_int_equal(where, 7);
}

static void nothing(void)
{
}

static void nothing_is_found_where_nothing_is(void **state)
{
	(void)state;
	start(nothing);
	expect_not_found();
}

static void in_the_first_word(void)
{
	uint64_t *word = pages(1, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	put(word, START);
}

static void in_the_middle_of_many(void)
{
	uint64_t *word = pages(1000, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	put(word + 777 * 512 + 511, END - 1);
}

static void in_shared_memory(void)
{
	put((uint64_t *)pages(3, PROT_READ | PROT_WRITE, MAP_SHARED) + 700, START + 8);
}

static void in_memory_that_was_protected(void)
{
	uint64_t *word = pages(1, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	put(word, START + 8);
	if (mprotect(word, PAGE, PROT_READ))
		_exit(1);
}

/* Between pages that are not there, and beside one that cannot be read. */
static void among_holes(void)
{
	uint64_t *word = pages(1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE);

	put(word + 512 * 200000UL, START + 8);
	((volatile uint64_t *)word)[512 * 200002UL] = 1;
	if (mprotect(word + 512 * 200001UL, PAGE, PROT_NONE))
		_exit(1);
}

static uint64_t global[2] = { 1, 2 };

/* Behind pages that were only read from, which the kernel does not count. */
static void behind_zeros(void)
{
	volatile uint64_t *word = pages(64, PROT_READ | PROT_WRITE, MAP_PRIVATE), sum = 0;
	unsigned int i;

	for (i = 0; i < 60; i++)
		sum += word[i * 512];
	put((uint64_t *)word + 512 * 61, START + 8 + sum);
}

static void in_the_data_of_the_program(void)
{
	put(&global[1], START);
}

/* Far below what is called afterwards, so that it stays there. */
static __attribute__((noinline)) void leave_word(bool in_use)
{
	volatile uint64_t deep[8192];

	deep[16] = START + 24;
	*shared_answer = (uintptr_t)&deep[16];
	if (in_use) {
		for (;;)
			pause();
	}
}

static void on_the_unused_stack(void)
{
	leave_word(false);
}

static volatile int left;

static void *leave_and_sleep(void *in_use)
{
	if (in_use)
		left = 1;
	leave_word(in_use);
	left = 1;
	for (;;)
		pause();
	return NULL;
}

static void on_the_unused_stack_of_a_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, leave_and_sleep, NULL))
		_exit(1);
	while (!left)
		usleep(1000);
	usleep(20000);
}

static void on_the_stack_of_a_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, leave_and_sleep, global))
		_exit(1);
	while (!*shared_answer)
		usleep(1000);
	usleep(20000);
}

/* A stack that was allocated has live memory below it. */
static void below_a_stack_that_was_allocated(void)
{
	size_t size = 1 << 20;
	char *memory = pages(513, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	pthread_attr_t attr;
	pthread_t thread;

	if (mprotect(memory, PAGE, PROT_NONE) || pthread_attr_init(&attr) ||
	    pthread_attr_setstack(&attr, memory + size, size) ||
	    pthread_create(&thread, &attr, leave_and_sleep, NULL))
		_exit(1);
	while (!left)
		usleep(1000);
	usleep(20000);
	put((uint64_t *)(void *)(memory + 2 * PAGE), START + 8);
}

static void a_pointer_is_found_wherever_it_is(void **state)
{
	void (*const prepare[])(void) = {
		in_the_first_word,
		in_the_middle_of_many,
		in_shared_memory,
		in_memory_that_was_protected,
		among_holes,
		in_the_data_of_the_program,
		behind_zeros,		      on_the_stack_of_a_thread,
		below_a_stack_that_was_allocated,
	};
	size_t i;

	for (i = 0; i < sizeof(prepare) / sizeof(prepare[0]); i++) {
		start(prepare[i]);
		expect_found();
		stop(state);
		*shared_answer = 0;
	}
}

static void returns_of_calls_that_are_over_do_not_count(void **state)
{
	start(on_the_unused_stack);
	expect_not_found();
	stop(state);
	start(on_the_unused_stack_of_a_thread);
	expect_not_found();
}

static void *leave_code_and_run(void *word)
{
	/* The thread's argument is kept beside its stack, too. */
	volatile uint64_t live = ~(uintptr_t)word;

	*shared_answer = (uintptr_t)&live;
	left = 1;
	for (;;)
		live = ~(uintptr_t)word;
	return NULL;
}

static void start_running(uint64_t word)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, leave_code_and_run, (void *)(uintptr_t)~word))
		_exit(1);
	while (!left)
		usleep(1000);
}

static void code_on_the_stack_of_a_running_thread(void)
{
	start_running(END - 8);
}

static void data_on_the_stack_of_a_running_thread(void)
{
	start_running(START + 8);
}

static void *leave_and_end(void *argument)
{
	leave_word(false);
	left = 1;
	return argument;
}

static void on_the_stack_of_a_thread_that_ended(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, leave_and_end, NULL) || pthread_join(thread, NULL))
		_exit(1);
}

static void only_data_counts_on_the_stack_of_a_running_thread(void **state)
{
	uint64_t where;

	start(code_on_the_stack_of_a_running_thread);
	expect_not_found();
	stop(state);
	*shared_answer = 0;
	start(data_on_the_stack_of_a_running_thread);
	assert_int_equal(wf_points_into(child, &extent, &where), 1);
}

static void the_stack_of_a_thread_that_ended_does_not_count(void **state)
{
	(void)state;
	start(on_the_stack_of_a_thread_that_ended);
	expect_not_found();
}

static void just_outside(void)
{
	uint64_t *word = pages(1, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	word[0] = START - 1;
	word[1] = END;
}

static void what_is_just_outside_does_not_count(void **state)
{
	(void)state;
	start(just_outside);
	expect_not_found();
}

static long resident(void)
{
	char path[64];
	long size, pages_there;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", child);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld %ld", &size, &pages_there), 2);
	fclose(file);
	return pages_there;
}

static void large_and_empty(void)
{
	((volatile char *)pages(1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE))[0] =
		1;
}

static void looking_makes_no_pages(void **state)
{
	long before;

	(void)state;
	start(large_and_empty);
	before = resident();
	expect_not_found();
	/* The kernel counts in batches of its own. */
	assert_true(resident() < before + 256);
}

static void a_process_that_is_gone_is_told(void **state)
{
	uint64_t where;

	(void)state;
	assert_true(wf_points_into(1 << 30, &extent, &where) < 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_found_where_nothing_is),
		TEST(a_pointer_is_found_wherever_it_is),
		TEST(returns_of_calls_that_are_over_do_not_count),
		TEST(only_data_counts_on_the_stack_of_a_running_thread),
		TEST(the_stack_of_a_thread_that_ended_does_not_count),
		TEST(what_is_just_outside_does_not_count),
		TEST(looking_makes_no_pages),
		TEST(a_process_that_is_gone_is_told),
	};

	shared_answer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared_answer == MAP_FAILED)
		return 1;
	if (pipe(ask) || pipe(answer))
		return 1;
	if (!fork()) {
		close(ask[1]);
		fork_server();
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
