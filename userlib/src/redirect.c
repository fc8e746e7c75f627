// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Redirecting a function in one view: everything that could go wrong is looked at before the jump is
 * written. What a view shows is read from the kernel, since the caller may run in another view.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

/* The entry of a function: a landing pad and the longer jump. */
#define ENTRY_MAX (WF_ENDBR_SIZE + WF_JUMP_FAR)

struct mapping {
	uintptr_t start, end;
	bool readable, executable, shared;
};

struct redirect {
	struct wfpatch *handle;
	struct wfpatch_redirect_opts opts;
	unsigned int view;
	uintptr_t old;
	bool readable;		       /* and not only executable */
	size_t room;		       /* bytes at @old that may be read and written */
	unsigned char base[ENTRY_MAX]; /* @room bytes at most, in the base */
	unsigned char now[ENTRY_MAX];  /* and in the view */
};

static int refuse(const struct redirect *r, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct redirect *r, int err, const char *format, ...)
{
	va_list args;

	if (r->opts.err && r->opts.err_size) {
		va_start(args, format);
		vsnprintf(r->opts.err, r->opts.err_size, format, args);
		va_end(args);
	}
	return err;
}

static int find_mapping(uintptr_t address, struct mapping *mapping)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char *line = NULL, flags[5];
	size_t size = 0;
	int err = -EFAULT;

	if (!maps)
		return -errno;
	while (err && getline(&line, &size, maps) > 0) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &mapping->start, &mapping->end,
			   flags) != 3 ||
		    address < mapping->start || address >= mapping->end)
			continue;
		mapping->readable = flags[0] == 'r';
		mapping->executable = flags[2] == 'x';
		mapping->shared = flags[3] == 's';
		err = 0;
	}
	free(line);
	fclose(maps);
	return err;
}

static int check_executable(const struct redirect *r, const char *what, uintptr_t address,
			    struct mapping *mapping)
{
	int err = find_mapping(address, mapping);

	if (err == -EFAULT)
		return refuse(r, err, "the %s function, %p, is not mapped", what, (void *)address);
	if (err)
		return refuse(r, err, "cannot read /proc/self/maps: %s", strerror(-err));
	if (!mapping->executable)
		return refuse(r, -ENOEXEC,
			      "the %s function, %p, is not in executable memory: give the address of code",
			      what, (void *)address);
	return 0;
}

static int check_view(const struct redirect *r)
{
	struct wfpatch_view_info info;
	int err;

	if (!r->view)
		return refuse(r, -EINVAL, "view 0 is the base, which stays as it is: make a view");
	err = wf_view_find(r->handle, r->view, &info);
	if (err == -ENOENT || (!err && (info.flags & WFPATCH_VIEW_DELETED)))
		return refuse(r, -ENOENT, "there is no view %u", r->view);
	if (err)
		return refuse(r, err, "cannot list the views: %s", strerror(-err));
	if (info.nr_threads)
		return refuse(r, -EBUSY,
			      "%u threads run in view %u: change a new view made from it",
			      info.nr_threads, r->view);
	return 0;
}

/* The base's padding: the caller's own view may have a jump there. */
static size_t padding_behind(const struct redirect *r, const struct wf_function *function)
{
	uintptr_t end = function->start + function->size;
	unsigned char code[16];
	size_t max = 0;

	if (function->limit > end)
		max = function->limit - end;
	if (!max || max > sizeof(code) ||
	    wfpatch_view_read(r->handle, WFPATCH_BASE_VIEW, (void *)end, code, max))
		return 0;
	return wf_padding_len(code, max);
}

/* Where the old function lies, and how much of it may be overwritten. */
static int find_room(struct redirect *r)
{
	struct wf_function function;
	struct mapping mapping;
	int err;

	err = check_executable(r, "old", r->old, &mapping);
	if (err)
		return err;
	if (mapping.shared)
		return refuse(r, -EACCES,
			      "the old function, %p, is in a shared mapping, which every view shows alike: map it private",
			      (void *)r->old);
	r->readable = mapping.readable;
	r->room = r->opts.old_size;
	if (!r->room) {
		if (!wf_function_find(r->old, &function))
			return refuse(r, -ENODATA,
				      "the size of the function at %p is not known: give it as old_size",
				      (void *)r->old);
		if (function.start != r->old)
			return refuse(r, -EINVAL,
				      "%p is not the beginning of a function: the one around it begins at %p",
				      (void *)r->old, (void *)function.start);
		r->room = function.size + padding_behind(r, &function);
	}
	if (r->room > mapping.end - r->old)
		r->room = mapping.end - r->old;
	return 0;
}

/* Bytes of @base and @now that are filled in. */
static size_t entry_len(const struct redirect *r)
{
	return r->room < ENTRY_MAX ? r->room : ENTRY_MAX;
}

static int read_entry(struct redirect *r)
{
	size_t len = entry_len(r);
	int err;

	err = wfpatch_view_read(r->handle, WFPATCH_BASE_VIEW, (void *)r->old, r->base, len);
	if (!err)
		err = wfpatch_view_read(r->handle, r->view, (void *)r->old, r->now, len);
	if (err)
		return refuse(r, err, "cannot read the code at %p: %s", (void *)r->old,
			      strerror(-err));
	return 0;
}

static int changed_otherwise(const struct redirect *r)
{
	return refuse(r, -EEXIST,
		      "the function at %p was changed in view %u by other means: use a view in which it is not",
		      (void *)r->old, r->view);
}

/* What the entry is in the view: 0 as in the base, 1 a jump to *@to and else as there, or an error. */
static int classify(const struct redirect *r, uintptr_t *to)
{
	size_t len = entry_len(r), skip = wf_endbr_size(r->base, len), size;

	if (!memcmp(r->base, r->now, len))
		return 0;
	size = wf_jump_decode(r->now + skip, len - skip, r->old + skip, to);
	if (size && !memcmp(r->base, r->now, skip) &&
	    !memcmp(r->base + skip + size, r->now + skip + size, len - skip - size))
		return 1;
	return changed_otherwise(r);
}

static int write_code(const struct redirect *r, size_t skip, const unsigned char *code, size_t len)
{
	int err = wfpatch_view_write(r->handle, r->view, (void *)(r->old + skip), code, len);

	if (err == -EACCES)
		return refuse(r, err, "%p is in a shared mapping", (void *)r->old);
	if (err)
		return refuse(r, err, "cannot write to view %u at %p: %s", r->view, (void *)r->old,
			      strerror(-err));
	return 0;
}

static int put_jump(const struct redirect *r, uintptr_t to)
{
	size_t skip = wf_endbr_size(r->base, entry_len(r));
	size_t size = wf_jump_size(r->old + skip, to);
	unsigned char code[WF_JUMP_FAR];

	if (skip + size > r->room)
		return refuse(r, -ERANGE,
			      "the function at %p has room for %zu bytes and the jump takes %zu: redirect its callers",
			      (void *)r->old, r->room, skip + size);
	/* The address in it is data. */
	if (size == WF_JUMP_FAR && !r->readable)
		return refuse(r, -ERANGE,
			      "code that cannot be read takes only a short jump, and %p is too far for that: map the new function nearer",
			      (void *)to);
	if (to - r->old < skip + size)
		return refuse(r, -EINVAL, "the new function, %p, lies where the jump is written",
			      (void *)to);
	wf_jump_encode(code, r->old + skip, to);
	return write_code(r, skip, code, size);
}

static int prepare(struct redirect *r, struct wfpatch *handle, unsigned int view, void *old,
		   const struct wfpatch_redirect_opts *opts)
{
	int err = wf_opts_copy(&r->opts, sizeof(r->opts), opts);

	if (err)
		return err;
	r->handle = handle;
	r->view = view;
	r->old = (uintptr_t)old;
	if (r->opts.err && r->opts.err_size)
		r->opts.err[0] = '\0';
	/* What is looked at here is this program's own code. */
	if (handle->attached)
		return refuse(r, -EOPNOTSUPP,
			      "the handle stands for another process: only functions of this one can be redirected so");
	return check_view(r);
}

int wfpatch_redirect(struct wfpatch *handle, unsigned int view, void *old_function,
		     const void *new_function, const struct wfpatch_redirect_opts *opts)
{
	uintptr_t new = (uintptr_t)new_function, to;
	struct mapping mapping;
	struct redirect r = { 0 };
	int err;

	err = prepare(&r, handle, view, old_function, opts);
	if (!err)
		err = check_executable(&r, "new", new, &mapping);
	if (!err)
		err = find_room(&r);
	if (!err)
		err = read_entry(&r);
	if (err)
		return err;
	err = classify(&r, &to);
	if (err < 0)
		return err;
	if (!err)
		return put_jump(&r, new);
	if (to != new)
		return refuse(&r, -EEXIST,
			      "the function at %p jumps to %p in view %u: wfpatch_unredirect() it first",
			      (void *)r.old, (void *)to, view);
	return 0;
}

int wfpatch_unredirect(struct wfpatch *handle, unsigned int view, void *old_function,
		       const struct wfpatch_redirect_opts *opts)
{
	struct redirect r = { 0 };
	struct mapping mapping;
	size_t size, skip;
	uintptr_t to;
	int err;

	err = prepare(&r, handle, view, old_function, opts);
	if (!err)
		err = check_executable(&r, "old", r.old, &mapping);
	if (err)
		return err;
	/* Behind the jump there may be another function, which does not matter here. */
	r.room = mapping.end - r.old;
	err = read_entry(&r);
	if (err)
		return err;
	skip = wf_endbr_size(r.base, entry_len(&r));
	size = wf_jump_decode(r.now + skip, entry_len(&r) - skip, r.old + skip, &to);
	if (!memcmp(r.base, r.now, skip + (size ? size : WF_JUMP_NEAR)))
		return refuse(&r, -ENOENT, "the function at %p is not redirected in view %u",
			      (void *)r.old, view);
	if (!size || memcmp(r.base, r.now, skip))
		return changed_otherwise(&r);
	return write_code(&r, skip, r.base + skip, size);
}
