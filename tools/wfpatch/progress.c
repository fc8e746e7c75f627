// SPDX-License-Identifier: GPL-2.0
/*
 * How far a transition is: a bar with the missing threads below it on a terminal, else a line now and
 * then. On standard error, so that standard output has the results only.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <stdlib.h>
#include "tool.h"

/* Threads that are shown below the bar; with --watch as many as there is room for. */
#define SHOWN 4
#define BAR 30
/* Not on a terminal: a line at most this often. */
#define LINE_MS 1000

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, pid_t pid, const char *name, const struct options *options)
{
	memset(p, 0, sizeof(*p));
	p->pid = pid;
	p->name = name;
	p->options = options;
	p->started_ms = now_ms();
	p->tty = isatty(STDERR_FILENO) && !options->quiet;
}

static void erase(struct progress *p)
{
	/* To the first of the lines that were drawn, and from there to the end of the screen. */
	if (p->drawn > 1)
		fprintf(stderr, "\033[%uA", p->drawn - 1);
	if (p->drawn)
		fputs("\r\033[J", stderr);
	p->drawn = 0;
}

static void screen(unsigned int *rows, unsigned int *columns)
{
	struct winsize size;

	*rows = 24;
	*columns = 80;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		return;
	*rows = size.ws_row;
	*columns = size.ws_col;
}

/* Why a thread is not over yet, in words. */
static void reason(struct progress *p, const struct wfpatch_blocked_info *b, char *text,
		   size_t size)
{
	char ip[256], word[256];

	if (!p->symbols)
		p->symbols = symbols_new(p->pid, p->options->debug);
	symbols_name(p->symbols, b->ip, ip, sizeof(ip));
	switch (b->reason) {
	case WFPATCH_BLOCKED_IP:
		snprintf(text, size, "is in %s", ip);
		break;
	case WFPATCH_BLOCKED_STACK:
		symbols_name(p->symbols, b->word, word, sizeof(word));
		snprintf(text, size, "is in %s, its stack has %s at %#llx", ip, word,
			 (unsigned long long)b->where);
		break;
	case WFPATCH_BLOCKED_UNREADABLE:
		snprintf(text, size, "is in %s, its stack cannot be read at %#llx", ip,
			 (unsigned long long)b->where);
		break;
	case WFPATCH_BLOCKED_TOO_LARGE:
		snprintf(text, size, "is in %s, its stack is too large, from %#llx on", ip,
			 (unsigned long long)b->where);
		break;
	case WFPATCH_BLOCKED_MEMORY:
		snprintf(text, size, "could not be moved for want of memory");
		break;
	default:
		snprintf(text, size, "has not been looked at yet");
	}
}

/* One line of at most @columns; a longer one would take two, and could not be erased. */
static void put_line(struct progress *p, unsigned int columns, const char *text)
{
	char *clean = printable(text);
	size_t len;

	if (!clean)
		return;
	len = strlen(clean);
	if (len >= columns)
		len = columns - 1;
	/* Not in the middle of a character. */
	while (len && (clean[len] & 0xc0) == 0x80)
		len--;
	fprintf(stderr, "%s%.*s", p->drawn ? "\n" : "", (int)len, clean);
	p->drawn++;
	free(clean);
}

static void put_blocked(struct progress *p, const struct wfpatch_blocked_info *b,
			unsigned int columns)
{
	char why[640], line[768];

	reason(p, b, why, sizeof(why));
	snprintf(line, sizeof(line), "  %d (%.16s) %s", b->tid, b->comm, why);
	put_line(p, columns, line);
}

static void draw(struct progress *p, const struct wfpatch_progress *state)
{
	unsigned int over = state->threads - state->missing, filled, rows, columns, room, i;
	char bar[BAR + 1], line[512];

	screen(&rows, &columns);
	filled = state->threads ? over * BAR / state->threads : BAR;
	for (i = 0; i < BAR; i++)
		bar[i] = i < filled ? '#' : '-';
	bar[BAR] = '\0';
	erase(p);
	snprintf(line, sizeof(line), "%d (%s) [%s] %u/%u threads, %.1f s%s", p->pid, p->name, bar,
		 over, state->threads, (now_ms() - p->started_ms) / 1000.0,
		 p->returning ? ", taking everything back" : "");
	put_line(p, columns, line);
	if (state->hook) {
		snprintf(line, sizeof(line), "  waiting for a thread to run %s", state->hook);
		put_line(p, columns, line);
	}
	room = p->options->watch ? rows - 2 : SHOWN;
	for (i = 0; i < state->nr_blocked && i < room; i++)
		put_blocked(p, &state->blocked[i], columns);
	fflush(stderr);
}

/* Where nobody looks at it while it happens: only what is worth keeping. */
static void put_plain(struct progress *p, const struct wfpatch_progress *state)
{
	char why[640], comm[17], *clean, *name;

	if (state->hook && now_ms() - p->last_line_ms >= LINE_MS && !p->last_hook) {
		p->last_hook = true;
		fprintf(stderr, "wfpatch: %d (%s): waiting for a thread to run %s\n", p->pid,
			p->name, state->hook);
	}
	if (!state->missing || now_ms() - p->last_line_ms < LINE_MS ||
	    (state->missing == p->last_missing && !p->options->watch))
		return;
	p->last_line_ms = now_ms();
	p->last_missing = state->missing;
	fprintf(stderr, "wfpatch: %d (%s): %u of %u threads are missing", p->pid, p->name,
		state->missing, state->threads);
	if (state->nr_blocked) {
		reason(p, &state->blocked[0], why, sizeof(why));
		snprintf(comm, sizeof(comm), "%.16s", state->blocked[0].comm);
		clean = printable(why);
		name = printable(comm);
		fprintf(stderr, ", among them %d (%s), which %s", state->blocked[0].tid,
			name ? name : "", clean ? clean : "");
		free(name);
		free(clean);
	}
	fputc('\n', stderr);
}

int progress_show(const struct wfpatch_progress *state, void *data)
{
	struct progress *p = data;

	p->threads = state->threads;
	if (p->tty)
		draw(p, state);
	else if (!p->options->quiet && now_ms() - p->started_ms >= LINE_MS)
		put_plain(p, state);
	if (!signals_seen())
		return 0;
	p->returning = true;
	if (p->tty)
		draw(p, state);
	return 1;
}

void progress_end(struct progress *p)
{
	erase(p);
	fflush(stderr);
	symbols_free(p->symbols);
	p->symbols = NULL;
}
