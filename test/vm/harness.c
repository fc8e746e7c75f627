// SPDX-License-Identifier: GPL-2.0
/* Runs the tests of one program under cmocka, each in a process of its own; see harness.h. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest.h"
#include "harness.h"

/* A hung test must not take the others with it; the slowest takes seconds under emulation. */
#define TEST_SECONDS	300

enum { PASSED, FAILED = 91, SKIPPED = 92 };

#define DEBUG_DIR	"/sys/kernel/debug/wfpatch"
#define MAX_TESTS	200
#define MAX_PROCESSES	64

int device = -1;

/* What the test and its children say; shared with all of them. */
static struct said {
	int done;
	int line;
	char file[60];
	char text[2000];
} *said;

extern const struct test *const __start_view_tests[];
extern const struct test *const __stop_view_tests[];

const char *error_name(long error)
{
	const char *name = error ? strerrorname_np((int)error) : "success";
	static __thread char number[32];

	if (name)
		return name;
	snprintf(number, sizeof(number), "%ld", -error);
	return number;
}

const char *last_error(void)
{
	return error_name(errno);
}

/* The first to say something is heard. */
static void say(const char *file, int line, const char *format, va_list args)
{
	if (__atomic_exchange_n(&said->done, 1, __ATOMIC_SEQ_CST))
		return;
	snprintf(said->file, sizeof(said->file), "%s", file);
	said->line = line;
	vsnprintf(said->text, sizeof(said->text), format, args);
}

void fail_at(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(file, line, format, args);
	va_end(args);
	_exit(FAILED);
}

void skip_test(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("", 0, format, args);
	va_end(args);
	_exit(SKIPPED);
}

void sleep_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

long file_read(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (used < size - 1 && (n = read(fd, buffer + used, size - 1 - used)) > 0)
		used += (size_t)n;
	close(fd);
	buffer[used] = 0;
	return n < 0 ? -1 : (long)used;
}

bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text);
}

long file_value(const char *path, const char *key)
{
	size_t length = strlen(key);
	long value = -1;
	char line[256];
	FILE *file = fopen(path, "re");

	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length) && strchr(": \t", line[length]))
			value = strtol(line + length + strspn(line + length, ": \t"), NULL, 10);
	fclose(file);
	return value;
}

long counter(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), DEBUG_DIR "/%d", getpid());
	return file_value(path, name);
}

pid_t child_start(void (*run)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		FAIL("fork: %s", last_error());
	if (pid)
		return pid;
	run(arg);
	_exit(PASSED);
}

int child_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			FAIL("waitpid: %s", last_error());
	return status;
}

void child_finish_at(const char *file, int line, pid_t pid)
{
	int status = child_status(pid);

	if (WIFSIGNALED(status))
		fail_at(file, line, "a child was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == FAILED || WEXITSTATUS(status) == SKIPPED)
		_exit(WEXITSTATUS(status));
	if (status)
		fail_at(file, line, "a child ended with status %#x", status);
}

void exec_self(const char *first, ...)
{
	char *argv[16] = { "exec" };
	const char *word = first;
	va_list args;
	int n = 1;

	va_start(args, first);
	while (word && n < 15) {
		argv[n++] = (char *)word;
		word = va_arg(args, const char *);
	}
	va_end(args);
	execv("/proc/self/exe", argv);
}

__attribute__((weak)) int exec_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}

/* What the module knows: the processes of its debugfs directory, and how often it is in use. */
struct footprint {
	long users;
	unsigned int nr;
	int processes[MAX_PROCESSES];
};

static void footprint_take(struct footprint *f)
{
	DIR *dir = opendir(DEBUG_DIR);
	struct dirent *entry;
	char users[32];

	f->nr = 0;
	f->users = file_read("/sys/module/wfpatch/refcnt", users, sizeof(users)) > 0 ?
			   strtol(users, NULL, 10) : -1;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && f->nr < MAX_PROCESSES)
			f->processes[f->nr++] = atoi(entry->d_name);
	if (dir)
		closedir(dir);
}

/* Is there nothing now that was not there before? Says what there is. */
static bool footprint_clean(const struct footprint *before, char *text, size_t size)
{
	struct footprint now;
	unsigned int i, j;

	footprint_take(&now);
	if (now.users > before->users) {
		snprintf(text, size, "left behind: expected %ld users of the module, seen %ld",
			 before->users, now.users);
		return false;
	}
	for (i = 0; i < now.nr; i++) {
		for (j = 0; j < before->nr; j++)
			if (now.processes[i] == before->processes[j])
				break;
		if (j == before->nr) {
			snprintf(text, size, "left behind: process %d, which has ended",
				 now.processes[i]);
			return false;
		}
	}
	return true;
}

static bool footprint_wait(const struct footprint *before, char *text, size_t size)
{
	int tries;

	for (tries = 0; tries < 3000; tries++) {
		if (footprint_clean(before, text, size))
			return true;
		sleep_ms(10);
	}
	return false;
}

static void child_of_test(const struct test *test)
{
	static const int caught[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };
	size_t i;

	/* What cmocka catches would go on with its next test here. */
	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		signal(caught[i], SIG_DFL);
	setpgid(0, 0);
	alarm(TEST_SECONDS);
	device = open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (device < 0)
		FAIL("cannot open %s: %s", DEVICE_PATH, last_error());
	test->run();
	_exit(PASSED);
}

/* Fails the test that cmocka runs; what is said here comes with its "not ok". */
static void report(const char *file, int line, const char *format, ...)
{
	char text[sizeof(said->text) + 100];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	_assert_true(0, text, file, line);
}

static void test_in_child(void **state)
{
	const struct test *test = *state;
	uint64_t started = now_ms();
	struct footprint before;
	char text[200];
	int status;
	pid_t pid;

	memset(said, 0, sizeof(*said));
	footprint_take(&before);
	pid = fork();
	if (pid < 0)
		report(__FILE__, __LINE__, "fork: %s", last_error());
	if (!pid)
		child_of_test(test);
	while (waitpid(pid, &status, 0) != pid)
		;
	kill(-pid, SIGKILL);
	guest_restore();
	if (getenv("TEST_TIMES"))
		printf("# %s: %lu ms\n", test->name, (unsigned long)(now_ms() - started));

	if (WIFSIGNALED(status))
		report(__FILE__, __LINE__, "killed by signal %d%s %s", WTERMSIG(status),
		       WTERMSIG(status) == SIGALRM ? " (hangs)" : "", said->text);
	if (WEXITSTATUS(status) == SKIPPED) {
		printf("# skipped: %s\n", said->text);
		skip();
	}
	if (WEXITSTATUS(status) == FAILED)
		report(said->file, said->line, "%s", said->text);
	if (status)
		report(__FILE__, __LINE__, "ended with status %#x", status);
	if (!footprint_wait(&before, text, sizeof(text)))
		report(__FILE__, __LINE__, "%s", text);
}

/* Compilers differ in the order in which they put things into a section. */
static int by_line(const void *a, const void *b)
{
	return ((const struct test *)((const struct CMUnitTest *)a)->initial_state)->line -
	       ((const struct test *)((const struct CMUnitTest *)b)->initial_state)->line;
}

static size_t collect_tests(struct CMUnitTest *tests, size_t room)
{
	const struct test *const *entry;
	size_t n = 0;

	for (entry = __start_view_tests; n < room && entry != __stop_view_tests; entry++) {
		tests[n].name = (*entry)->name;
		tests[n].test_func = test_in_child;
		tests[n++].initial_state = (void *)*entry;
	}
	qsort(tests, n, sizeof(*tests), by_line);
	return n;
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[MAX_TESTS];
	size_t i, n;

	if (!strcmp(argv[0], "exec"))
		return exec_main(argc, argv);
	n = collect_tests(tests, MAX_TESTS);
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (i = 0; i < n; i++)
			puts(tests[i].name);
		return 0;
	}
	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fprintf(stderr, "usage: %s [--list | PATTERN]\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (said == MAP_FAILED || !guest_init())
		return 2;
	if (argc == 2)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests(program_invocation_short_name, tests, n, NULL, NULL);
}
