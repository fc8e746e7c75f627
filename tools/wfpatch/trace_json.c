// SPDX-License-Identifier: GPL-2.0
/* "wfpatch trace --json": an object on each line. docs/tracing.md lists their members. */
#include <wfpatch/uapi.h>

#include "trace_model.h"

#define NS_PER_SECOND 1000000000LL

/* Names are bytes of the traced programs' choice; all but plain ASCII is taken for Latin-1. */
static void put_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

/* A member that is a string literal; what comes from elsewhere goes through put_text(). */
#define STRING(name, value) fprintf(out, ",\"" name "\":\"%s\"", value)
#define NUMBER(name, value) fprintf(out, ",\"" name "\":%lld", (long long)(value))
#define TRUTH(name, value) fprintf(out, ",\"" name "\":%s", (value) ? "true" : "false")
/* Addresses are strings: numbers of JSON are floating point to many readers. */
#define ADDRESS(name, value) fprintf(out, ",\"" name "\":\"%#llx\"", (unsigned long long)(value))

static void begin_line(FILE *out, const struct trace_model *model, const char *type, __u64 time)
{
	__s64 ns = (__s64)time + model->clock_offset;

	fprintf(out, "{\"type\":\"%s\",\"time\":%lld.%06lld", type, (long long)(ns / NS_PER_SECOND),
		(long long)(ns % NS_PER_SECOND / 1000));
}

static void put_process(FILE *out, const struct trace_process *process)
{
	NUMBER("pid", process->tgid);
	fputs(",\"name\":", out);
	put_text(out, process->comm);
}

static const char *reason_word(__u32 reason)
{
	static const char *const words[] = {
		[WFPATCH_BLOCKED_UNSEEN] = "unseen",
		[WFPATCH_BLOCKED_IP] = "ip",
		[WFPATCH_BLOCKED_STACK] = "stack",
		[WFPATCH_BLOCKED_UNREADABLE] = "unreadable",
		[WFPATCH_BLOCKED_TOO_LARGE] = "too-large",
		[WFPATCH_BLOCKED_MEMORY] = "memory",
	};

	return reason < sizeof(words) / sizeof(words[0]) ? words[reason] : "unknown";
}

static const char *how_word(__s32 how)
{
	static const char *const words[] = { "point", "asleep", "gate", "trap" };

	return how >= 0 && how < (int)(sizeof(words) / sizeof(words[0])) ? words[how] : "unknown";
}

static void put_address_name(FILE *out, const struct trace_model *model,
			     const struct trace_process *process, const char *member, __u64 address)
{
	char name[TRACE_NAME];

	trace_name_address(model, process, address, name);
	fprintf(out, ",\"%s\":", member);
	put_text(out, name);
}

static void put_blocked(FILE *out, const struct trace_model *model,
			const struct trace_process *process, const struct trace_thread *thread)
{
	STRING("reason", reason_word(thread->reason));
	ADDRESS("ip", thread->ip);
	put_address_name(out, model, process, "ip_name", thread->ip);
	ADDRESS("where", thread->where);
	ADDRESS("word", thread->word);
	if (thread->where)
		put_address_name(out, model, process, "word_name", thread->word);
}

static void put_transition_event(FILE *out, const struct wf_trace_record *record)
{
	const union wf_trace_event *e = &record->event;

	if (record->type == WF_TRACE_transition_begin) {
		NUMBER("view", e->transition_begin.view);
		NUMBER("seq", e->transition_begin.seq);
		TRUTH("auto", e->transition_begin.flags & WFPATCH_TRANSITION_AUTO);
		NUMBER("spans", e->transition_begin.nr_spans);
		return;
	}
	NUMBER("view", e->transition_end.view);
	NUMBER("seq", e->transition_end.seq);
	NUMBER("threads", e->transition_end.threads);
	STRING("reason", trace_end_reason(e->transition_end.reason));
}

static void put_look(FILE *out, const struct trace_model *model,
		     const struct trace_process *process, const struct wf_trace_look *look)
{
	const struct trace_thread thread = {
		.reason = look->reason, .ip = look->ip, .where = look->where, .word = look->word,
	};

	NUMBER("tid", look->tid);
	NUMBER("view", look->view);
	put_blocked(out, model, process, &thread);
}

/* What happened to one thread. */
static void put_thread_event(FILE *out, const struct wf_trace_record *record)
{
	const union wf_trace_event *e = &record->event;

	switch (record->type) {
	case WF_TRACE_migrate:
		NUMBER("tid", e->migrate.tid);
		NUMBER("from", e->migrate.from);
		NUMBER("to", e->migrate.to);
		break;
	case WF_TRACE_move:
		NUMBER("tid", e->move.tid);
		NUMBER("from", e->move.from);
		NUMBER("to", e->move.to);
		STRING("how", how_word(e->move.how));
		break;
	case WF_TRACE_trap:
		NUMBER("tid", e->trap.tid);
		ADDRESS("address", e->trap.addr);
		TRUTH("moved", e->trap.moved);
		break;
	}
}

static void put_event(FILE *out, const struct trace_model *model,
		      const struct trace_process *process, const struct wf_trace_record *record)
{
	static const char *const actions[] = { "make", "copy", "drop" };
	const union wf_trace_event *e = &record->event;

	switch (record->type) {
	case WF_TRACE_open:
		NUMBER("by", e->open.by);
		break;
	case WF_TRACE_create:
		NUMBER("view", e->create.view);
		NUMBER("parent", e->create.parent);
		break;
	case WF_TRACE_delete:
		NUMBER("view", e->delete.view);
		NUMBER("threads", e->delete.threads);
		break;
	case WF_TRACE_overlay:
		NUMBER("view", e->overlay.view);
		ADDRESS("address", e->overlay.addr);
		STRING("action", actions[(__u32)e->overlay.action % 3]);
		break;
	case WF_TRACE_sync:
		NUMBER("view", e->sync.view);
		ADDRESS("address", e->sync.addr);
		break;
	case WF_TRACE_revalidate:
		NUMBER("view", e->revalidate.view);
		ADDRESS("start", e->revalidate.start);
		ADDRESS("end", e->revalidate.end);
		TRUTH("changed", e->revalidate.changed);
		break;
	case WF_TRACE_commit:
		NUMBER("view", e->commit.view);
		NUMBER("pages", e->commit.pages);
		NUMBER("result", e->commit.result);
		break;
	case WF_TRACE_transition_begin:
	case WF_TRACE_transition_end:
		put_transition_event(out, record);
		break;
	case WF_TRACE_look:
		put_look(out, model, process, &e->look);
		break;
	default:
		put_thread_event(out, record);
		break;
	}
}

void trace_json_start(FILE *out, const struct trace_model *model, __u64 time)
{
	begin_line(out, model, "start", time);
	fputs("}\n", out);
}

void trace_json_record(FILE *out, const struct trace_model *model,
		       const struct trace_process *process, const struct wf_trace_record *record)
{
	static const char *const names[] = {
#define NAME(name) #name,
		WF_TRACE_EVENTS(NAME)
#undef NAME
	};

	begin_line(out, model, names[record->type], record->time);
	put_process(out, process);
	put_event(out, model, process, record);
	fputs("}\n", out);
}

static void put_transition(FILE *out, const struct trace_model *model,
			   const struct trace_process *process, __u64 time)
{
	const struct trace_transition *transition = &process->transition;
	struct trace_thread *thread = NULL;
	size_t missing, moved;
	bool first = true;

	if (!transition->active)
		return;
	missing = trace_count_missing(process, &moved);
	fprintf(out, ",\"transition\":{\"known\":%s", transition->begin ? "true" : "false");
	if (transition->begin) {
		NUMBER("view", transition->view);
		NUMBER("seq", transition->seq);
		TRUTH("auto", transition->flags & WFPATCH_TRANSITION_AUTO);
		NUMBER("ns", time - transition->begin);
	}
	NUMBER("moved", moved);
	NUMBER("missing", missing);
	fputs(",\"threads\":[", out);
	while ((thread = trace_next_missing(process, thread))) {
		char name[TRACE_COMM];

		trace_thread_name(process->tgid, thread->tid, name);
		fprintf(out, "%s{\"tid\":%d,\"name\":", first ? "" : ",", thread->tid);
		first = false;
		put_text(out, name);
		NUMBER("looks", thread->looks);
		if (thread->looks)
			put_blocked(out, model, process, thread);
		fputc('}', out);
	}
	fputs("]}", out);
}

/* Of each slot that is not empty its upper edge in us, null for the last, and what is in it. */
static void put_latency(FILE *out, const struct wf_trace_stats *stats)
{
	bool first = true;

	fputs(",\"latency\":{", out);
	fprintf(out, "\"sum_ns\":%llu,\"max_ns\":%llu,", stats->latency_sum, stats->latency_max);
	fputs("\"slots\":[", out);
	for (int i = 0; i < WF_TRACE_SLOTS; i++) {
		if (!stats->latency[i])
			continue;
		fputs(first ? "{\"below_us\":" : ",{\"below_us\":", out);
		first = false;
		if (i < WF_TRACE_SLOTS - 1)
			fprintf(out, "%llu", 1ULL << i);
		else
			fputs("null", out);
		NUMBER("count", stats->latency[i]);
		fputc('}', out);
	}
	fputs("]}", out);
}

/* Counters are since the beginning; those of the interval are the difference of two lines. */
void trace_json_interval(FILE *out, const struct trace_model *model, bool ended, __u64 time,
			 double seconds)
{
	const struct trace_process *process;
	bool first = true;

	begin_line(out, model, ended ? "end" : "interval", time);
	fprintf(out, ",\"seconds\":%.3f", seconds);
	NUMBER("lost", model->lost);
	fputs(",\"processes\":[", out);
	for (process = model->processes; process; process = process->next) {
		if (!trace_process_wanted(model, process) || (process->ended && !ended))
			continue;
		fprintf(out, "%s{\"ended\":%s", first ? "" : ",",
			process->ended ? "true" : "false");
		first = false;
		put_process(out, process);
#define COUNTER(name) NUMBER(#name, process->now.name);
		WF_TRACE_COUNTERS(COUNTER)
#undef COUNTER
		put_latency(out, &process->now);
		put_transition(out, model, process, time);
		fputc('}', out);
	}
	fputs("]}\n", out);
}
