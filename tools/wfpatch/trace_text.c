// SPDX-License-Identifier: GPL-2.0
/* "wfpatch trace" for people: a line for each event and interval, or a screen. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wfpatch/uapi.h>

#include "trace_model.h"

#define NS_PER_SECOND 1000000000LL
/* Columns of a bar of the histogram. */
#define BAR 40

static const char *trace_reason(__u32 reason)
{
	static const char *const names[] = {
		[WFPATCH_BLOCKED_UNSEEN] = "not looked at yet",
		[WFPATCH_BLOCKED_IP] = "runs old code",
		[WFPATCH_BLOCKED_STACK] = "old code on its stack",
		[WFPATCH_BLOCKED_UNREADABLE] = "stack cannot be read",
		[WFPATCH_BLOCKED_TOO_LARGE] = "stack too large",
		[WFPATCH_BLOCKED_MEMORY] = "no memory",
	};

	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown reason";
}

static const char *trace_how(__s32 how)
{
	static const char *const names[] = {
		[WF_TRACE_POINT] = "at a point of its own",
		[WF_TRACE_ASLEEP] = "asleep",
		[WF_TRACE_GATE] = "at its gate",
		[WF_TRACE_TRAPPED] = "at a call",
	};

	return how >= 0 && how < (int)(sizeof(names) / sizeof(names[0])) ? names[how] : "somehow";
}

const char *trace_end_reason(__s32 reason)
{
	static const char *const names[] = {
		[WF_TRACE_DONE] = "done",
		[WF_TRACE_CANCELLED] = "cancelled",
		[WF_TRACE_ABANDONED] = "abandoned",
	};

	return reason >= 0 && reason < (int)(sizeof(names) / sizeof(names[0])) ? names[reason] :
										 "unknown";
}

/* Names are the traced programs' own: no control character of theirs reaches the terminal. */
static void put_name(FILE *out, const char *name)
{
	for (; *name; name++)
		fputc(isprint((unsigned char)*name) ? *name : '?', out);
}

static void put_clock(FILE *out, const struct trace_model *model, __u64 time)
{
	__s64 ns = (__s64)time + model->clock_offset;
	time_t seconds = ns / NS_PER_SECOND;
	struct tm tm;

	localtime_r(&seconds, &tm);
	fprintf(out, "%02d:%02d:%02d.%06lld", tm.tm_hour, tm.tm_min, tm.tm_sec,
		(long long)(ns % NS_PER_SECOND / 1000));
}

static void put_process(FILE *out, const struct trace_process *process)
{
	if (!process->tgid) {
		fputs("(process not known yet)", out);
		return;
	}
	fprintf(out, "%d ", process->tgid);
	put_name(out, process->comm);
}

static void put_thread(FILE *out, const struct trace_process *process, pid_t tid)
{
	char name[TRACE_COMM];

	trace_thread_name(process->tgid, tid, name);
	fprintf(out, "thread %d%s", tid, *name ? " " : "");
	put_name(out, name);
}

/* A time as people read it. */
static void put_duration(FILE *out, __u64 ns)
{
	if (ns < 10000)
		fprintf(out, "%.1f us", (double)ns / 1e3);
	else if ((__s64)ns < NS_PER_SECOND)
		fprintf(out, "%.2f ms", (double)ns / 1e6);
	else
		fprintf(out, "%.3f s", (double)ns / 1e9);
}

/* Since the transition under way began, if that was seen. */
static void put_since(FILE *out, const struct trace_process *process, __u64 time)
{
	if (!process->transition.begin || time < process->transition.begin)
		return;
	fputs(", ", out);
	put_duration(out, time - process->transition.begin);
	fputs(" after it began", out);
}

static void put_address(FILE *out, const struct trace_model *model,
			const struct trace_process *process, __u64 address)
{
	char name[TRACE_NAME];

	trace_name_address(model, process, address, name);
	put_name(out, name);
}

static void put_blocked(FILE *out, const struct trace_model *model,
			const struct trace_process *process, const struct trace_thread *thread)
{
	fprintf(out, "%s, ip ", trace_reason(thread->reason));
	put_address(out, model, process, thread->ip);
	if (!thread->where)
		return;
	fputs(", ", out);
	put_address(out, model, process, thread->word);
	fprintf(out, " at %#llx", thread->where);
}

static void put_look(FILE *out, const struct trace_model *model,
		     const struct trace_process *process, const struct wf_trace_look *look)
{
	const struct trace_thread thread = {
		.reason = look->reason, .ip = look->ip, .where = look->where, .word = look->word,
	};

	put_thread(out, process, look->tid);
	fprintf(out, " stays in view %u: ", look->view);
	put_blocked(out, model, process, &thread);
}

static void put_event(FILE *out, const struct trace_model *model,
		      const struct trace_process *process, const struct wf_trace_record *record)
{
	const union wf_trace_event *e = &record->event;
	static const char *const actions[] = { "made", "copied", "dropped" };

	switch (record->type) {
	case WF_TRACE_open:
		fprintf(out, "opened by %d", e->open.by);
		break;
	case WF_TRACE_create:
		fprintf(out, "view %u created from view %u", e->create.view, e->create.parent);
		break;
	case WF_TRACE_delete:
		fprintf(out, "view %u deleted, %u threads in it", e->delete.view,
			e->delete.threads);
		break;
	case WF_TRACE_migrate:
		put_thread(out, process, e->migrate.tid);
		fprintf(out, " from view %u to view %u", e->migrate.from, e->migrate.to);
		put_since(out, process, record->time);
		break;
	case WF_TRACE_overlay:
		fprintf(out, "view %u: page %#llx %s", e->overlay.view, e->overlay.addr,
			actions[(__u32)e->overlay.action % 3]);
		break;
	case WF_TRACE_sync:
		fprintf(out, "view %u: synced at %#llx", e->sync.view, e->sync.addr);
		break;
	case WF_TRACE_revalidate:
		fprintf(out, "view %u: revalidated %#llx-%#llx%s", e->revalidate.view,
			e->revalidate.start, e->revalidate.end,
			e->revalidate.changed ? ", changed" : "");
		break;
	case WF_TRACE_transition_begin:
		fprintf(out, "transition to view %u begins, ", e->transition_begin.view);
		if (e->transition_begin.flags & WFPATCH_TRANSITION_AUTO)
			fprintf(out, "auto, %u spans", e->transition_begin.nr_spans);
		else
			fputs("explicit", out);
		break;
	case WF_TRACE_transition_end:
		fprintf(out, "transition to view %u %s, %u threads there", e->transition_end.view,
			trace_end_reason(e->transition_end.reason), e->transition_end.threads);
		put_since(out, process, record->time);
		break;
	case WF_TRACE_look:
		put_look(out, model, process, &e->look);
		break;
	case WF_TRACE_move:
		put_thread(out, process, e->move.tid);
		fprintf(out, " from view %u to view %u %s", e->move.from, e->move.to,
			trace_how(e->move.how));
		put_since(out, process, record->time);
		break;
	case WF_TRACE_trap:
		put_thread(out, process, e->trap.tid);
		fputs(" calls ", out);
		put_address(out, model, process, e->trap.addr);
		fputs(e->trap.moved ? ", moved" : ", stays", out);
		break;
	case WF_TRACE_commit:
		fprintf(out, "commit of view %u, %u pages: %s", e->commit.view, e->commit.pages,
			e->commit.result ? strerror(-e->commit.result) : "done");
		break;
	}
}

void trace_text_record(FILE *out, const struct trace_model *model,
		       const struct trace_process *process, const struct wf_trace_record *record)
{
	put_clock(out, model, record->time);
	fputs("  ", out);
	put_process(out, process);
	fputs(": ", out);
	put_event(out, model, process, record);
	fputc('\n', out);
}

/* A line for the transition, and one for each thread that it waits for, at most @room in all. */
static unsigned int put_transition(FILE *out, const struct trace_model *model,
				   const struct trace_process *process, __u64 time,
				   unsigned int room)
{
	const struct trace_transition *transition = &process->transition;
	struct trace_thread *thread = NULL;
	unsigned int used = 1;
	size_t missing, moved;

	if (!transition->active || !room)
		return 0;
	missing = trace_count_missing(process, &moved);
	put_process(out, process);
	if (transition->begin)
		fprintf(out, ": transition to view %u", transition->view);
	else
		fputs(": transition from before", out);
	put_since(out, process, time);
	fprintf(out, ": %zu threads there, %zu missing\n", moved, missing);
	while (used < room && (thread = trace_next_missing(process, thread))) {
		used++;
		if (used == room && missing > 1) {
			fprintf(out, "    and %zu more\n", missing);
			break;
		}
		missing--;
		fputs("    ", out);
		put_thread(out, process, thread->tid);
		fputs(": ", out);
		if (!thread->looks) {
			fputs("not seen to move yet\n", out);
			continue;
		}
		put_blocked(out, model, process, thread);
		fprintf(out, " (%u looks)\n", thread->looks);
	}
	return used;
}

static bool is_active(const struct trace_process *process)
{
	return memcmp(&process->now, &process->before, sizeof(process->now)) ||
	       process->transition.active;
}

static long long live_views(const struct trace_process *process)
{
	return (long long)process->now.created - (long long)process->now.deleted;
}

/* Counters that are shown as rates. */
struct rates {
	double migrations, syncs, revalidations, made, copied, traps;
};

static struct rates rates_of(const struct trace_process *process, double seconds)
{
	const struct wf_trace_stats *now = &process->now, *before = &process->before;

	return (struct rates){
		.migrations = (double)(now->migrations - before->migrations) / seconds,
		.syncs = (double)(now->syncs - before->syncs) / seconds,
		.revalidations = (double)(now->revalidations - before->revalidations) / seconds,
		.made = (double)(now->made - before->made) / seconds,
		.copied = (double)(now->copied - before->copied) / seconds,
		.traps = (double)(now->traps - before->traps) / seconds,
	};
}

void trace_text_interval(FILE *out, const struct trace_model *model, __u64 time, double seconds)
{
	const struct trace_process *process;
	struct rates r;

	for (process = model->processes; process; process = process->next) {
		if (process->ended || !trace_process_wanted(model, process) || !is_active(process))
			continue;
		r = rates_of(process, seconds);
		put_clock(out, model, time);
		fputs("  ", out);
		put_process(out, process);
		fprintf(out, ": views %+lld, migrations %.1f/s, syncs %.1f/s, revalidations %.1f/s, pages made %.1f/s, copied %.1f/s, traps %.1f/s\n",
			live_views(process), r.migrations, r.syncs, r.revalidations, r.made,
			r.copied, r.traps);
		put_transition(out, model, process, time, -1U);
	}
}

/* The latencies of all processes that are wanted. Returns how many. */
static __u64 sum_latency(const struct trace_model *model, struct wf_trace_stats *sum)
{
	const struct trace_process *process;
	__u64 all = 0;

	*sum = (struct wf_trace_stats){ 0 };
	for (process = model->processes; process; process = process->next) {
		if (!trace_process_wanted(model, process))
			continue;
		for (int i = 0; i < WF_TRACE_SLOTS; i++) {
			sum->latency[i] += process->now.latency[i];
			all += process->now.latency[i];
		}
		sum->latency_sum += process->now.latency_sum;
		if (process->now.latency_max > sum->latency_max)
			sum->latency_max = process->now.latency_max;
	}
	return all;
}

static void put_slot(FILE *out, int slot)
{
	static const char *const units[] = { "us", "ms", "s" };
	__u64 edge = 1ULL << slot;
	int unit = 0;

	while (unit < 2 && edge >= 1024) {
		edge /= 1024;
		unit++;
	}
	if (slot < WF_TRACE_SLOTS - 1)
		fprintf(out, "  below %4llu %-2s ", edge, units[unit]);
	else
		fprintf(out, "  above %13s ", "");
}

/* From the first slot that is not empty to the last, at most @room lines. */
static unsigned int put_histogram(FILE *out, const struct trace_model *model, unsigned int room)
{
	struct wf_trace_stats sum;
	__u64 all = sum_latency(model, &sum), most = 1;
	int first = WF_TRACE_SLOTS, last = -1;
	unsigned int used = 1;

	if (!all || room < 2)
		return 0;
	for (int i = 0; i < WF_TRACE_SLOTS; i++) {
		if (!sum.latency[i])
			continue;
		if (first > i)
			first = i;
		last = i;
		if (sum.latency[i] > most)
			most = sum.latency[i];
	}
	fprintf(out, "%llu migrations after their transition began: mean ", all);
	put_duration(out, sum.latency_sum / all);
	fputs(", longest ", out);
	put_duration(out, sum.latency_max);
	fputc('\n', out);
	for (int i = first; i <= last && used < room; i++, used++) {
		int length = (int)((sum.latency[i] * BAR + most - 1) / most);

		put_slot(out, i);
		fprintf(out, "%8llu |", sum.latency[i]);
		for (int column = 0; column < length; column++)
			fputc('#', out);
		fputc('\n', out);
	}
	return used;
}

/* Lines that are too long are cut by the caller's terminal setting; lines that are too many here. */
void trace_text_screen(FILE *out, const struct trace_model *model, __u64 time, double seconds,
		       char **recent, size_t nr_recent, unsigned int rows, unsigned int columns)
{
	const struct trace_process *process;
	unsigned int used = 2, shown = 0, room;
	struct rates r;

	put_clock(out, model, time);
	fprintf(out, "  wfpatch trace, events lost: %llu\n", model->lost);
	fprintf(out, "%8s %-15s %6s %9s %9s %9s %8s %8s %8s\n", "PID", "NAME", "VIEWS",
		"MIGR/s", "SYNC/s", "REVAL/s", "MADE/s", "COPY/s", "TRAP/s");
	for (process = model->processes; process && used + 1 < rows; process = process->next) {
		if (process->ended || !trace_process_wanted(model, process))
			continue;
		/* Half of the screen is for the rest. */
		if (++shown > rows / 2)
			break;
		r = rates_of(process, seconds);
		fprintf(out, "%8d ", process->tgid);
		for (size_t i = 0; i < TRACE_COMM - 1; i++) {
			char c = i < strlen(process->comm) ? process->comm[i] : ' ';

			fputc(isprint((unsigned char)c) ? c : '?', out);
		}
		fprintf(out, " %+6lld %9.1f %9.1f %9.1f %8.1f %8.1f %8.1f\n",
			live_views(process), r.migrations, r.syncs, r.revalidations, r.made,
			r.copied, r.traps);
		used++;
	}
	for (process = model->processes; process && used + 1 < rows; process = process->next) {
		room = rows - used - 1 < 10 ? rows - used - 1 : 10;
		if (trace_process_wanted(model, process))
			used += put_transition(out, model, process, time, room);
	}
	if (used + 1 < rows)
		used += put_histogram(out, model, rows - used - 1);
	for (size_t i = 0; i < nr_recent && used + 1 < rows; i++, used++)
		fprintf(out, "%.*s\n", (int)columns, recent[i]);
}

void trace_text_end(FILE *out, const struct trace_model *model, double seconds)
{
	const struct trace_process *process;

	fprintf(out, "in %.1f s, events lost: %llu\n", seconds, model->lost);
	for (process = model->processes; process; process = process->next) {
		const struct wf_trace_stats *now = &process->now;

		if (!trace_process_wanted(model, process))
			continue;
		put_process(out, process);
		fprintf(out, ": views created %llu, deleted %llu; migrations %llu, syncs %llu, revalidations %llu (%llu changed); pages made %llu, copied %llu, dropped %llu; transitions %llu, looks %llu, traps %llu, commits %llu\n",
			now->created, now->deleted, now->migrations, now->syncs,
			now->revalidations, now->changed, now->made, now->copied, now->dropped,
			now->transitions, now->looks, now->traps, now->commits);
	}
	put_histogram(out, model, -1U);
}
