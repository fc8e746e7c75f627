// SPDX-License-Identifier: GPL-2.0
/*
 * A load generator for memcached's ASCII protocol. Requests are due at a constant rate, whatever
 * the server does (an open loop), and their latency counts from the time they were due: a server
 * that stalls is charged for every request that fell into the stall. Each answer is checked.
 */
#define _GNU_SOURCE
#include "mcload.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNS	1024

static const char usage_text[] =
"usage: mcload [OPTION...]\n"
"\n"
"  -s HOST:PORT   server (127.0.0.1:11211)\n"
"  -c N           connections (8)\n"
"  -r N           requests a second, gets and sets together (1000)\n"
"  -t SECONDS     duration; without it, until SIGINT, SIGTERM or the control command 'stop'\n"
"  -k N           keys of each connection (100)\n"
"  -b BYTES       bytes of a value (100)\n"
"  -w PERCENT     share of sets (10)\n"
"  -B KEYS:MSEC   batches: a get of so many keys every so many milliseconds, by the last of every\n"
"                 W connections only, which then carry no other load (see -W)\n"
"  -W N           threads of the server (4): it deals connections out in turn, so that one thread\n"
"                 has all batches\n"
"  -p COMMAND     probe: a command with an answer of one line; the key 'probe', stored with a time\n"
"                 to live of a day, may be asked for\n"
"  -P MSEC        each connection is probed so often (250)\n"
"  -X             each probe on a connection of its own: the command is sent without an end of\n"
"                 line, and the answer is what the server says until it closes the connection, be\n"
"                 it nothing. Instead of the connections, the server's threads (-W) are probed, in\n"
"                 turn, as long as nobody else connects to it\n"
"  -O REGEX       the probe's answer from the old code (extended regular expression)\n"
"  -N REGEX       the probe's answer from the new code; what matches both or none is a failure\n"
"  -n NICE        priority to run at, from 0 down to -20: a load that is sent late shows latencies\n"
"                 that are its own (0)\n"
"  -g SECONDS     wait so long for the last answers (10); then they are lost\n"
"  -C PATH        control socket: phase NAME, mark NAME, probes, status, stop\n"
"  -o FILE        write a line of CSV for each 100 ms\n"
"  -R FILE        write the report as tab-separated values\n"
"\n"
"Statistics are kept by phase; the first one is called 'start'. A phase named again goes on.\n"
"Exit status: 0; 1 if any request failed or was lost; 2 for errors of usage and start.\n";

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

void die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "mcload: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(2);
}

void *xrealloc(void *old, size_t size)
{
	void *new = realloc(old, size);

	if (!new)
		die("no memory");
	return new;
}

static unsigned int number(char option, const char *text, unsigned int min, unsigned int max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < min || value > max)
		die("-%c wants a number from %u to %u, not '%s'", option, min, max, text);
	return value;
}

static void compile(char option, regex_t *regex, const char *text)
{
	if (regcomp(regex, text, REG_EXTENDED | REG_NOSUB))
		die("-%c: '%s' is no regular expression", option, text);
}

static void parse_server(struct load *load, char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon || !colon[1])
		die("-s wants HOST:PORT, not '%s'", text);
	*colon = 0;
	load->host = text;
	load->port = colon + 1;
}

static void parse_batch(struct load *load, char *text)
{
	char *colon = strchr(text, ':');

	if (!colon)
		die("-B wants KEYS:MSEC, not '%s'", text);
	*colon = 0;
	load->batch_keys = number('B', text, 1, 100000);
	load->batch_stream.interval = number('B', colon + 1, 1, 3600000) * NSEC_PER_MSEC;
}

static void set_priority(const char *text)
{
	int priority = 0;

	if (*text == '-')
		priority = -(int)number('n', text + 1, 0, 20);
	else if (strcmp(text, "0"))
		die("-n wants 0, or a number down to -20, not '%s'", text);
	if (setpriority(PRIO_PROCESS, 0, priority))
		die("-n %s: %s", text, strerror(errno));
}

static const struct number_option {
	char name;
	unsigned int min, max;
	size_t offset;
} number_options[] = {
	{ 'c', 1, MAX_CONNS, offsetof(struct load, nr_conns) },
	{ 'r', 1, 1000000, offsetof(struct load, rate) },
	{ 't', 1, 1000000, offsetof(struct load, seconds) },
	{ 'k', 1, 1000000, offsetof(struct load, keys) },
	{ 'b', 1, 1000000, offsetof(struct load, bytes) },
	{ 'w', 0, 100, offsetof(struct load, writes) },
	{ 'W', 2, MAX_CONNS, offsetof(struct load, workers) },
	{ 'P', 1, 3600000, offsetof(struct load, probe_msec) },
	{ 'g', 1, 3600, offsetof(struct load, grace) },
};

static const struct text_option {
	char name;
	size_t offset;
} text_options[] = {
	{ 'p', offsetof(struct load, probe) },
	{ 'C', offsetof(struct load, control_path) },
	{ 'o', offsetof(struct load, csv_path) },
	{ 'R', offsetof(struct load, report_path) },
};

static bool parse_simple_option(struct load *load, int name, const char *text)
{
	for (size_t i = 0; i < sizeof(number_options) / sizeof(*number_options); i++) {
		const struct number_option *option = &number_options[i];

		if (option->name != name)
			continue;
		*(unsigned int *)((char *)load + option->offset) =
			number(name, text, option->min, option->max);
		return true;
	}
	for (size_t i = 0; i < sizeof(text_options) / sizeof(*text_options); i++) {
		if (text_options[i].name != name)
			continue;
		*(const char **)((char *)load + text_options[i].offset) = text;
		return true;
	}
	return false;
}

static void parse_option(struct load *load, int name, char *text)
{
	if (parse_simple_option(load, name, text))
		return;
	switch (name) {
	case 's':
		parse_server(load, text);
		break;
	case 'B':
		parse_batch(load, text);
		break;
	case 'O':
		compile('O', &load->probe_old, text);
		break;
	case 'N':
		compile('N', &load->probe_new, text);
		break;
	case 'n':
		set_priority(text);
		break;
	case 'X':
		load->fresh = true;
		break;
	case 'h':
		fputs(usage_text, stdout);
		exit(0);
	default:
		fputs(usage_text, stderr);
		exit(2);
	}
}

static void parse_options(struct load *load, int argc, char **argv)
{
	bool old = false, new = false;
	int option;

	while ((option = getopt(argc, argv, "s:c:r:t:k:b:w:B:W:p:P:XO:N:n:g:C:o:R:h")) != -1) {
		parse_option(load, option, optarg);
		old |= option == 'O';
		new |= option == 'N';
	}
	if (optind < argc)
		die("unexpected argument '%s'", argv[optind]);
	if (old != new || old != !!load->probe)
		die("-p, -O and -N belong together");
	if (load->batch_keys && load->nr_conns < load->workers)
		die("batches want at least as many connections as the server has threads");
	load->load_stream.interval = NSEC_PER_SEC / load->rate;
	load->nr_probed = load->fresh ? load->workers : load->nr_conns;
	load->last = calloc(load->nr_probed, sizeof(*load->last));
	if (!load->last)
		die("no memory");
	if (load->probe)
		load->probe_stream.interval = load->probe_msec * NSEC_PER_MSEC / load->nr_probed;
}

static void open_connections(struct load *load)
{
	load->conns = calloc(load->nr_conns, sizeof(*load->conns));
	load->regular = calloc(load->nr_conns, sizeof(*load->regular));
	load->batchers = calloc(load->nr_conns, sizeof(*load->batchers));
	if (!load->conns || !load->regular || !load->batchers)
		die("no memory");
	for (unsigned int i = 0; i < load->nr_conns; i++) {
		struct conn *conn = &load->conns[i];

		conn->load = load;
		conn->index = i;
		conn->batch = load->batch_keys && i % load->workers == load->workers - 1;
		conn->versions = calloc(load->keys, sizeof(*conn->versions));
		if (!conn->versions)
			die("no memory");
		conn_open(conn);
		if (conn->batch)
			load->batchers[load->nr_batchers++] = conn;
		else
			load->regular[load->nr_regular++] = conn;
	}
}

/* Sends what is due and returns when the next request is. */
static uint64_t issue(struct load *load)
{
	struct stream *const streams[] = {
		&load->load_stream, &load->batch_stream, &load->probe_stream,
	};
	struct conn **const conns[] = { load->regular, load->batchers, NULL };
	const unsigned int nr_conns[] = { load->nr_regular, load->nr_batchers, load->nr_probed };
	const enum request_kind kinds[] = { REQ_GET, REQ_BATCH, REQ_PROBE };
	uint64_t now = now_ns(), next = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		struct stream *stream = streams[i];
		struct request req = { .kind = kinds[i], .phase = load->phase };

		if (!stream->interval)
			continue;
		for (;; stream->issued++) {
			unsigned int turn = stream->issued % nr_conns[i];
			struct conn *conn;

			req.due = load->start + stream->issued * stream->interval;
			if (req.due > now)
				break;
			if (i == 0) {
				load->random = load->random * 6364136223846793005ULL + 1;
				req.key = (load->random >> 33) % load->keys;
				req.kind = (load->random >> 40) % 100 < load->writes ? REQ_SET :
										       REQ_GET;
			}
			if (req.kind == REQ_PROBE && load->fresh) {
				conn_probe(load, &req, turn);
				continue;
			}
			conn = conns[i] ? conns[i][turn] : &load->conns[turn];
			conn_issue(conn, &req);
			conn_flush(conn);
		}
		if (req.due < next)
			next = req.due;
	}
	return next;
}

static void arm(struct load *load, uint64_t when)
{
	struct itimerspec timer = {
		.it_value = { when / NSEC_PER_SEC, when % NSEC_PER_SEC },
	};

	if (timerfd_settime(load->timer, TFD_TIMER_ABSTIME, &timer, NULL))
		die("timerfd_settime: %s", strerror(errno));
}

static void handle(struct load *load, const struct epoll_event *event)
{
	uint64_t expired;

	if (event->data.ptr == &load->timer) {
		if (read(load->timer, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
			die("timerfd: %s", strerror(errno));
	} else if (event->data.ptr == &load->listener) {
		control_accept(load);
	} else if (event->data.ptr == &load->control) {
		if (load->control >= 0)
			control_serve(load);
	} else {
		struct conn *conn = event->data.ptr;

		if (event->events & ~EPOLLOUT)
			conn_readable(conn);
		if (event->events & EPOLLOUT)
			conn_flush(conn);
		if (conn->passing && conn->fd < 0)
			conn_free(conn);
	}
}

/* Waits until something happens, at the latest at @until. */
static void wait_until(struct load *load, uint64_t until)
{
	struct epoll_event events[64];
	int nr;

	arm(load, until);
	nr = epoll_wait(load->epoll, events, 64, -1);
	if (nr < 0 && errno != EINTR)
		die("epoll_wait: %s", strerror(errno));
	for (int i = 0; i < nr; i++)
		handle(load, &events[i]);
	if (interrupted)
		load->stopping = true;
}

/* Waits for all answers; returns false if they have not come by @deadline. */
static bool drain(struct load *load, uint64_t deadline)
{
	while (load->outstanding && now_ns() < deadline)
		wait_until(load, deadline);
	return !load->outstanding;
}

static void store_own_keys(struct load *load)
{
	for (unsigned int i = 0; i < load->nr_conns; i++) {
		struct conn *conn = &load->conns[i];
		struct request req = { .kind = REQ_SET, .due = now_ns() };

		for (req.key = 0; !conn->batch && req.key < load->keys; req.key++)
			conn_issue(conn, &req);
	}
}

static void start(struct load *load)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &load->timer };

	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (load->epoll < 0 || load->timer < 0 ||
	    epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->timer, &event))
		die("%s", strerror(errno));
	open_connections(load);
	store_own_keys(load);
	conn_store_shared(load);
	for (unsigned int i = 0; i < load->nr_conns; i++)
		conn_flush(&load->conns[i]);
	if (!drain(load, now_ns() + load->grace * NSEC_PER_SEC) || load->trouble)
		die("the keys could not be stored");
	stats_set_phase(load, "start");
	control_open(load);
	load->counting = true;
	load->start = now_ns();
	printf("ready\n");
	fflush(stdout);
}

static void lose(struct conn *conn)
{
	for (; conn->pending; conn->pending--) {
		stats_lost(conn->load, &conn->ring[conn->head]);
		conn->head = (conn->head + 1) % conn->ring_size;
	}
}

static void run(struct load *load)
{
	uint64_t end = UINT64_MAX;

	if (load->seconds)
		end = load->start + load->seconds * NSEC_PER_SEC;
	while (!load->stopping && now_ns() < end) {
		uint64_t next = issue(load);

		wait_until(load, next < end ? next : end);
	}
	if (drain(load, now_ns() + load->grace * NSEC_PER_SEC))
		return;
	for (unsigned int i = 0; i < load->nr_conns; i++)
		lose(&load->conns[i]);
	for (struct conn *conn = load->passing; conn; conn = conn->next)
		lose(conn);
}

static void write_file(const struct load *load, const char *path,
		       void (*write)(const struct load *load, FILE *file))
{
	FILE *file;

	if (!path)
		return;
	file = fopen(path, "w");
	if (!file)
		die("%s: %s", path, strerror(errno));
	write(load, file);
	if (ferror(file) | fclose(file))
		die("%s: cannot be written", path);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	static struct load load = {
		.host = "127.0.0.1", .port = "11211", .nr_conns = 8, .workers = 4, .rate = 1000,
		.keys = 100, .bytes = 100, .writes = 10, .probe_msec = 250, .grace = 10,
		.random = 88172645463325252,
	};

	load.phases = calloc(MAX_PHASES, sizeof(*load.phases));
	if (!load.phases)
		die("no memory");
	parse_options(&load, argc, argv);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	start(&load);
	run(&load);
	control_close(&load);
	stats_print(&load, stdout);
	write_file(&load, load.csv_path, stats_write_csv);
	write_file(&load, load.report_path, stats_write_report);
	return load.trouble ? 1 : 0;
}
