// SPDX-License-Identifier: GPL-2.0
/*
 * What the module must not make slower for others: context switches, faults, mappings, system
 * calls, forks, threads. Nothing here knows of the module.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "microbench.h"

extern char **environ;

/* Pass a byte through @from to @to, @rounds times. */
static void pass(int from, int to, int rounds)
{
	char byte;

	for (int i = 0; i < rounds; i++) {
		if (read(from, &byte, 1) != 1 || write(to, &byte, 1) != 1)
			fail("pipe");
	}
}

/* One way of a byte between two processes: one context switch, a write and a read. */
double measure_ping_pong(void)
{
	const int rounds = 300;
	struct batch batch = { 0 };
	int there[2], back[2];
	char byte = 0;
	pid_t pid;

	if (pipe(there) || pipe(back))
		fail("pipe");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		pass(there[0], back[1], (BATCHES + 1) * rounds);
		_exit(0);
	}
	for (int i = 0; i < BATCHES + 1; i++) {
		uint64_t start = now_ns();

		for (int j = 0; j < rounds; j++) {
			if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
				fail("pipe");
		}
		/* The first batch warms up: both sides fault in what they need. */
		if (i > 0)
			batch_add(&batch, (double)(now_ns() - start) / (2 * rounds));
	}
	if (waitpid(pid, NULL, 0) != pid)
		fail("waitpid");
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
	return batch_median(&batch);
}

static char *map(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap");
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	return memory;
}

double measure_page_fault(void)
{
	const size_t bytes = 4 * MIB;
	struct batch batch = { 0 };

	for (int i = 0; i < BATCHES; i++) {
		char *memory = map(bytes);
		uint64_t start = now_ns();

		for (size_t j = 0; j < bytes; j += PAGE)
			memory[j] = 1;
		batch_add(&batch, (double)(now_ns() - start) / (double)(bytes / PAGE));
		munmap(memory, bytes);
	}
	return batch_median(&batch);
}

static double measure_mappings(int touch)
{
	const int rounds = 300;
	struct batch batch = { 0 };

	for (int i = 0; i < BATCHES; i++) {
		uint64_t start = now_ns();

		for (int j = 0; j < rounds; j++) {
			char *memory = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (memory == MAP_FAILED)
				fail("mmap");
			for (int k = 0; k < touch; k++)
				memory[(size_t)k * PAGE] = 1;
			if (munmap(memory, 16 * PAGE))
				fail("munmap");
		}
		batch_add(&batch, (double)(now_ns() - start) / rounds);
	}
	return batch_median(&batch);
}

double measure_mmap_munmap(void)
{
	return measure_mappings(0);
}

double measure_mmap_touch_munmap(void)
{
	return measure_mappings(4);
}

static double measure_system_call(void)
{
	const int rounds = 20000;
	struct batch batch = { 0 };

	for (int i = 0; i < BATCHES; i++) {
		uint64_t start = now_ns();

		for (int j = 0; j < rounds; j++)
			syscall(SYS_getppid);
		batch_add(&batch, (double)(now_ns() - start) / rounds);
	}
	return batch_median(&batch);
}

static void fork_and_wait(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0)
		_exit(0);
	if (waitpid(pid, NULL, 0) != pid)
		fail("waitpid");
}

static void *nothing(void *arg)
{
	return arg;
}

static void thread_and_join(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
		fail("pthread_create");
}

/* The program without arguments prints its usage and ends: an exec with little after it. */
static void spawn_and_wait(void)
{
	char name[] = "microbench", *argv[] = { name, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
	if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ))
		fail("posix_spawn");
	posix_spawn_file_actions_destroy(&actions);
	if (waitpid(pid, NULL, 0) != pid)
		fail("waitpid");
}

static double measure_calls(void (*call)(void), int rounds)
{
	struct batch batch = { 0 };

	call();
	for (int i = 0; i < BATCHES; i++) {
		uint64_t start = now_ns();

		for (int j = 0; j < rounds; j++)
			call();
		batch_add(&batch, (double)(now_ns() - start) / rounds);
	}
	return batch_median(&batch);
}

void case_suite(void)
{
	sample("switch", measure_ping_pong());
	sample("fault", measure_page_fault());
	sample("mmap", measure_mmap_touch_munmap());
	sample("syscall", measure_system_call());
	sample("fork", measure_calls(fork_and_wait, 20));
	sample("thread", measure_calls(thread_and_join, 50));
	sample("exec", measure_calls(spawn_and_wait, 10));
}
