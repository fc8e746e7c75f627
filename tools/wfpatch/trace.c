// SPDX-License-Identifier: GPL-2.0
/* "wfpatch trace": shows live what the module does, for some processes or for all. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"
#include "trace_kernel.h"
#include "trace_model.h"

#define NS_PER_SECOND 1000000000ULL
/* Events that the screen shows at most. */
#define RECENT 64
/* Processes that have ended and are still listed at the end. */
#define KEEP_ENDED 256

enum form { FORM_LINES, FORM_SCREEN, FORM_JSON };

struct trace {
	struct trace_model model;
	struct trace_kernel *kernel;
	enum form form;
	pid_t *pids;
	bool all;
	__u64 interval;			/* ns; so are all times */
	__u64 duration;			/* 0: no end */
	unsigned long count;		/* intervals, 0: no end */
	__u64 start;
	__u64 last;			/* the last interval's end */
	char *recent[RECENT];		/* newest first */
	size_t nr_recent;
};

static const char usage[] =
	"usage: wfpatch trace [--pid PID]... [OPTION...]\n"
	"\n"
	"Shows live what views do: a screen on a terminal, lines elsewhere. Ends with a summary.\n"
	"\n"
	"  -p, --pid PID           this process only (repeatable); ends when all of these have ended\n"
	"  -i, --interval SECONDS  time between two pictures (1)\n"
	"  -c, --count N           end after N of them\n"
	"  -d, --duration SECONDS  end after this time\n"
	"  -l, --lines             lines on a terminal, too\n"
	"  -j, --json              an object of JSON on each line\n"
	"  -v, --verbose           also an event for each migration, page, sync and revalidation\n"
	"  -h, --help              this text\n"
	"\n"
	"Needs root's rights. Exit status: as of the other commands, see wfpatch --help.\n";

static __u64 clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (__u64)now.tv_sec * NS_PER_SECOND + (__u64)now.tv_nsec;
}

/* A number of seconds of at least a millisecond, in ns. */
static int parse_seconds(const char *text, const char *option, __u64 *ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.001 && seconds <= 1e9))
		return complain(STATUS_USAGE, "%s %s: not a number of seconds from 0.001 to 1e9",
				option, text);
	*ns = (__u64)(seconds * (double)NS_PER_SECOND);
	return 0;
}

static int parse_number(const char *text, const char *option, unsigned long max,
			unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	if (end == text || *end || *text == '-' || errno || !*number || *number > max)
		return complain(STATUS_USAGE, "%s %s: not a number from 1 to %lu", option, text,
				max);
	return 0;
}

static int add_pid(struct trace *trace, const char *text)
{
	size_t nr = trace->model.nr_pids;
	unsigned long pid;
	pid_t *more;

	if (parse_number(text, "--pid", 1UL << 22, &pid))
		return STATUS_USAGE;
	if (kill((pid_t)pid, 0) && errno == ESRCH)
		return complain(STATUS_NOT_FOUND, "--pid %s: no such process", text);
	more = reallocarray(trace->pids, nr + 1, sizeof(*more));
	if (!more)
		return complain(STATUS_SYSTEM, "no memory");
	more[nr] = (pid_t)pid;
	trace->pids = more;
	trace->model.pids = more;
	trace->model.nr_pids++;
	return 0;
}

/* -1: go on; else an exit status. */
static int parse(struct trace *trace, int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "duration", required_argument, NULL, 'd' },
		{ "lines", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option, err = 0;

	trace->form = isatty(STDOUT_FILENO) ? FORM_SCREEN : FORM_LINES;
	trace->interval = NS_PER_SECOND;
	optind = 0;	/* begin anew: the command before has parsed its own */
	while (!err && (option = getopt_long(argc, argv, "+:p:i:c:d:ljvh", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			err = add_pid(trace, optarg);
			break;
		case 'i':
			err = parse_seconds(optarg, "--interval", &trace->interval);
			break;
		case 'c':
			err = parse_number(optarg, "--count", 1UL << 31, &trace->count);
			break;
		case 'd':
			err = parse_seconds(optarg, "--duration", &trace->duration);
			break;
		case 'l':
			trace->form = FORM_LINES;
			break;
		case 'j':
			trace->form = FORM_JSON;
			break;
		case 'v':
			trace->all = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return STATUS_DONE;
		case ':':
			return complain(STATUS_USAGE, "%s wants a value; see wfpatch trace --help",
					argv[optind - 1]);
		default:
			return complain(STATUS_USAGE, "no option %s; see wfpatch trace --help",
					argv[optind - 1]);
		}
	}
	if (!err && optind < argc)
		return complain(STATUS_USAGE, "%s: not an option; see wfpatch trace --help",
				argv[optind]);
	return err ? err : -1;
}

/* Symbols are read at the first address of a transition that has to be named. */
static void name_address(struct trace_process *process, __u64 address, char name[TRACE_NAME])
{
	if (!process->tgid)
		return;
	if (!process->symbols)
		process->symbols = symbols_new(process->tgid, NULL);
	symbols_name(process->symbols, address, name, TRACE_NAME);
}

static void forget_names(struct trace_process *process)
{
	symbols_free(process->symbols);
}

/* Keep the text of a record for the screen. */
static void remember(struct trace *trace, const struct trace_process *process,
		     const struct wf_trace_record *record)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	trace_text_record(out, &trace->model, process, record);
	if (fclose(out) || !size) {
		free(text);
		return;
	}
	text[size - 1] = '\0';	/* the end of the line */
	if (trace->nr_recent == RECENT)
		free(trace->recent[--trace->nr_recent]);
	memmove(trace->recent + 1, trace->recent, trace->nr_recent * sizeof(*trace->recent));
	trace->recent[0] = text;
	trace->nr_recent++;
}

static int on_record(void *context, const struct wf_trace_record *record)
{
	struct trace *trace = context;
	struct trace_process *process;
	int err;

	if (record->type >= WF_TRACE_NR_TYPES)
		return 0;
	process = trace_process_get(&trace->model, record->event.mm);
	if (!process)
		return -ENOMEM;
	err = trace_model_record(&trace->model, process, record);
	if (err || !trace_process_wanted(&trace->model, process))
		return err;
	if (trace->form == FORM_JSON)
		trace_json_record(stdout, &trace->model, process, record);
	else if (trace->form == FORM_LINES)
		trace_text_record(stdout, &trace->model, process, record);
	else
		remember(trace, process, record);
	return 0;
}

static int on_stats(void *context, __u64 mm, const struct wf_trace_stats *stats)
{
	struct trace *trace = context;
	struct trace_process *process = trace_process_get(&trace->model, mm);

	if (!process)
		return -ENOMEM;
	trace_model_stats(process, stats);
	return 0;
}

static void show_screen(struct trace *trace, __u64 now, double seconds)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	/* Home and clear; lines that are too long are cut while it is drawn. */
	fputs("\033[H\033[J\033[?7l", stdout);
	trace_text_screen(stdout, &trace->model, now, seconds, trace->recent, trace->nr_recent,
			  size.ws_row, size.ws_col);
	fputs("\033[?7h", stdout);
}

static int take_stats(struct trace *trace)
{
	struct trace_process *process;
	int err = trace_kernel_stats(trace->kernel, on_stats, trace);

	trace->model.lost = trace_kernel_lost(trace->kernel);
	for (process = trace->model.processes; process; process = process->next)
		if (trace_process_ended(process))
			trace_kernel_forget(trace->kernel, process->mm);
	trace_model_forget(&trace->model, KEEP_ENDED);
	return err;
}

static int show_interval(struct trace *trace, __u64 now)
{
	double seconds = (double)(now - trace->last) / (double)NS_PER_SECOND;
	int err = take_stats(trace);

	if (trace->form == FORM_JSON)
		trace_json_interval(stdout, &trace->model, false, now, seconds);
	else if (trace->form == FORM_LINES)
		trace_text_interval(stdout, &trace->model, now, seconds);
	else
		show_screen(trace, now, seconds);
	trace->last = now;
	return err;
}

/* Of the processes asked for, is one still there? */
static bool any_left(const struct trace *trace)
{
	for (size_t i = 0; i < trace->model.nr_pids; i++)
		if (!kill(trace->pids[i], 0) || errno != ESRCH)
			return true;
	return !trace->model.nr_pids;
}

static int run(struct trace *trace)
{
	unsigned long intervals = 0;
	__u64 now, next;
	int err = 0;

	while (!err && !signals_seen()) {
		now = clock_ns(CLOCK_MONOTONIC);
		next = trace->last + trace->interval;
		if (trace->duration && next > trace->start + trace->duration)
			next = trace->start + trace->duration;
		if (now < next) {
			/* Rounded up, so that it does not come back early time and again. */
			__u64 ms = (next - now + 999999) / 1000000;

			err = trace_kernel_poll(trace->kernel, ms < 1000 ? (int)ms : 1000);
		} else {
			err = show_interval(trace, now);
			intervals++;
			if (trace->duration && now >= trace->start + trace->duration)
				break;
			if ((trace->count && intervals >= trace->count) || !any_left(trace))
				break;
		}
		fflush(stdout);
		if (ferror(stdout))
			return complain(STATUS_SYSTEM, "cannot write: %s", strerror(errno));
	}
	if (err)
		return complain(STATUS_SYSTEM, "reading events: %s", strerror(-err));
	return 0;
}

static int finish(struct trace *trace)
{
	__u64 now = clock_ns(CLOCK_MONOTONIC);
	double seconds = (double)(now - trace->start) / (double)NS_PER_SECOND;
	int err = trace_kernel_poll(trace->kernel, 0);

	if (!err)
		err = take_stats(trace);
	if (trace->form == FORM_JSON)
		trace_json_interval(stdout, &trace->model, true, now, seconds);
	else
		trace_text_end(stdout, &trace->model, seconds);
	if (err)
		return complain(STATUS_SYSTEM, "reading events: %s", strerror(-err));
	if (fflush(stdout))
		return complain(STATUS_SYSTEM, "cannot write: %s", strerror(errno));
	return 0;
}

static int begin(struct trace *trace)
{
	char error[512];
	int err;

	err = trace_kernel_open(&trace->kernel, trace->all, on_record, trace, error, sizeof(error));
	if (err)
		return complain(err == -ENODEV ? STATUS_MODULE :
				err == -EPERM || err == -EACCES ? STATUS_PERMISSION : STATUS_SYSTEM,
				"%s", error);
	trace->start = clock_ns(CLOCK_MONOTONIC);
	trace->last = trace->start;
	trace->model.clock_offset = (__s64)(clock_ns(CLOCK_REALTIME) - trace->start);
	signals_catch();
	if (trace->form == FORM_JSON)
		trace_json_start(stdout, &trace->model, trace->start);
	else if (trace->form == FORM_LINES)
		puts("tracing");
	fflush(stdout);
	return 0;
}

int wf_cmd_trace(int argc, char **argv)
{
	struct trace trace = {
		.model = { .name_address = name_address, .forget_names = forget_names },
	};
	int status = parse(&trace, argc, argv), last;

	if (status >= 0) {
		free(trace.pids);
		return status;
	}
	status = begin(&trace);
	if (!status) {
		status = run(&trace);
		last = finish(&trace);
		status = status ? status : last;
		trace_kernel_close(trace.kernel);
	}
	trace_model_free(&trace.model);
	while (trace.nr_recent)
		free(trace.recent[--trace.nr_recent]);
	free(trace.pids);
	return status;
}
