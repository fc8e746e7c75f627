// SPDX-License-Identifier: GPL-2.0
/*
 * What "wfpatch trace" knows about processes: their counters, and of a transition under way which
 * threads have come over. Which threads there are is read from /proc when it begins; those that
 * come later are known when they move or are looked at. Of a transition that began before the tool
 * only these are known.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace_model.h"

#define TRACE_FIRST_ROOM 64

void trace_thread_name(pid_t tgid, pid_t tid, char name[TRACE_COMM])
{
	char path[64];
	FILE *file;

	name[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", tgid, tid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, TRACE_COMM, file))
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}

struct trace_process *trace_process_get(struct trace_model *model, __u64 mm)
{
	struct trace_process **at = &model->processes;

	for (; *at; at = &(*at)->next)
		if ((*at)->mm == mm && !(*at)->ended)
			return *at;
	*at = calloc(1, sizeof(**at));
	if (*at)
		(*at)->mm = mm;
	return *at;
}

/* The name is read as soon as the process is known: it may end before it is shown. */
static void learn_tgid(struct trace_process *process, pid_t tgid)
{
	if (!tgid || process->tgid == tgid)
		return;
	process->tgid = tgid;
	trace_thread_name(tgid, tgid, process->comm);
}

bool trace_process_wanted(const struct trace_model *model, const struct trace_process *process)
{
	for (size_t i = 0; i < model->nr_pids; i++)
		if (model->pids[i] == process->tgid)
			return true;
	return !model->nr_pids;
}

/* The thread, entered if it is new; NULL: no memory. */
static struct trace_thread *thread_get(struct trace_transition *transition, pid_t tid)
{
	size_t low = 0, high = transition->nr_threads;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (transition->threads[middle].tid == tid)
			return &transition->threads[middle];
		if (transition->threads[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	if (transition->nr_threads == transition->room) {
		size_t room = transition->room ? transition->room * 2 : TRACE_FIRST_ROOM;
		void *more = reallocarray(transition->threads, room, sizeof(*transition->threads));

		if (!more)
			return NULL;
		transition->threads = more;
		transition->room = room;
	}
	memmove(&transition->threads[low + 1], &transition->threads[low],
		(transition->nr_threads - low) * sizeof(*transition->threads));
	transition->nr_threads++;
	transition->threads[low] = (struct trace_thread){ .tid = tid };
	return &transition->threads[low];
}

static int read_threads(struct trace_transition *transition, pid_t tgid)
{
	struct dirent *entry;
	char path[32];
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	dir = opendir(path);
	if (!dir)
		return 0;	/* it has ended */
	while (!err && (entry = readdir(dir))) {
		pid_t tid = atoi(entry->d_name);

		if (tid > 0 && !thread_get(transition, tid))
			err = -ENOMEM;
	}
	closedir(dir);
	return err;
}

static int begin_transition(struct trace_process *process, const struct wf_trace_record *record)
{
	const struct wf_trace_transition_begin *begin = &record->event.transition_begin;
	struct trace_transition *transition = &process->transition;

	transition->active = true;
	transition->view = begin->view;
	transition->seq = begin->seq;
	transition->flags = begin->flags;
	transition->nr_spans = begin->nr_spans;
	transition->begin = record->time;
	transition->nr_threads = 0;
	return read_threads(transition, process->tgid);
}

static int move_thread(struct trace_transition *transition, pid_t tid, __u32 to)
{
	struct trace_thread *thread;

	if (!transition->active || !tid)
		return 0;
	thread = thread_get(transition, tid);
	if (!thread)
		return -ENOMEM;
	thread->moved = !transition->begin || to == transition->view;
	return 0;
}

static int look_at_thread(struct trace_transition *transition, const struct wf_trace_look *look)
{
	struct trace_thread *thread;

	if (!transition->active) {
		*transition = (struct trace_transition){
			.active = true, .threads = transition->threads, .room = transition->room,
		};
	}
	thread = thread_get(transition, look->tid);
	if (!thread)
		return -ENOMEM;
	thread->moved = false;
	thread->looks++;
	thread->reason = look->reason;
	thread->ip = look->ip;
	thread->where = look->where;
	thread->word = look->word;
	return 0;
}

void trace_name_address(const struct trace_model *model, const struct trace_process *process,
			__u64 address, char name[TRACE_NAME])
{
	snprintf(name, TRACE_NAME, "%#llx", address);
	/* What is kept for names is no part of what is shown. */
	if (model->name_address)
		model->name_address((struct trace_process *)process, address, name);
}

static void forget_names(struct trace_model *model, struct trace_process *process)
{
	if (process->symbols)
		model->forget_names(process);
	process->symbols = NULL;
}

int trace_model_record(struct trace_model *model, struct trace_process *process,
		       const struct wf_trace_record *record)
{
	const union wf_trace_event *event = &record->event;

	learn_tgid(process, record->tgid);
	switch (record->type) {
	case WF_TRACE_transition_begin:
		forget_names(model, process);
		return begin_transition(process, record);
	case WF_TRACE_transition_end:
		if (!process->transition.begin ||
		    process->transition.seq == event->transition_end.seq)
			process->transition.active = false;
		forget_names(model, process);
		return 0;
	case WF_TRACE_migrate:
		return move_thread(&process->transition, event->migrate.tid, event->migrate.to);
	case WF_TRACE_move:
		return move_thread(&process->transition, event->move.tid, event->move.to);
	case WF_TRACE_look:
		return look_at_thread(&process->transition, &event->look);
	default:
		return 0;
	}
}

void trace_model_stats(struct trace_process *process, const struct wf_trace_stats *stats)
{
	process->before = process->now;
	process->now = *stats;
	learn_tgid(process, stats->tgid);
}

/*
 * Only at the second interval without it, so that what happens at its end is counted. Its address
 * space may be another's then.
 */
bool trace_process_ended(struct trace_process *process)
{
	if (process->ended || !process->tgid || !kill(process->tgid, 0) || errno != ESRCH) {
		process->missed = false;
		return false;
	}
	process->ended = process->missed;
	process->missed = true;
	if (process->ended)
		process->transition.active = false;
	return process->ended;
}

static void process_free(struct trace_model *model, struct trace_process *process)
{
	forget_names(model, process);
	free(process->transition.threads);
	free(process);
}

void trace_model_forget(struct trace_model *model, size_t keep)
{
	struct trace_process **at, *process;
	size_t ended = 0;

	for (process = model->processes; process; process = process->next)
		ended += process->ended;
	for (at = &model->processes; *at && ended > keep;) {
		process = *at;
		if (process->ended) {
			*at = process->next;
			process_free(model, process);
			ended--;
		} else {
			at = &process->next;
		}
	}
}

void trace_model_free(struct trace_model *model)
{
	struct trace_process *process;

	while ((process = model->processes)) {
		model->processes = process->next;
		process_free(model, process);
	}
}

static bool is_missing(const struct trace_process *process, const struct trace_thread *thread)
{
	char path[64];

	if (thread->moved)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d", process->tgid, thread->tid);
	return !access(path, F_OK);
}

struct trace_thread *trace_next_missing(const struct trace_process *process,
					const struct trace_thread *after)
{
	const struct trace_transition *transition = &process->transition;
	size_t i = after ? (size_t)(after - transition->threads) + 1 : 0;

	if (!transition->active)
		return NULL;
	for (; i < transition->nr_threads; i++)
		if (is_missing(process, &transition->threads[i]))
			return &transition->threads[i];
	return NULL;
}

size_t trace_count_missing(const struct trace_process *process, size_t *moved)
{
	struct trace_thread *thread = NULL;
	size_t missing = 0;

	*moved = 0;
	for (size_t i = 0; i < process->transition.nr_threads; i++)
		*moved += process->transition.threads[i].moved;
	while ((thread = trace_next_missing(process, thread)))
		missing++;
	return missing;
}
