/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the library's files share; none of it is visible outside. */
#ifndef WF_INTERNAL_H
#define WF_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <wfpatch.h>

#if !defined(__x86_64__)
#error "libwfpatch knows the x86-64 instruction set only"
#endif

#define WF_PAGE_SIZE 4096

struct wfpatch {
	int fd;
	/* NULL until it is asked for, if the handle has no part in wfpatch_quiesce(). */
	const volatile struct wfpatch_status *_Atomic status;
	bool quiesce;  /* opened to have a part in wfpatch_quiesce() */
	bool attached; /* stands for another process */
	struct wfpatch *next; /* shared.handles, see status.c */
};

/* Copy an options struct of any age into ours: what the caller does not know is 0. */
int wf_opts_copy(void *to, size_t to_size, const void *from);

/* ioctl(2) with a negative errno. */
int wf_ioctl(int fd, unsigned long request, void *arg);

/* request.c: one entry of wfpatch_list_views(). Errors: ENOENT, ENOMEM. */
int wf_view_find(struct wfpatch *handle, unsigned int view, struct wfpatch_view_info *info);

/* Milliseconds of the monotonic clock. */
int64_t wf_now_ms(void);

/* handle.c: the handle's status page, mapped now if it is not yet. Errors: those of mmap(2). */
int wf_status_map(struct wfpatch *handle);

/* status.c: the page that wfpatch_quiesce() looks at. */
int wf_status_join(struct wfpatch *handle);
void wf_status_leave(struct wfpatch *handle);
int wf_follow(int fd, const volatile struct wfpatch_status *status, unsigned int *seen);

/**
 * struct wf_function - what function.c finds out about the function around an address
 * @start: its first byte
 * @size: bytes without padding
 * @limit: there is nothing but padding from its end up to here, if there is padding
 */
struct wf_function {
	uintptr_t start;
	size_t size;
	uintptr_t limit;
};

bool wf_function_find(uintptr_t address, struct wf_function *function);
size_t wf_padding_len(const unsigned char *code, size_t max);
unsigned char wf_frame_encoding(const unsigned char *cie);

/* jump.c: x86 encoding. */
#define WF_JUMP_NEAR 5 /* jmp rel32 */
#define WF_JUMP_FAR 14 /* jmp *0(%rip), address */
#define WF_ENDBR_SIZE 4

size_t wf_jump_size(uintptr_t at, uintptr_t to);
size_t wf_jump_encode(unsigned char *code, uintptr_t at, uintptr_t to);
size_t wf_jump_decode(const unsigned char *code, size_t len, uintptr_t at, uintptr_t *to);
size_t wf_endbr_size(const unsigned char *code, size_t len);

#endif
