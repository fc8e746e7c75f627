// SPDX-License-Identifier: GPL-2.0
/*
 * A fuzzer of /dev/wfpatch: processes with several threads each make random calls while their
 * memory changes under them, and end at any moment. What must hold: every answer is a documented
 * one, the base of a process never changes, and nothing is left when all have ended.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "fuzz.h"

#define NR_CALLERS 3
#define LIFE_MS 1500
#define NR_PROCESSES 2

struct shared *shared;
static unsigned int seconds = 30;
static uint64_t seed = 1;
static bool have_kcov;

uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

void fault_found(const char *format, ...)
{
	va_list args;

	if (shared->faults++)
		return;
	va_start(args, format);
	vsnprintf(shared->fault, sizeof(shared->fault), format, args);
	va_end(args);
}

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A new program, or one that once found something, changed a little. */
static void make_program(struct program *program, uint64_t *state)
{
	uint32_t kept = shared->corpus_size, i;

	if (kept && random_next(state) % 4) {
		*program = shared->corpus[random_next(state) % kept];
		for (i = 0; i < 1 + random_next(state) % 3; i++) {
			struct call *call = &program->calls[random_next(state) % program->nr];

			if (random_next(state) % 4)
				call->words[random_next(state) % NR_WORDS] = random_next(state);
			else
				make_call(call, state);
		}
		return;
	}
	program->nr = 2 + random_next(state) % (MAX_CALLS - 1);
	for (i = 0; i < program->nr; i++)
		make_call(&program->calls[i], state);
}

static void keep(const struct program *program)
{
	uint32_t unlocked = 0;

	if (!atomic_compare_exchange_strong(&shared->corpus_lock, &unlocked, 1))
		return;
	if (shared->corpus_size < CORPUS) {
		shared->corpus[shared->corpus_size] = *program;
		shared->corpus_size++;
	}
	shared->corpus_lock = 0;
}

static void *caller(void *arg)
{
	uint64_t state = *(uint64_t *)arg;
	bool kcov = have_kcov && kcov_open();
	struct program program;
	uint32_t i;

	for (;;) {
		make_program(&program, &state);
		if (kcov)
			kcov_start();
		for (i = 0; i < program.nr; i++)
			run_call(&program.calls[i], false);
		if (kcov && kcov_stop())
			keep(&program);
	}
	return NULL;
}

static void *disturber(void *arg)
{
	uint64_t state = *(uint64_t *)arg;

	for (;;)
		pool_disturb(&state);
	return NULL;
}

/* The first thread never leaves the base: whatever the others do in views, it sees no change. */
static void watch_base(uint64_t until)
{
	struct timespec pause_time = { .tv_nsec = 5000000 };
	unsigned long i;

	while (milliseconds() < until) {
		for (i = 0; i < CANARY_PAGES * PAGE / 8; i += 8)
			if (((volatile uint64_t *)pool.canary)[i] != 0xba5eba5e00000000ULL + i)
				fault_found("the base changed at %#lx of the canary", i * 8);
		nanosleep(&pause_time, NULL);
	}
}

/* One life: calls, a disturber, and an end in the midst of it all, in one of several ways. */
static _Noreturn void live(uint64_t life_seed)
{
	char *const argv[] = { (char *)"fuzz", (char *)"--nothing", NULL };
	uint64_t states[NR_CALLERS + 1], state = life_seed;
	pthread_t thread;
	unsigned int i;

	signal(SIGCHLD, SIG_IGN);
	alarm(60);
	pool_init();
	calls_init();
	for (i = 0; i <= NR_CALLERS; i++) {
		states[i] = random_next(&state);
		if (pthread_create(&thread, NULL, i < NR_CALLERS ? caller : disturber, &states[i]))
			_exit(0);
	}
	watch_base(milliseconds() + LIFE_MS / 2 + random_next(&state) % LIFE_MS);
	switch (random_next(&state) % 4) {
	case 0:
		execv("/proc/self/exe", argv);
		break;
	case 1:
		raise(SIGKILL);
		break;
	}
	_exit(0);
}

/* Functions of the kernel that are redirected, which the list marks with an I; -1 if there is none. */
static int hooked_functions(void)
{
	FILE *file = fopen("/sys/kernel/tracing/enabled_functions", "re");
	char line[512];
	int count = 0;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		count += !!strstr(line, " I ");
	fclose(file);
	return count;
}

static bool is_other_program(const char *pid)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = 0;
	fclose(file);
	return strcmp(name, "fuzz\n");
}

/* Entries of ended processes and of our own, and of others. */
static void count_processes(int *ours, int *others)
{
	DIR *dir = opendir("/sys/kernel/debug/wfpatch");
	struct dirent *entry;

	*ours = *others = 0;
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		if (is_other_program(entry->d_name))
			++*others;
		else
			++*ours;
	}
	closedir(dir);
}

/*
 * The last views go with the last processes; hooks are disarmed shortly after, if no other program
 * has views.
 */
static bool all_gone(int hooks_before)
{
	int tries, ours = 0, others = 0, hooks = 0;

	for (tries = 0; tries < 200; tries++) {
		count_processes(&ours, &others);
		hooks = hooked_functions();
		if (!ours && (others || hooks <= hooks_before))
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	}
	printf("fuzz: FAULT: 20 s after the end %d processes with views, %d hooked functions (before: %d)\n",
	       ours, hooks, hooks_before);
	return false;
}

static void print_totals(uint64_t lives, const uint64_t *ends)
{
	unsigned int kind, e;

	printf("lives %llu: ended by themselves %llu, killed by SIGSEGV %llu, SIGBUS %llu, "
	       "SIGILL or SIGTRAP %llu, SIGKILL %llu\n",
	       (unsigned long long)lives, (unsigned long long)ends[0],
	       (unsigned long long)ends[SIGSEGV], (unsigned long long)ends[SIGBUS],
	       (unsigned long long)(ends[SIGILL] + ends[SIGTRAP]),
	       (unsigned long long)ends[SIGKILL]);
	for (kind = 0; kind < NR_KINDS; kind++) {
		printf("%-16s %10llu:", kind_name(kind), (unsigned long long)shared->calls[kind]);
		for (e = 0; e < 134; e++)
			if (shared->errnos[kind][e])
				printf(" %s %llu", e ? strerrorname_np((int)e) : "ok",
				       (unsigned long long)shared->errnos[kind][e]);
		printf("\n");
	}
	if (have_kcov)
		printf("coverage: %llu places of the module, %u programs kept\n",
		       (unsigned long long)shared->covered, shared->corpus_size);
}

/* Keep some processes going until the time is up; each has the seed after the one before. */
static uint64_t supervise(uint64_t *ends)
{
	uint64_t end = milliseconds() + seconds * 1000ULL, next_seed = seed, lives = 0;
	unsigned int running = 0;
	int status;
	pid_t pid;

	while (running || milliseconds() < end) {
		while (running < NR_PROCESSES && milliseconds() < end) {
			pid = fork();
			if (!pid)
				live(next_seed);
			if (pid < 0)
				break;
			next_seed++;
			running++;
		}
		pid = wait(&status);
		if (pid < 0)
			continue;
		running--;
		lives++;
		ends[WIFSIGNALED(status) ? WTERMSIG(status) : 0]++;
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
			fault_found("a process did not end for a minute (seed about %llu)",
				    (unsigned long long)next_seed);
	}
	return lives;
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: fuzz [--seconds N] [--seed S]\n"
		"  --seconds N   how long (30)\n"
		"  --seed S      of the first process; the next ones have S + 1, S + 2, ... (1)\n"
		"Where the kernel has KCOV, programs that reach new code of the module are kept\n"
		"and changed.\n"
		"Exit status: 0 if all held, 1 if not, 2 for errors of usage, 77 without device.\n");
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = { { "seconds", required_argument, NULL, 's' },
					       { "seed", required_argument, NULL, 'r' },
					       { "nothing", no_argument, NULL, 'n' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 's':
			seconds = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'r':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc || !seconds) {
		usage(stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	uint64_t ends[65] = { 0 }, lives;
	int hooks;
	bool gone;

	parse(argc, argv);
	if (access(DEVICE_PATH, R_OK | W_OK)) {
		fprintf(stderr, "fuzz: no %s\n", DEVICE_PATH);
		return 77;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		perror("fuzz: mmap");
		return 1;
	}
	hooks = hooked_functions();
	have_kcov = !access("/sys/kernel/debug/kcov", R_OK | W_OK);
	printf("fuzz: seed %llu, %s coverage\n", (unsigned long long)seed,
	       have_kcov ? "with" : "no");
	fflush(stdout);
	lives = supervise(ends);
	print_totals(lives, ends);
	gone = all_gone(hooks);
	if (shared->faults)
		printf("fuzz: FAULT: %s (%u in all)\n", shared->fault, shared->faults);
	printf("seed %llu, %u s: %u faults\n", (unsigned long long)seed, seconds,
	       shared->faults + !gone);
	return shared->faults || !gone;
}
