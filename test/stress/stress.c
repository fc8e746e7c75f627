// SPDX-License-Identifier: GPL-2.0
/*
 * A stress of views that knows at any time what every thread must see: many threads change their
 * memory, their views and themselves at random and check after every step. See README.md.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "stress.h"

/* A page of the file of the mappings that nothing maps. */
#define SCRATCH ((off_t)(MAX_THREADS * 64 + 16) * (off_t)PAGE)

struct options options = {
	.seconds = 60,
	.threads = 24,
	.stall = 300,
	.seed = 1,
	.dir = "/tmp",
	.without = "",
};
struct worker *workers;
int device = -1;
int data_file = -1;
atomic_bool stopping;

static const char *const break_names[] = {
	[BREAK_CODE] = "code",	     [BREAK_DATA] = "data",	  [BREAK_MEMORY] = "memory",
	[BREAK_COUNTER] = "counter", [BREAK_FILE] = "file",	  [BREAK_CHILD] = "child",
	[BREAK_EXEC] = "exec",	     [BREAK_MIGRATE] = "migrate", [BREAK_WRITE] = "write",
	[BREAK_THREAD] = "thread",
};

static const char *const stat_names[] = {
	[STAT_STEPS] = "steps",
	[STAT_CHECKS] = "page checks",
	[STAT_CODE_CHECKS] = "code checks",
	[STAT_RACED] = "code checks that always met a change",
	[STAT_CREATES] = "creates",
	[STAT_WRITES] = "writes",
	[STAT_READS] = "reads",
	[STAT_MIGRATIONS] = "migrations",
	[STAT_DELETES] = "deletes",
	[STAT_PINS] = "pins",
	[STAT_UNPINS] = "unpins",
	[STAT_FORKS] = "forks",
	[STAT_EXECS] = "execs",
	[STAT_VFORKS] = "vforks",
	[STAT_VM_CLONES] = "memory-sharing processes",
	[STAT_THREADS] = "threads",
	[STAT_SIGNALS] = "signals",
	[STAT_MEMORY] = "memory steps",
	[STAT_FILE] = "file steps",
	[STAT_REFUSED] = "calls refused",
	[STAT_KILLED] = "children killed",
};

/* One line of a report in one write(2), so that lines of several processes do not mix. */
__attribute__((format(printf, 1, 2))) static void report(const char *format, ...)
{
	char line[320];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (length >= (int)sizeof(line))
		length = sizeof(line) - 1;
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		_exit(1);
}

/* Only the first fault counts; whoever finds another one meanwhile waits for the end. */
static void be_the_first(void)
{
	static atomic_flag reporting = ATOMIC_FLAG_INIT;

	if (atomic_flag_test_and_set(&reporting))
		for (;;)
			pause();
}

_Noreturn void fatal(const char *what, long error)
{
	int saved = errno;

	be_the_first();
	report("stress: %s%s%s (seed %llu)\n", what, error ? ": " : "",
	       error ? strerror(saved) : "", (unsigned long long)options.seed);
	_exit(1);
}

/* What others say about the address helps to tell whose fault it is. */
static void report_address(struct worker *w, unsigned long addr)
{
	struct slot *slot = w->slot;
	uint64_t in_view = 0, in_base = 0;
	struct wfpatch_seg seg = { addr, (uintptr_t)&in_view, sizeof(in_view) };
	uint32_t current = 0;
	long error;
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && pread(fd, &in_base, sizeof(in_base), (off_t)addr) == sizeof(in_base))
		report("  8 bytes there in the base now: %#llx\n", (unsigned long long)in_base);
	else
		report("  the base cannot be read there\n");
	if (options.no_device)
		return;
	error = device_current(device, &current);
	report("  VIEW_CURRENT says %u (%ld), the model %u\n", current, error, slot->id);
	/* By way of the kernel, whose copy gives an error where a load might be the next fault. */
	if (pwrite(data_file, (void *)addr, sizeof(in_view), SCRATCH) > 0 &&
	    pread(data_file, &in_view, sizeof(in_view), SCRATCH) > 0)
		report("  the thread sees there now: %#llx\n", (unsigned long long)in_view);
	error = device_io(device, WFPATCH_IOC_VIEW_READ, slot->id, &seg, 1);
	report("  VIEW_READ there: %#llx (%ld)\n", (unsigned long long)in_view, error);
}

/* The kernel's word on the base's page: what backs it, and in which state it is. */
static void report_pagemap(unsigned long addr)
{
	int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int all_flags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0, flags = 0;

	if (map >= 0 &&
	    pread(map, &entry, sizeof(entry), (off_t)(addr / PAGE * sizeof(entry))) > 0) {
		off_t at = (off_t)((entry & ((1ULL << 55) - 1)) * sizeof(flags));

		if (!(entry >> 63) || all_flags < 0 ||
		    pread(all_flags, &flags, sizeof(flags), at) != sizeof(flags))
			flags = 0;
		report("  pagemap entry %#llx, flags of the page %#llx\n",
		       (unsigned long long)entry, (unsigned long long)flags);
	}
}

static void report_cell(struct worker *w, unsigned long addr)
{
	unsigned long page = (addr - w->arena) / PAGE;
	unsigned int i;

	if (addr < w->arena || page >= ARENA_PAGES)
		return;
	report("  page %lu of the arena; its cell in the view %#llx, in the base %#llx\n", page,
	       (unsigned long long)*cell_of(w->slot, w->nr, (unsigned int)page),
	       (unsigned long long)*cell_of(&slots[0], w->nr, (unsigned int)page));
	for (i = 0; i < PAGE_LOG; i++) {
		const struct page_log *log = &w->page_log[page];
		unsigned int at = (log->next + i) % PAGE_LOG;

		if (log->entries[at].op)
			report("  touched in step %u, %s, new value %#x\n", log->entries[at].step,
			       log->entries[at].op, log->entries[at].value);
	}
}

/* Say what was found wrong and everything that may explain it, and end with status 1. */
_Noreturn void mismatch(struct worker *w, const char *what, unsigned long addr, uint64_t expected,
			uint64_t seen)
{
	struct slot *slot = w->slot;
	uint64_t step;

	be_the_first();
	report("stress: MISMATCH: %s\n", what);
	report("  seed %llu, thread %u, step %llu, view %u (slot %u)%s\n",
	       (unsigned long long)options.seed, w->nr, (unsigned long long)w->step, slot->id,
	       slot_number(slot), w->in_child ? ", in a forked child" : "");
	report("  address %#lx, expected %#llx, seen %#llx", addr, (unsigned long long)expected,
	       (unsigned long long)seen);
	if ((int64_t)seen < 0 && (int64_t)seen > -4096)
		report(" (%s)", strerror((int)-(int64_t)seen));
	report("\n");
	if (addr) {
		report_pagemap(addr);
		report_cell(w, addr);
		report_address(w, addr);
	}
	report("  the thread's last steps (view at the start, what it worked on, last result):\n");
	for (step = w->step > HISTORY ? w->step - HISTORY + 1 : 1; step <= w->step; step++) {
		struct history *h = &w->history[step % HISTORY];

		report("    %llu %s view %u: %#llx %#llx, %ld\n", (unsigned long long)h->step,
		       h->op ? h->op : "", h->view, (unsigned long long)h->a,
		       (unsigned long long)h->b, h->result);
	}
	_exit(1);
}

static void usage(FILE *out)
{
	unsigned int i;

	fprintf(out,
		"usage: stress [--seconds N] [--seed S] [--threads N] [--quiet] [--no-device]\n"
		"              [--dir PATH] [--stall SECONDS] [--without STEPS] [--break MODE]\n"
		"  --seconds N    how long (60)\n"
		"  --seed S       of all random decisions (1)\n"
		"  --threads N    workers, 4 MiB of memory each (24, at most %u)\n"
		"  --no-device    everything but views: what holds then is plain Linux\n"
		"  --dir PATH     where the file of the shared mappings is made (/tmp)\n"
		"  --stall N      a worker without progress for N seconds is a fault (300)\n"
		"  --without A,B  leave steps out, as they are named in a report\n"
		"  --quiet        only faults and the result\n"
		"  --break MODE   do something wrong on purpose, which must be found:",
		MAX_THREADS);
	for (i = 1; i < sizeof(break_names) / sizeof(*break_names); i++)
		fprintf(out, " %s", break_names[i]);
	fprintf(out, "\nExit status: 0 without a mismatch, 1 with one, 2 for errors of usage.\n");
}

static unsigned long number(const char *text, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (end == text || *end || value < least || value > most) {
		fprintf(stderr, "stress: %s is not a number from %lu to %lu\n", text, least, most);
		exit(2);
	}
	return value;
}

static enum break_mode break_mode(const char *name)
{
	unsigned int i;

	for (i = 1; i < sizeof(break_names) / sizeof(*break_names); i++)
		if (!strcmp(name, break_names[i]))
			return i;
	fprintf(stderr, "stress: no break mode %s\n", name);
	exit(2);
}

/* What each option cannot know of the others. */
static void check_options(bool too_many)
{
	if (too_many) {
		usage(stderr);
		exit(2);
	}
	if (!choose_without(options.without)) {
		fprintf(stderr, "stress: --without %s names a step that there is not\n",
			options.without);
		exit(2);
	}
	if (options.no_device && options.brk >= BREAK_MIGRATE) {
		fprintf(stderr, "stress: that break mode needs the device\n");
		exit(2);
	}
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = { { "seconds", required_argument, NULL, 's' },
					       { "seed", required_argument, NULL, 'r' },
					       { "threads", required_argument, NULL, 't' },
					       { "quiet", no_argument, NULL, 'q' },
					       { "no-device", no_argument, NULL, 'n' },
					       { "dir", required_argument, NULL, 'd' },
					       { "stall", required_argument, NULL, 'l' },
					       { "without", required_argument, NULL, 'w' },
					       { "break", required_argument, NULL, 'b' },
					       { "help", no_argument, NULL, 'h' },
					       { "exec-child", optional_argument, NULL, 'x' },
					       { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 's':
			options.seconds = (unsigned int)number(optarg, 1, 1000000);
			break;
		case 'r':
			options.seed = number(optarg, 0, ~0UL);
			break;
		case 't':
			options.threads = (unsigned int)number(optarg, 1, MAX_THREADS);
			break;
		case 'l':
			options.stall = (unsigned int)number(optarg, 1, 1000000);
			break;
		case 'w':
			options.without = optarg;
			break;
		case 'q':
			options.quiet = true;
			break;
		case 'n':
			options.no_device = true;
			break;
		case 'd':
			options.dir = optarg;
			break;
		case 'b':
			options.brk = break_mode(optarg);
			break;
		case 'x':
			exit(optarg && !strcmp(optarg, "broken") ? 1 : exec_child(optarg));
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	check_options(optind < argc);
}

static void open_files(void)
{
	char path[4096];

	if (!options.no_device) {
		device = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);
		if (device < 0)
			fatal("cannot open " DEVICE_PATH, -1);
	}
	snprintf(path, sizeof(path), "%s/stress-XXXXXX", options.dir);
	data_file = mkostemp(path, O_CLOEXEC);
	if (data_file < 0 || unlink(path) ||
	    ftruncate(data_file, (off_t)(MAX_THREADS * 64 + 17) * (off_t)PAGE))
		fatal("cannot make a file for the shared mappings", -1);
}

static void *map_anonymous(size_t length, int flags)
{
	void *area = mmap(NULL, length, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		fatal("no memory", -1);
	return area;
}

static void prepare_worker(unsigned int nr)
{
	struct worker *w = &workers[nr];

	w->nr = nr;
	w->slot = &slots[0];
	slots[0].users++;
	w->child_results = map_anonymous(PAGE, MAP_SHARED);
	w->page_log = map_anonymous(ARENA_PAGES * sizeof(*w->page_log), MAP_PRIVATE);
	w->vm_stack = map_anonymous(64 << 10, MAP_PRIVATE | MAP_STACK);
	arena_init(w);
}

static void start_worker(struct worker *w)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, worker_thread, w);
	if (errno)
		fatal("pthread_create", -1);
}

/* The faults of a stalled system are seen by their silence. */
static void check_progress(unsigned int second)
{
	static uint64_t last[MAX_THREADS];
	static unsigned int since[MAX_THREADS];
	unsigned int i;

	for (i = 0; i < options.threads; i++) {
		struct worker *w = &workers[i];

		if (w->progress != last[i] || w->done) {
			last[i] = w->progress;
			since[i] = second;
		} else if (second - since[i] >= options.stall) {
			mismatch(w, "a thread makes no progress in the last step of the list", 0,
				 options.stall, second - since[i]);
		}
	}
}

static unsigned int seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned int)(now.tv_sec - start->tv_sec);
}

/* A deliberate fault gets the time that it needs to be made, and to be found. */
static bool shall_go_on_for_break(void)
{
	static uint64_t broken_at;

	if (options.brk == BREAK_NONE)
		return false;
	if (!workers[0].broken || !broken_at)
		broken_at = workers[0].progress;
	return !workers[0].broken || workers[0].progress < broken_at + 200;
}

static void supervise(void)
{
	struct timespec start, pause_time = { .tv_nsec = 100000000 };
	unsigned int i, said = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (seconds_since(&start) < options.seconds || shall_go_on_for_break()) {
		nanosleep(&pause_time, NULL);
		check_progress(seconds_since(&start));
		if (!options.quiet && seconds_since(&start) >= said + 60) {
			said = seconds_since(&start);
			printf("%u s: first worker at step %llu\n", said,
			       (unsigned long long)workers[0].progress);
			fflush(stdout);
		}
	}
	stopping = true;
	for (i = 0; i < options.threads; i++) {
		while (!workers[i].done) {
			nanosleep(&pause_time, NULL);
			check_progress(seconds_since(&start));
		}
		pthread_join(workers[i].predecessor, NULL);
	}
}

static void print_totals(void)
{
	uint64_t handler_checks = 0, totals[NR_STATS] = { 0 };
	unsigned int i, t;

	for (t = 0; t < options.threads; t++) {
		handler_checks += workers[t].handler_checks;
		for (i = 0; i < NR_STATS; i++)
			totals[i] += workers[t].stats[i];
	}
	if (!options.quiet) {
		for (i = 0; i < NR_STATS; i++)
			printf("%12llu %s\n", (unsigned long long)totals[i], stat_names[i]);
		printf("%12llu checks in signal handlers\n", (unsigned long long)handler_checks);
	}
	printf("seed %llu, %u threads, %u s, %llu steps: 0 mismatches\n",
	       (unsigned long long)options.seed, options.threads, options.seconds,
	       (unsigned long long)totals[STAT_STEPS]);
}

int main(int argc, char **argv)
{
	unsigned int i;

	parse(argc, argv);
	open_files();
	workers = map_anonymous(options.threads * sizeof(*workers), MAP_PRIVATE);
	model_init();
	code_init();
	handlers_init();
	if (!options.quiet)
		printf("seed %llu, %u threads\n", (unsigned long long)options.seed,
		       options.threads);
	fflush(stdout);
	for (i = 0; i < options.threads; i++)
		prepare_worker(i);
	for (i = 0; i < options.threads; i++)
		start_worker(&workers[i]);
	supervise();
	counters_verify();
	print_totals();
	return 0;
}
