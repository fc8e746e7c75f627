/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the linker (link.c), which makes an image of a patch for one process, and apply.c, which
 * puts it there.
 */
#ifndef WF_IMAGE_H
#define WF_IMAGE_H

#include <stdint.h>
#include <sys/types.h>
#include <wfpatch/apply.h>

/* A stretch of the image with one protection; page-aligned. */
struct wf_image_segment {
	uint64_t offset; /* in the memfd and from the image's address */
	uint64_t len;
	int prot;
};

/* A place in the process, in pages that are not writable, that the patched view has other bytes at. */
struct wf_image_write {
	uint64_t address;
	unsigned char old[16]; /* what a revert puts back; there now, but for "replaces" */
	unsigned char new[16];
	unsigned int len;
};

/**
 * struct wf_hooks - the hooks of a patch in a process
 * @name: of the functions; NULL if there is none
 * @call, @state: see struct wf_header_hook
 * @points: array of @nr_points, at whose call a hook may run
 * @text_start, @text_end: code of the image, which the thread that runs one must not be in
 */
struct wf_hooks {
	const char *name[WFPATCH_NR_HOOKS];
	uint64_t call[WFPATCH_NR_HOOKS];
	uint64_t state[WFPATCH_NR_HOOKS];
	struct wfpatch_span *points;
	unsigned int nr_points;
	uint64_t text_start;
	uint64_t text_end;
};

/* What apply.c needs to know; made by wf_link(), freed by wf_image_free(). */
struct wf_image {
	int fd;		  /* memfd with the finished, relocated content; sealed */
	uint64_t address; /* where it must be mapped; free when it was linked */
	uint64_t len;
	struct wf_image_segment segments[4];
	unsigned int nr_segments;
	struct wf_image_write *writes;
	unsigned int nr_writes;
	struct wfpatch_span *spans; /* what threads must not be in: all code that the writes replace */
	unsigned int nr_spans;
	struct wf_hooks hooks;
};

/*
 * Check everything, place and relocate. Changes nothing in the process. @again: how often mapping
 * the image at its address has failed because the place was taken meanwhile; choose another.
 */
int wf_link(pid_t pid, struct wfpatch_patch *patch, const char *debug, unsigned int again,
	    struct wf_image **image, char *err, size_t err_size);
void wf_image_free(struct wf_image *image);

/*
 * Where the file with this build-id is in the process: what is to be added to its symbols' values.
 * -ENOENT if it is not there.
 */
int wf_process_find(pid_t pid, const unsigned char *build_id, unsigned int size, uint64_t *bias,
		    char *err, size_t err_size);

/* Write a line about an error, and return -@code. @err may be NULL. */
int wf_fail(char *err, size_t err_size, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
