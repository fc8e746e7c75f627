// SPDX-License-Identifier: GPL-2.0
/*
 * Loads the programs of trace.bpf.c, attaches them to the module's tracepoints and reads what they
 * found. The layout of the events is compared with what the running kernel says of them first.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "trace_kernel.h"

/* trace_program.S */
extern const char wf_trace_program[];
extern const unsigned long wf_trace_program_size;

struct trace_kernel {
	struct bpf_object *object;
	struct bpf_link *links[WF_TRACE_NR_TYPES];
	struct ring_buffer *ring;
	int processes;		/* maps */
	int lost;
	trace_record_fn record;
	void *context;
};

struct field {
	const char *name;
	size_t offset;
	size_t size;
};

#define FIELD(event, name)							\
	{ #name, offsetof(struct wf_trace_##event, name),			\
	  sizeof(((struct wf_trace_##event *)0)->name) }
#define MAX_FIELDS 8

static const struct event {
	const char *name;
	struct field fields[MAX_FIELDS];
} events[WF_TRACE_NR_TYPES] = {
	[WF_TRACE_open] = { "wfpatch_open", {
		FIELD(open, mm), FIELD(open, tgid), FIELD(open, by) } },
	[WF_TRACE_create] = { "wfpatch_create", {
		FIELD(create, mm), FIELD(create, tgid), FIELD(create, view),
		FIELD(create, parent) } },
	[WF_TRACE_delete] = { "wfpatch_delete", {
		FIELD(delete, mm), FIELD(delete, tgid), FIELD(delete, view),
		FIELD(delete, threads) } },
	[WF_TRACE_migrate] = { "wfpatch_migrate", {
		FIELD(migrate, mm), FIELD(migrate, tgid), FIELD(migrate, tid),
		FIELD(migrate, from), FIELD(migrate, to) } },
	[WF_TRACE_overlay] = { "wfpatch_overlay", {
		FIELD(overlay, mm), FIELD(overlay, tgid), FIELD(overlay, view),
		FIELD(overlay, addr), FIELD(overlay, action) } },
	[WF_TRACE_sync] = { "wfpatch_sync", {
		FIELD(sync, mm), FIELD(sync, tgid), FIELD(sync, view), FIELD(sync, addr) } },
	[WF_TRACE_revalidate] = { "wfpatch_revalidate", {
		FIELD(revalidate, mm), FIELD(revalidate, tgid), FIELD(revalidate, view),
		FIELD(revalidate, start), FIELD(revalidate, end), FIELD(revalidate, changed) } },
	[WF_TRACE_transition_begin] = { "wfpatch_transition_begin", {
		FIELD(transition_begin, mm), FIELD(transition_begin, tgid),
		FIELD(transition_begin, view), FIELD(transition_begin, seq),
		FIELD(transition_begin, flags), FIELD(transition_begin, nr_spans) } },
	[WF_TRACE_transition_end] = { "wfpatch_transition_end", {
		FIELD(transition_end, mm), FIELD(transition_end, tgid), FIELD(transition_end, view),
		FIELD(transition_end, seq), FIELD(transition_end, threads),
		FIELD(transition_end, reason) } },
	[WF_TRACE_look] = { "wfpatch_look", {
		FIELD(look, mm), FIELD(look, tgid), FIELD(look, tid), FIELD(look, view),
		FIELD(look, reason), FIELD(look, ip), FIELD(look, where), FIELD(look, word) } },
	[WF_TRACE_move] = { "wfpatch_move", {
		FIELD(move, mm), FIELD(move, tgid), FIELD(move, tid), FIELD(move, from),
		FIELD(move, to), FIELD(move, how) } },
	[WF_TRACE_trap] = { "wfpatch_trap", {
		FIELD(trap, mm), FIELD(trap, tgid), FIELD(trap, tid), FIELD(trap, addr),
		FIELD(trap, moved) } },
	[WF_TRACE_commit] = { "wfpatch_commit", {
		FIELD(commit, mm), FIELD(commit, tgid), FIELD(commit, view), FIELD(commit, pages),
		FIELD(commit, result) } },
};

/* Where tracefs is mounted, or NULL. */
static const char *find_tracefs(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	struct statfs fs;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!statfs(places[i], &fs) && fs.f_type == TRACEFS_MAGIC)
			return places[i];
	return NULL;
}

static bool is_confidential(void)
{
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");
	char line[128] = "";
	bool is;

	if (!file)
		return false;
	is = fgets(line, sizeof(line), file) && strstr(line, "[confidentiality]");
	fclose(file);
	return is;
}

/* Why the kernel refused to let us see, or load, @what. */
static int explain(int err, const char *what, char *error, size_t size)
{
	if (is_confidential())
		snprintf(error, size,
			 "%s: %s; the kernel is locked down (confidentiality) and lets nobody trace",
			 what, strerror(-err));
	else if (geteuid() && (err == -EPERM || err == -EACCES))
		snprintf(error, size,
			 "%s: %s; run as root, or with CAP_BPF, CAP_PERFMON and access to tracefs",
			 what, strerror(-err));
	else
		snprintf(error, size,
			 "%s: %s; needed: Linux 5.10 or later with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS (WFPATCH_TRACE_DEBUG=1 shows more)",
			 what, strerror(-err));
	return err;
}

/*
 * Compare one field of a format file: "\tfield:TYPE NAME;\toffset:8;\tsize:8;\tsigned:0;". The first
 * one of its own tells where they begin.
 */
static bool check_field(const struct event *event, const char *line, unsigned int *start)
{
	const struct field *field = event->fields;
	unsigned int offset, size;
	const char *end, *name;

	end = strchr(line, ';');
	if (!end || sscanf(end, "; offset:%u; size:%u;", &offset, &size) != 2)
		return false;
	for (name = end; name > line && name[-1] != ' '; name--)
		;
	for (; field < event->fields + MAX_FIELDS && field->name; field++)
		if (strlen(field->name) == (size_t)(end - name) &&
		    !strncmp(field->name, name, end - name))
			break;
	if (field == event->fields + MAX_FIELDS || !field->name)
		return false;
	if (!*start)
		*start = offset;
	return offset == *start + field->offset && size == field->size;
}

static int check_event(const char *tracefs, const struct event *event, unsigned int *start,
		       char *error, size_t size)
{
	unsigned int seen = 0, wanted = 0;
	char path[128], line[512];
	bool right = true;
	FILE *file;

	snprintf(path, sizeof(path), "%s/events/wfpatch/%s/format", tracefs, event->name);
	file = fopen(path, "re");
	if (!file) {
		if (errno != ENOENT)
			return explain(-errno, path, error, size);
		snprintf(error, size,
			 "the module has no tracepoint %s; module and tool are of different versions",
			 event->name);
		return -ENODEV;
	}
	while (right && fgets(line, sizeof(line), file)) {
		if (!strstr(line, "field:") || strstr(line, " common_"))
			continue;
		right = check_field(event, line, start);
		seen++;
	}
	fclose(file);
	while (wanted < MAX_FIELDS && event->fields[wanted].name)
		wanted++;
	if (right && seen == wanted)
		return 0;
	snprintf(error, size,
		 "tracepoint %s has another layout than this tool knows (%s); module and tool are of different versions",
		 event->name, path);
	return -ENODEV;
}

static int check_events(unsigned int *start, char *error, size_t size)
{
	const char *tracefs = find_tracefs();
	char path[64];
	FILE *file;
	int err;

	if (!tracefs) {
		snprintf(error, size,
			 "tracefs is not mounted; mount -t tracefs tracefs /sys/kernel/tracing");
		return -ENOENT;
	}
	snprintf(path, sizeof(path), "%s/events/wfpatch/enable", tracefs);
	file = fopen(path, "re");
	if (!file) {
		if (errno != ENOENT)
			return explain(-errno, path, error, size);
		snprintf(error, size, "the module is not loaded (there is no %s); modprobe wfpatch",
			 path);
		return -ENODEV;
	}
	fclose(file);
	for (int i = 0; i < WF_TRACE_NR_TYPES; i++) {
		err = check_event(tracefs, &events[i], start, error, size);
		if (err)
			return err;
	}
	return 0;
}

static int handle_record(void *context, void *data, size_t size)
{
	struct trace_kernel *kernel = context;

	return size < sizeof(struct wf_trace_record) ? 0 : kernel->record(kernel->context, data);
}

static int load(struct trace_kernel *kernel, const struct wf_trace_config *config, char *error,
		size_t size)
{
	struct bpf_object_open_opts opts = { .sz = sizeof(opts), .object_name = "wfpatch_trace" };
	struct bpf_map *map;
	int records, err;

	kernel->object = bpf_object__open_mem(wf_trace_program, wf_trace_program_size, &opts);
	if (!kernel->object)
		return explain(-errno, "BPF programs of this tool", error, size);
	map = bpf_object__find_map_by_name(kernel->object, ".rodata");
	err = map ? bpf_map__set_initial_value(map, config, sizeof(*config)) : -ENOENT;
	if (err)
		return explain(err, "configuring BPF programs", error, size);
	err = bpf_object__load(kernel->object);
	if (err)
		return explain(err, "loading BPF programs", error, size);
	kernel->processes = bpf_object__find_map_fd_by_name(kernel->object, "processes");
	kernel->lost = bpf_object__find_map_fd_by_name(kernel->object, "lost");
	records = bpf_object__find_map_fd_by_name(kernel->object, "records");
	kernel->ring = ring_buffer__new(records, handle_record, kernel, NULL);
	return kernel->ring ? 0 : explain(-errno, "BPF ring buffer", error, size);
}

static int attach(struct trace_kernel *kernel, char *error, size_t size)
{
	char what[64];

	for (int i = 0; i < WF_TRACE_NR_TYPES; i++) {
		struct bpf_program *program =
			bpf_object__find_program_by_name(kernel->object, events[i].name);

		kernel->links[i] = program ? bpf_program__attach_tracepoint(program, "wfpatch",
									    events[i].name) : NULL;
		if (kernel->links[i])
			continue;
		snprintf(what, sizeof(what), "attaching to %s", events[i].name);
		return explain(program ? -errno : -ENOENT, what, error, size);
	}
	return 0;
}

int trace_kernel_open(struct trace_kernel **result, bool all, trace_record_fn record, void *context,
		      char *error, size_t size)
{
	struct wf_trace_config config = { .all = all };
	struct trace_kernel *kernel;
	int err;

	/* libbpf's own messages are for who works on the programs. */
	if (!getenv("WFPATCH_TRACE_DEBUG"))
		libbpf_set_print(NULL);
	kernel = calloc(1, sizeof(*kernel));
	if (!kernel) {
		snprintf(error, size, "no memory");
		return -ENOMEM;
	}
	kernel->record = record;
	kernel->context = context;
	err = check_events(&config.start, error, size);
	if (!err)
		err = load(kernel, &config, error, size);
	if (!err)
		err = attach(kernel, error, size);
	if (err) {
		trace_kernel_close(kernel);
		return err;
	}
	*result = kernel;
	return 0;
}

void trace_kernel_close(struct trace_kernel *kernel)
{
	for (int i = 0; i < WF_TRACE_NR_TYPES; i++)
		bpf_link__destroy(kernel->links[i]);
	ring_buffer__free(kernel->ring);
	bpf_object__close(kernel->object);
	free(kernel);
}

int trace_kernel_poll(struct trace_kernel *kernel, int ms)
{
	int err = ring_buffer__poll(kernel->ring, ms);

	return err < 0 && err != -EINTR ? err : 0;
}

int trace_kernel_stats(struct trace_kernel *kernel, trace_stats_fn stats, void *context)
{
	struct wf_trace_stats value;
	__u64 key, *last = NULL;
	int err = 0;

	while (!err && !bpf_map_get_next_key(kernel->processes, last, &key)) {
		last = &key;
		if (!bpf_map_lookup_elem(kernel->processes, &key, &value))
			err = stats(context, key, &value);
	}
	return err;
}

void trace_kernel_forget(struct trace_kernel *kernel, __u64 mm)
{
	bpf_map_delete_elem(kernel->processes, &mm);
}

__u64 trace_kernel_lost(struct trace_kernel *kernel)
{
	__u64 lost = 0;
	__u32 key = 0;

	bpf_map_lookup_elem(kernel->lost, &key, &lost);
	return lost;
}
