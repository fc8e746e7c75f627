/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of mcload share: requests, connections, phases and their statistics. */
#ifndef MCLOAD_H
#define MCLOAD_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_USEC	1000ULL

#define WINDOW_NSEC	(100 * NSEC_PER_MSEC)
#define PHASE_NAME_MAX	32
#define MAX_PHASES	32
#define MAX_MARKS	256
#define MARK_NAME_MAX	64

/*
 * Buckets of microseconds, 32 to each power of two: a value is known to 3.1 percent, and every
 * value below 64 exactly. The last bucket takes everything from 2^36 us (19 hours) on.
 */
#define HIST_SUB_BITS	5
#define HIST_MAX_BITS	36
#define HIST_BUCKETS	((HIST_MAX_BITS - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

struct histogram {
	uint64_t total;
	uint64_t max;
	uint32_t count[HIST_BUCKETS];
};

void histogram_add(struct histogram *hist, uint64_t usec);
/* The smallest value that @share (0 to 1) of all values do not exceed; 0 if there are none. */
uint64_t histogram_quantile(const struct histogram *hist, double share);

enum request_kind { REQ_SET, REQ_GET, REQ_BATCH, REQ_PROBE };

/* What percentiles are reported for, each by itself. */
enum request_class { CLASS_LOAD, CLASS_BATCH, CLASS_PROBE, NR_CLASSES };

struct request {
	enum request_kind kind;
	uint32_t key;
	uint32_t version;	/* REQ_GET: the version that the answer must show */
	uint32_t phase;		/* the phase in which it was sent */
	uint64_t due;		/* when it should have been sent; its latency counts from there */
};

struct tally {
	uint64_t sent;
	uint64_t answered;
	uint64_t failed;	/* wrong answer, or the connection broke */
	uint64_t lost;		/* no answer by the end */
	struct histogram latency;
};

/* What the probes of one connection, or thread, saw in one phase. */
struct behaviour {
	uint64_t old;
	uint64_t new;
	uint64_t to_new;	/* changes from one probe to the next */
	uint64_t to_old;
};

struct phase {
	char name[PHASE_NAME_MAX];
	struct tally tally[NR_CLASSES];
	struct behaviour *conns;
};

/* 100 ms by the time that requests were due. */
struct window {
	uint32_t phase;
	uint32_t failed;
	uint32_t old;
	uint32_t new;
	struct histogram latency;	/* CLASS_LOAD */
};

struct mark {
	uint64_t when;
	char name[MARK_NAME_MAX];
};

struct buffer {
	char *data;
	size_t len;
	size_t size;
};

enum answer { ANSWER_NONE, ANSWER_OLD, ANSWER_NEW };

struct conn {
	struct load *load;
	unsigned int index;
	int fd;			/* -1 once the connection is broken */
	bool batch;
	bool passing;		/* made for one probe */
	bool polls_out;
	uint32_t *versions;	/* of this connection's own keys, as last sent */
	struct request *ring;	/* requests without an answer, in the order sent */
	size_t head;
	size_t pending;
	size_t ring_size;
	struct buffer out;
	struct buffer in;
	struct conn *next;	/* if passing, in load.passing */
};

/* A stream of requests at a constant rate. */
struct stream {
	uint64_t interval;	/* ns, 0 if there is none */
	uint64_t issued;
};

struct load {
	/* options */
	const char *host;
	const char *port;
	unsigned int nr_conns;
	unsigned int workers;	/* every workers-th connection carries batches; 0: none does */
	unsigned int rate;
	unsigned int keys;	/* per connection */
	unsigned int bytes;	/* of a value */
	unsigned int writes;	/* percent */
	unsigned int batch_keys;
	unsigned int grace;	/* seconds for the last answers */
	unsigned int seconds;	/* 0: until told to stop */
	const char *probe;
	unsigned int probe_msec;
	bool fresh;		/* a connection for each probe; threads are probed in turn */
	regex_t probe_old;
	regex_t probe_new;
	const char *control_path;
	const char *csv_path;
	const char *report_path;

	/* state */
	struct conn *conns;
	struct conn **regular;	/* those that carry the load */
	unsigned int nr_regular;
	struct conn **batchers;
	unsigned int nr_batchers;
	struct conn *passing;
	enum answer *last;	/* by what is probed: connection, or thread */
	unsigned int nr_probed;
	struct stream load_stream;
	struct stream batch_stream;
	struct stream probe_stream;
	struct buffer batch_request;
	struct buffer batch_answer;
	struct buffer scratch;
	bool counting;		/* false while the keys are stored */
	bool stopping;
	uint64_t start;
	uint64_t random;
	uint64_t outstanding;
	uint64_t trouble;	/* failed or lost, in all phases and before them */
	int epoll;
	int timer;
	int listener;
	int control;		/* the connection that a command comes on, -1 if there is none */

	/* statistics */
	struct phase *phases;
	unsigned int nr_phases;
	unsigned int phase;	/* the present one */
	struct window **windows;
	size_t nr_windows;
	struct mark marks[MAX_MARKS];
	unsigned int nr_marks;
};

/* mcload.c */
uint64_t now_ns(void);
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);
void *xrealloc(void *old, size_t size);

/* mcload_conn.c */
void buffer_append(struct buffer *buffer, const void *data, size_t len);
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *buffer,
							 const char *format, ...);
void conn_open(struct conn *conn);
void conn_issue(struct conn *conn, const struct request *req);
void conn_flush(struct conn *conn);
void conn_readable(struct conn *conn);
void conn_probe(struct load *load, const struct request *req, unsigned int thread);
void conn_free(struct conn *conn);
void conn_store_shared(struct load *load);

/* mcload_stats.c */
int stats_set_phase(struct load *load, const char *name);
int stats_mark(struct load *load, const char *name);
void stats_sent(struct load *load, const struct request *req);
void stats_answered(struct load *load, const struct request *req, uint64_t when);
void stats_failed(struct load *load, const struct request *req);
void stats_lost(struct load *load, const struct request *req);
void stats_probe(struct conn *conn, const struct request *req, enum answer answer);
void stats_print(const struct load *load, FILE *file);
void stats_write_csv(const struct load *load, FILE *file);
void stats_write_report(const struct load *load, FILE *file);

/* mcload_control.c */
void control_open(struct load *load);
void control_accept(struct load *load);
void control_serve(struct load *load);
void control_close(struct load *load);

#endif /* MCLOAD_H */
