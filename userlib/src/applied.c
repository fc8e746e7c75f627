// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is applied to a process, read from the process itself: each image is a memfd with a name of
 * ours, and begins with a header. The process may have changed it: nothing in it is believed that
 * could lead out of it.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "internal.h"
#include "applied.h"
#include "header.h"

#define MAPS_NAME "/memfd:" WF_HEADER_NAME

/* 0, or what keeps all of it from being read. */
static int read_process(pid_t pid, uint64_t address, void *data, size_t len)
{
	struct iovec local = { data, len };
	struct iovec remote = { (void *)(uintptr_t)address, len };
	ssize_t done = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	if (done < 0)
		return -errno;
	return done == (ssize_t)len ? 0 : -EFAULT;
}

static bool has_memory(const char *path)
{
	FILE *maps = fopen(path, "re");
	bool has = maps && fgetc(maps) != EOF;

	if (maps)
		fclose(maps);
	return has;
}

pid_t wf_reader(pid_t pid)
{
	struct dirent *entry;
	char path[64];
	pid_t tid = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	if (has_memory(path))
		return pid;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return pid;
	while (!tid && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/maps", pid, entry->d_name);
		if (has_memory(path))
			tid = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return tid ? tid : pid;
}

bool wf_process_is_gone(pid_t pid)
{
	char name[32];
	bool gone;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	file = fopen(name, "re");
	/* Who may not read it does not know. */
	gone = file ? fgetc(file) == EOF && !ferror(file) : errno == ENOENT || errno == ESRCH;
	if (file)
		fclose(file);
	return gone;
}

/* --- the header ------------------------------------------------------------------------------- */

/* A copy of an image's header, and whether all that was asked of it was inside. */
struct reader {
	const unsigned char *data;
	size_t size;
	bool bad;
};

static const void *part(struct reader *r, uint64_t offset, uint64_t nr, size_t size)
{
	if (offset > r->size || nr > (r->size - offset) / size || offset % 8) {
		r->bad = true;
		return NULL;
	}
	return r->data + offset;
}

static const char *text(struct reader *r, uint64_t offset)
{
	if (!offset)
		return "";
	if (offset >= r->size || !memchr(r->data + offset, 0, r->size - offset)) {
		r->bad = true;
		return "";
	}
	return (const char *)r->data + offset;
}

static const char *const *texts(struct reader *r, uint64_t offset, uint32_t nr)
{
	const uint64_t *offsets;
	const char **array;
	uint32_t i;

	if (!nr)
		return NULL;
	offsets = part(r, offset, nr, sizeof(*offsets));
	array = offsets ? calloc(nr, sizeof(*array)) : NULL;
	if (!array) {
		r->bad = true;
		return NULL;
	}
	for (i = 0; i < nr; i++)
		array[i] = text(r, offsets[i]);
	return array;
}

static void write_hex(char *hex, const uint8_t *bytes, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

static void read_functions(struct reader *r, const struct wf_header *header,
			   struct wf_applied *patch)
{
	struct wfpatch_patch_info *info = &patch->pub.info;
	const struct wf_header_function *from;
	struct wfpatch_patch_function *to;
	uint32_t i;

	from = part(r, header->functions, header->nr_functions, sizeof(*from));
	to = from ? calloc(header->nr_functions + 1UL, sizeof(*to)) : NULL;
	if (!to) {
		r->bad = true;
		return;
	}
	for (i = 0; i < header->nr_functions; i++) {
		to[i].name = text(r, from[i].name);
		to[i].new_name = text(r, from[i].new_name);
		to[i].address = from[i].address;
		to[i].size = from[i].size;
		memcpy(to[i].hash, from[i].hash, sizeof(to[i].hash));
	}
	info->functions = to;
	patch->code = from;
	info->nr_functions = header->nr_functions;
}

static void read_writes(struct reader *r, const struct wf_header *header, struct wf_applied *patch)
{
	const struct wf_header_write *from;
	uint32_t i, nr = header->nr_writes;

	from = part(r, header->writes, nr, sizeof(*from));
	if (from) {
		patch->writes = calloc(nr + 1UL, sizeof(*patch->writes));
		patch->function = calloc(nr + 1UL, sizeof(*patch->function));
		patch->active = calloc(nr + 1UL, sizeof(*patch->active));
		patch->covered = calloc(nr + 1UL, sizeof(*patch->covered));
	}
	if (!patch->writes || !patch->function || !patch->active || !patch->covered) {
		r->bad = true;
		return;
	}
	for (i = 0; i < nr; i++) {
		if (from[i].len > sizeof(from[i].old) ||
		    (from[i].function != WF_HEADER_NO_FUNCTION &&
		     from[i].function >= header->nr_functions)) {
			r->bad = true;
			return;
		}
		patch->writes[i].address = from[i].address;
		patch->writes[i].len = from[i].len;
		memcpy(patch->writes[i].old, from[i].old, sizeof(from[i].old));
		memcpy(patch->writes[i].new, from[i].new, sizeof(from[i].new));
		patch->function[i] = from[i].function;
		patch->covered[i] = -1;
	}
	patch->nr_writes = nr;
}

static void read_hooks(struct reader *r, const struct wf_header *header, struct wf_applied *patch)
{
	struct wf_hooks *hooks = &patch->hooks;
	const struct wf_header_hook *from;
	uint64_t end = header->address + header->len;
	unsigned int i;

	if (header->version < WF_HEADER_VERSION)
		return;
	patch->shadow = header->shadow;
	from = part(r, header->hooks, WFPATCH_NR_HOOKS, sizeof(*from));
	hooks->points = (struct wfpatch_span *)part(r, header->points, header->nr_points,
						    sizeof(*hooks->points));
	if (!from || !hooks->points)
		return;
	hooks->nr_points = header->nr_points;
	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (!from[i].name)
			continue;
		hooks->name[i] = patch->pub.info.hooks[i] = text(r, from[i].name);
		hooks->call[i] = from[i].call;
		hooks->state[i] = from[i].state;
		if (from[i].call < header->address || from[i].call >= end ||
		    from[i].state < header->address ||
		    from[i].state > end - sizeof(struct wf_hook_state))
			r->bad = true;
	}
}

static void drop(struct wf_applied *patch)
{
	free((void *)patch->pub.info.cves);
	free((void *)patch->pub.info.replaces);
	free((void *)patch->pub.info.functions);
	free(patch->writes);
	free(patch->function);
	free(patch->active);
	free(patch->covered);
	free(patch->memory);
}

/* Take a header apart; @data becomes the patch's. */
static int understand(struct wf_applied *patch, void *data)
{
	const struct wf_header *header = data;
	struct reader r = { .data = data, .size = header->size };
	struct wfpatch_patch_info *info = &patch->pub.info;

	memset(patch, 0, sizeof(*patch));
	patch->memory = data;
	info->name = text(&r, header->name);
	info->version = text(&r, header->patch_version);
	info->description = text(&r, header->description);
	info->author = text(&r, header->author);
	info->target = text(&r, header->target);
	info->cves = texts(&r, header->cves, header->nr_cves);
	info->nr_cves = header->nr_cves;
	info->replaces = texts(&r, header->replaces, header->nr_replaces);
	info->nr_replaces = header->nr_replaces;
	if (header->build_id_size > sizeof(info->build_id))
		r.bad = true;
	memcpy(info->build_id, header->build_id, sizeof(info->build_id));
	info->build_id_size = header->build_id_size;
	write_hex(info->id, header->id, sizeof(header->id));
	read_functions(&r, header, patch);
	read_writes(&r, header, patch);
	read_hooks(&r, header, patch);
	patch->pub.start = header->address;
	patch->pub.end = header->address + header->len;
	patch->pub.sequence = header->sequence;
	patch->text_start = header->address + header->text;
	patch->text_end = patch->text_start + header->text_len;
	if (header->text > header->len || header->text_len > header->len - header->text)
		r.bad = true;
	return r.bad ? -EBADMSG : 0;
}

/* The last instruction may end with zeros, of a constant of 8 bytes at most. */
#define LONGEST_CONSTANT 8

uint64_t wf_text_len(const unsigned char *text, uint64_t len)
{
	uint64_t used = len;

	while (used && !text[used - 1])
		used--;
	return used + LONGEST_CONSTANT < len ? used + LONGEST_CONSTANT : len;
}

static int trim_text(pid_t pid, struct wf_applied *patch)
{
	uint64_t len = patch->text_end - patch->text_start;
	unsigned char *text = malloc(len + 1);
	int err;

	if (!text)
		return -ENOMEM;
	err = read_process(pid, patch->text_start, text, len);
	if (!err)
		patch->text_end = patch->text_start + wf_text_len(text, len);
	free(text);
	/* An image of which the rest is not mapped yet, or not any more. */
	return err == -EFAULT ? 0 : err;
}

/* What has become of its hooks. */
static int read_hook_states(pid_t pid, struct wf_applied *patch)
{
	struct wf_hook_state state;
	unsigned int i;
	int err;

	patch->hooks.text_start = patch->text_start;
	patch->hooks.text_end = patch->text_end;
	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (!patch->hooks.name[i])
			continue;
		err = read_process(pid, patch->hooks.state[i], &state, sizeof(state));
		/* Its data are not mapped yet. */
		if (err == -EFAULT)
			continue;
		if (err)
			return err;
		patch->pub.hook_state[i] = state.state;
		patch->pub.hook_result[i] = state.state == WFPATCH_HOOK_DONE ? state.result : 0;
	}
	return 0;
}

/* Read the image that begins at an address: 0, 1 if it is none of ours, or an error. */
static int read_image(pid_t pid, uint64_t start, struct wf_applied *patch)
{
	struct wf_header header = { 0 };
	size_t least;
	void *data;
	int err;

	err = read_process(pid, start, &header, sizeof(header));
	if (err == -EFAULT)
		return 1;
	if (err)
		return err;
	if (memcmp(header.magic, WF_HEADER_MAGIC, sizeof(header.magic)) || header.address != start)
		return 1;
	if (header.version != WF_HEADER_VERSION && header.version != WF_HEADER_PLAIN)
		return -EPROTONOSUPPORT;
	/* An older program's header ends earlier. */
	least = header.version == WF_HEADER_PLAIN ? offsetof(struct wf_header, hooks) :
						    sizeof(header);
	if (header.size < least || header.size > header.len || header.len > INT64_MAX ||
	    !header.len || header.len % WF_PAGE_SIZE || start + header.len < start)
		return -EBADMSG;
	/* The process says how much: it must have that memory, or reading fails. */
	data = malloc(header.size);
	if (!data)
		return -ENOMEM;
	err = read_process(pid, start, data, header.size);
	if (!err && memcmp(data, &header, offsetof(struct wf_header, hooks)))
		err = -EBADMSG;
	if (err) {
		free(data);
		return err == -EFAULT ? -EBADMSG : err;
	}
	err = understand(patch, data);
	if (!err)
		err = trim_text(pid, patch);
	if (!err)
		err = read_hook_states(pid, patch);
	if (err)
		drop(patch);
	return err;
}

/* --- which of their functions are in use ------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct wf_applied *one = a, *other = b;

	if (one->pub.sequence != other->pub.sequence)
		return one->pub.sequence < other->pub.sequence ? -1 : 1;
	return one->pub.start < other->pub.start ? -1 : one->pub.start > other->pub.start;
}

/* The later patch whose bytes are at the place of a write, or -1. */
static int covering(const struct wf_applied_list *list, unsigned int patch,
		    const struct wf_image_write *write)
{
	const struct wf_applied *later;
	unsigned int i, j;

	for (i = list->nr - 1; i > patch; i--) {
		later = &list->patches[i];
		for (j = 0; j < later->nr_writes; j++) {
			if (later->active[j] && later->writes[j].address == write->address)
				return (int)i;
		}
	}
	return -1;
}

static int find_active(pid_t pid, struct wf_applied_list *list)
{
	struct wf_applied *patch;
	unsigned char bytes[16];
	unsigned int i, j;
	int err;

	for (i = 0; i < list->nr; i++) {
		patch = &list->patches[i];
		for (j = 0; j < patch->nr_writes; j++) {
			err = read_process(pid, patch->writes[j].address, bytes,
					   patch->writes[j].len);
			/* The library that it patched was unloaded. */
			if (err == -EFAULT)
				continue;
			if (err)
				return err;
			patch->active[j] =
				!memcmp(bytes, patch->writes[j].new, patch->writes[j].len);
			if (patch->active[j] && patch->function[j] != WF_HEADER_NO_FUNCTION)
				patch->pub.active++;
		}
	}
	for (i = 0; i < list->nr; i++) {
		patch = &list->patches[i];
		for (j = 0; j < patch->nr_writes; j++) {
			if (!patch->active[j])
				patch->covered[j] = covering(list, i, &patch->writes[j]);
		}
	}
	return 0;
}

bool wf_applied_unused(const struct wf_applied *patch)
{
	unsigned int i;

	for (i = 0; i < patch->nr_writes; i++) {
		if (patch->function[i] == WF_HEADER_NO_FUNCTION)
			continue;
		if (patch->active[i] || patch->covered[i] >= 0)
			return false;
	}
	return true;
}

bool wf_applied_owes(const struct wf_applied *patch)
{
	const struct wf_hooks *hooks = &patch->hooks;

	if (!hooks->name[WFPATCH_HOOK_POST_REVERT] ||
	    patch->pub.hook_state[WFPATCH_HOOK_POST_REVERT] == WFPATCH_HOOK_DONE)
		return false;
	return !hooks->name[WFPATCH_HOOK_PRE_APPLY] ||
	       (patch->pub.hook_state[WFPATCH_HOOK_PRE_APPLY] == WFPATCH_HOOK_DONE &&
		!patch->pub.hook_result[WFPATCH_HOOK_PRE_APPLY]);
}

bool wf_applied_has_hooks(const struct wf_applied *patch)
{
	unsigned int i;

	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (patch->hooks.name[i])
			return true;
	}
	return false;
}

int wf_applied_reread(pid_t pid, struct wf_applied *patch)
{
	return read_hook_states(pid, patch);
}

bool wf_applied_replaced(const struct wf_applied *patch, const struct wfpatch_patch_info *by)
{
	unsigned int i;

	for (i = 0; i < by->nr_replaces; i++) {
		if (!strcmp(by->replaces[i], patch->pub.info.name))
			return true;
	}
	return false;
}

struct wf_extent wf_applied_extent(const struct wf_applied *patch)
{
	return (struct wf_extent){ patch->pub.start, patch->pub.end, patch->text_start,
				   patch->text_end };
}

unsigned int wf_applied_span_flags(const struct wf_applied *patch, unsigned int write)
{
	return patch->function[write] == WF_HEADER_NO_FUNCTION ? 0 : WFPATCH_SPAN_ENTRY;
}

/* --- the list --------------------------------------------------------------------------------- */

static int add_image(pid_t pid, uint64_t start, struct wf_applied_list *list)
{
	struct wf_applied *bigger;
	int err;

	bigger = reallocarray(list->patches, list->nr + 1UL, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	list->patches = bigger;
	err = read_image(pid, start, &bigger[list->nr]);
	if (err)
		return err > 0 ? 0 : err;
	list->nr++;
	return 0;
}

static int read_images(pid_t pid, struct wf_applied_list *list)
{
	unsigned long long start, offset;
	char path[64], *line = NULL;
	size_t size = 0;
	int name, err = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && getline(&line, &size, maps) >= 0) {
		name = 0;
		if (sscanf(line, "%llx-%*x %*s %llx %*s %*s %n", &start, &offset, &name) < 2)
			continue;
		/* One with another offset is a later piece of an image. */
		if (!offset && name && !strncmp(line + name, MAPS_NAME, strlen(MAPS_NAME)))
			err = add_image(pid, start, list);
	}
	if (!err && ferror(maps))
		err = errno == EACCES ? -EPERM : -ESRCH;
	free(line);
	fclose(maps);
	return err;
}

static void explain(int err, pid_t pid, char *text_out, size_t size)
{
	if (!text_out || !size)
		return;
	switch (err) {
	case -ESRCH:
		snprintf(text_out, size, "there is no process %d, or it has just ended", pid);
		break;
	case -EPERM:
	case -EACCES:
		snprintf(text_out, size,
			 "user %u may not trace process %d: its owner may, or root (unless kernel.yama.ptrace_scope or a container forbids it)",
			 (unsigned int)geteuid(), pid);
		break;
	case -EPROTONOSUPPORT:
		snprintf(text_out, size,
			 "process %d has a patch of a newer wfpatch: install that (package wfpatch)",
			 pid);
		break;
	case -EBADMSG:
		snprintf(text_out, size,
			 "process %d has changed the memory of a patch image: what is applied cannot be told",
			 pid);
		break;
	default:
		snprintf(text_out, size, "the patches of process %d cannot be read: %s", pid,
			 strerror(-err));
	}
}

int wf_applied_read(pid_t pid, struct wf_applied_list *list, char *err_text, size_t err_size)
{
	int err;

	memset(list, 0, sizeof(*list));
	err = read_images(pid, list);
	if (!err && list->nr) {
		qsort(list->patches, list->nr, sizeof(*list->patches), compare);
		err = find_active(pid, list);
	}
	if (err) {
		wf_applied_drop(list);
		explain(err, pid, err_text, err_size);
		return err == -EACCES ? -EPERM : err;
	}
	return 0;
}

void wf_applied_drop(struct wf_applied_list *list)
{
	while (list->nr)
		drop(&list->patches[--list->nr]);
	free(list->patches);
	list->patches = NULL;
}

/* --- for callers of the library ---------------------------------------------------------------- */

/* What callers get is the end of this; the rest keeps what it points to. */
struct public_list {
	struct wf_applied_list list;
	struct wfpatch_applied pub[];
};

int wfpatch_applied(pid_t pid, struct wfpatch_applied **list, unsigned int *nr, char *err,
		    size_t err_size)
{
	struct wf_applied_list found;
	struct public_list *whole;
	unsigned int i;
	int error;

	error = wf_applied_read(wf_reader(pid), &found, err, err_size);
	if (error)
		return error;
	whole = malloc(sizeof(*whole) + (found.nr + 1UL) * sizeof(whole->pub[0]));
	if (!whole) {
		wf_applied_drop(&found);
		explain(-ENOMEM, pid, err, err_size);
		return -ENOMEM;
	}
	whole->list = found;
	for (i = 0; i < found.nr; i++)
		whole->pub[i] = found.patches[i].pub;
	*list = whole->pub;
	*nr = found.nr;
	return 0;
}

void wfpatch_applied_free(struct wfpatch_applied *list, unsigned int nr)
{
	struct public_list *whole;

	(void)nr;
	if (!list)
		return;
	whole = (struct public_list *)((char *)list - offsetof(struct public_list, pub));
	wf_applied_drop(&whole->list);
	free(whole);
}
