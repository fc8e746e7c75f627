// SPDX-License-Identifier: GPL-2.0
/*
 * The connections of mcload: requests go out in order, possibly many before the first answer, and
 * each answer is compared byte by byte with the one it must be. A connection with a wrong answer is
 * given up: nothing that follows on it could be matched to its request.
 */
#define _GNU_SOURCE
#include "mcload.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROBE_LINE_MAX	2048
#define READ_SIZE	65536
#define PROBE_TTL	86400	/* seconds */

static char *buffer_room(struct buffer *buffer, size_t len)
{
	if (buffer->size - buffer->len < len) {
		buffer->size = 2 * buffer->size + len;
		buffer->data = xrealloc(buffer->data, buffer->size);
	}
	return buffer->data + buffer->len;
}

void buffer_append(struct buffer *buffer, const void *data, size_t len)
{
	memcpy(buffer_room(buffer, len), data, len);
	buffer->len += len;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	char text[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text))
		die("a line of %d bytes is too long", len);
	buffer_append(buffer, text, len);
}

static void buffer_consume(struct buffer *buffer, size_t len)
{
	buffer->len -= len;
	memmove(buffer->data, buffer->data + len, buffer->len);
}

/* The value of a key follows from its connection, number and version, and so can be checked. */
static void append_value(struct buffer *buffer, unsigned int conn, uint32_t key, uint32_t version,
			 unsigned int bytes)
{
	uint64_t state = ((uint64_t)conn << 48) ^ ((uint64_t)key << 32) ^ version;
	char *at = buffer_room(buffer, bytes);
	char text[32];
	unsigned int len;

	len = snprintf(text, sizeof(text), "%u.%u.%u:", conn, key, version);
	if (len > bytes)
		len = bytes;
	memcpy(at, text, len);
	for (unsigned int i = len; i < bytes; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		at[i] = 'a' + (state >> 60);
	}
	buffer->len += bytes;
}

static void give_up(struct conn *conn, const char *why)
{
	struct load *load = conn->load;

	fprintf(stderr, "mcload: connection %u: %s\n", conn->index, why);
	if (!conn->pending)
		load->trouble++;
	while (conn->pending) {
		stats_failed(load, &conn->ring[conn->head]);
		conn->head = (conn->head + 1) % conn->ring_size;
		conn->pending--;
	}
	close(conn->fd);
	conn->fd = -1;
}

static void poll_out(struct conn *conn, bool on)
{
	struct epoll_event event = {
		.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN,
		.data.ptr = conn,
	};

	if (conn->polls_out == on)
		return;
	if (epoll_ctl(conn->load->epoll, EPOLL_CTL_MOD, conn->fd, &event))
		die("epoll_ctl: %s", strerror(errno));
	conn->polls_out = on;
}

void conn_flush(struct conn *conn)
{
	while (conn->fd >= 0 && conn->out.len) {
		ssize_t len = send(conn->fd, conn->out.data, conn->out.len,
				   MSG_NOSIGNAL | MSG_DONTWAIT);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN)
			break;
		if (len < 0) {
			give_up(conn, strerror(errno));
			return;
		}
		buffer_consume(&conn->out, len);
	}
	if (conn->fd >= 0)
		poll_out(conn, conn->out.len);
}

static void push(struct conn *conn, const struct request *req)
{
	if (conn->pending == conn->ring_size) {
		size_t size = conn->ring_size ? 2 * conn->ring_size : 64;
		struct request *ring = xrealloc(NULL, size * sizeof(*ring));

		for (size_t i = 0; i < conn->pending; i++)
			ring[i] = conn->ring[(conn->head + i) % conn->ring_size];
		free(conn->ring);
		conn->ring = ring;
		conn->ring_size = size;
		conn->head = 0;
	}
	conn->ring[(conn->head + conn->pending++) % conn->ring_size] = *req;
}

/* Puts a request into the connection's output; conn_flush() sends it. */
void conn_issue(struct conn *conn, const struct request *request)
{
	struct load *load = conn->load;
	struct request req = *request;

	stats_sent(load, &req);
	if (conn->fd < 0) {
		stats_failed(load, &req);
		return;
	}
	switch (req.kind) {
	case REQ_SET:
		req.version = ++conn->versions[req.key];
		buffer_printf(&conn->out, "set load.%u.%u 0 0 %u\r\n", conn->index, req.key,
			      load->bytes);
		append_value(&conn->out, conn->index, req.key, req.version, load->bytes);
		buffer_append(&conn->out, "\r\n", 2);
		break;
	case REQ_GET:
		req.version = conn->versions[req.key];
		buffer_printf(&conn->out, "get load.%u.%u\r\n", conn->index, req.key);
		break;
	case REQ_BATCH:
		buffer_append(&conn->out, load->batch_request.data, load->batch_request.len);
		break;
	case REQ_PROBE:
		buffer_printf(&conn->out, "%s\r\n", load->probe);
		break;
	}
	push(conn, &req);
}

/* Stores a key that is no connection's own: nobody changes it later. */
static void store(struct conn *conn, const char *key, unsigned int seconds, uint32_t number)
{
	struct load *load = conn->load;
	struct request req = { .kind = REQ_SET, .due = now_ns() };

	buffer_printf(&conn->out, "set %s 0 %u %u\r\n", key, seconds, load->bytes);
	append_value(&conn->out, load->nr_conns, number, 0, load->bytes);
	buffer_append(&conn->out, "\r\n", 2);
	stats_sent(load, &req);
	push(conn, &req);
}

/* Stores the keys of batches and of the probe. All batches have one answer, which is kept. */
void conn_store_shared(struct load *load)
{
	char key[32];

	if (load->probe)
		store(&load->conns[0], "probe", PROBE_TTL, UINT32_MAX);
	if (!load->batch_keys)
		return;
	buffer_printf(&load->batch_request, "get");
	for (uint32_t i = 0; i < load->batch_keys; i++) {
		snprintf(key, sizeof(key), "batch.%u", i);
		store(&load->conns[i % load->nr_conns], key, 0, i);
		buffer_printf(&load->batch_request, " %s", key);
		buffer_printf(&load->batch_answer, "VALUE %s 0 %u\r\n", key, load->bytes);
		append_value(&load->batch_answer, load->nr_conns, i, 0, load->bytes);
		buffer_append(&load->batch_answer, "\r\n", 2);
	}
	buffer_printf(&load->batch_request, "\r\n");
	buffer_printf(&load->batch_answer, "END\r\n");
}

static const struct buffer *expected_answer(struct conn *conn, const struct request *req)
{
	struct load *load = conn->load;
	struct buffer *scratch = &load->scratch;

	if (req->kind == REQ_BATCH)
		return &load->batch_answer;
	scratch->len = 0;
	if (req->kind == REQ_SET) {
		buffer_printf(scratch, "STORED\r\n");
		return scratch;
	}
	buffer_printf(scratch, "VALUE load.%u.%u 0 %u\r\n", conn->index, req->key, load->bytes);
	append_value(scratch, conn->index, req->key, req->version, load->bytes);
	buffer_printf(scratch, "\r\nEND\r\n");
	return scratch;
}

static void show_mismatch(struct conn *conn, const char *data, size_t len)
{
	char text[160];
	size_t at = 0;

	for (size_t i = 0; i < len && at < sizeof(text) - 5; i++) {
		unsigned char c = data[i];

		if (c >= ' ' && c < 127)
			text[at++] = c;
		else
			at += snprintf(text + at, sizeof(text) - at, "\\x%02x", c);
	}
	text[at] = 0;
	fprintf(stderr, "mcload: connection %u answered '%s'\n", conn->index, text);
}

/* Returns the length of the answer, 0 if it is not complete, -1 if it is wrong. */
static ssize_t check_data(struct conn *conn, const struct request *req, const char *data,
			  size_t len)
{
	const struct buffer *expected = expected_answer(conn, req);

	if (memcmp(data, expected->data, len < expected->len ? len : expected->len))
		return -1;
	return len < expected->len ? 0 : (ssize_t)expected->len;
}

/* Returns false if the answer to a probe is neither the old code's nor the new one's. */
static bool judge_probe(struct conn *conn, const struct request *req, const char *data, size_t len)
{
	struct load *load = conn->load;
	char line[PROBE_LINE_MAX];
	bool old, new;

	if (len >= PROBE_LINE_MAX)
		return false;
	memcpy(line, data, len);
	line[len] = 0;
	old = !regexec(&load->probe_old, line, 0, NULL, 0);
	new = !regexec(&load->probe_new, line, 0, NULL, 0);
	if (old == new)
		return false;
	stats_probe(conn, req, old ? ANSWER_OLD : ANSWER_NEW);
	return true;
}

static ssize_t check_probe(struct conn *conn, const struct request *req, const char *data,
			   size_t len)
{
	const char *end = memmem(data, len, "\r\n", 2);

	if (!end)
		return len < PROBE_LINE_MAX ? 0 : -1;
	return judge_probe(conn, req, data, end - data) ? end + 2 - data : -1;
}

static void check_answers(struct conn *conn, uint64_t when)
{
	size_t done = 0;

	while (conn->pending && done < conn->in.len) {
		const struct request *req = &conn->ring[conn->head];
		const char *data = conn->in.data + done;
		size_t len = conn->in.len - done;
		ssize_t used;

		if (req->kind == REQ_PROBE)
			used = check_probe(conn, req, data, len);
		else
			used = check_data(conn, req, data, len);
		if (!used)
			break;
		if (used < 0) {
			show_mismatch(conn, data, len);
			give_up(conn, "wrong answer");
			return;
		}
		stats_answered(conn->load, req, when);
		conn->head = (conn->head + 1) % conn->ring_size;
		conn->pending--;
		done += used;
	}
	buffer_consume(&conn->in, done);
	if (!conn->pending && conn->in.len) {
		show_mismatch(conn, conn->in.data, conn->in.len);
		give_up(conn, "answer without a request");
	}
}

/* The server has closed the connection of a probe: the answer is whole. */
static void end_probe(struct conn *conn)
{
	const struct request *req = &conn->ring[conn->head];
	size_t len = conn->in.len;

	if (len >= 2 && !memcmp(conn->in.data + len - 2, "\r\n", 2))
		len -= 2;
	/* The data of a buffer that nothing came into are NULL. */
	if (!judge_probe(conn, req, len ? conn->in.data : "", len)) {
		show_mismatch(conn, conn->in.data, conn->in.len);
		give_up(conn, "wrong answer to a probe");
		return;
	}
	stats_answered(conn->load, req, now_ns());
	conn->pending = 0;
	close(conn->fd);
	conn->fd = -1;
}

void conn_readable(struct conn *conn)
{
	while (conn->fd >= 0) {
		char *room = buffer_room(&conn->in, READ_SIZE);
		ssize_t len = recv(conn->fd, room, READ_SIZE, MSG_DONTWAIT);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN)
			return;
		if (!len && conn->passing) {
			end_probe(conn);
			return;
		}
		if (len <= 0) {
			give_up(conn, len ? strerror(errno) : "closed by the server");
			return;
		}
		conn->in.len += len;
		if (!conn->passing)
			check_answers(conn, now_ns());
		else if (conn->in.len >= READ_SIZE)
			give_up(conn, "no end of the answer to a probe");
		if (len < READ_SIZE)
			return;
	}
}

void conn_open(struct conn *conn)
{
	struct load *load = conn->load;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
	struct addrinfo *address;
	int error, one = 1;

	error = getaddrinfo(load->host, load->port, &hints, &address);
	if (error)
		die("%s:%s: %s", load->host, load->port, gai_strerror(error));
	conn->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0 || connect(conn->fd, address->ai_addr, address->ai_addrlen))
		die("%s:%s: %s", load->host, load->port, strerror(errno));
	freeaddrinfo(address);
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, conn->fd, &event))
		die("epoll_ctl: %s", strerror(errno));
}

void conn_probe(struct load *load, const struct request *req, unsigned int thread)
{
	struct conn *conn = xrealloc(NULL, sizeof(*conn));

	*conn = (struct conn){
		.load = load, .index = thread, .passing = true, .next = load->passing,
	};
	load->passing = conn;
	conn_open(conn);
	stats_sent(load, req);
	push(conn, req);
	buffer_append(&conn->out, load->probe, strlen(load->probe));
	conn_flush(conn);
	if (conn->fd < 0)
		conn_free(conn);
}

/* The end of a connection that was made for one probe. */
void conn_free(struct conn *conn)
{
	struct conn **link = &conn->load->passing;

	while (*link != conn)
		link = &(*link)->next;
	*link = conn->next;
	free(conn->ring);
	free(conn->out.data);
	free(conn->in.data);
	free(conn);
}
