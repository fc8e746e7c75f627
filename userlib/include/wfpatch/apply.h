/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Patch files, and applying them to another, running process that knows nothing of it.
 *
 * As in <wfpatch.h>: every call returns 0 or a negative errno, prints nothing, never ends the
 * program. On an error @err, where there is one, gets one line without an end of line that says what
 * was wrong, with the value, and what to do.
 */
#ifndef WFPATCH_APPLY_H
#define WFPATCH_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <wfpatch.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WFPATCH_BUILD_ID_MAX	64	/* bytes */
#define WFPATCH_HASH_SIZE	32	/* SHA-256 of a function's old bytes */

/* --- patch files: docs/patch-format.md -------------------------------------------------------- */

/* An opened patch file. */
struct wfpatch_patch;

/**
 * struct wfpatch_patch_function - a function that a patch replaces
 * @name: of the old function
 * @new_name: of the function in the patch that takes its place
 * @address: of the old function, as the target's symbol table has it (not relocated)
 * @size: bytes of the old function
 * @hash: SHA-256 of these bytes, relocated places as in the file
 */
struct wfpatch_patch_function {
	const char *name;
	const char *new_name;
	uint64_t address;
	uint64_t size;
	unsigned char hash[WFPATCH_HASH_SIZE];
};

/* Functions of a patch that run once each, in a thread of the process: docs/patch-format.md. */
enum wfpatch_hook {
	WFPATCH_HOOK_PRE_APPLY = 0,
	WFPATCH_HOOK_POST_APPLY = 1,
	WFPATCH_HOOK_PRE_REVERT = 2,
	WFPATCH_HOOK_POST_REVERT = 3,
	WFPATCH_NR_HOOKS = 4,
};

/**
 * struct wfpatch_patch_info - what a patch file says of itself
 * @name: of the patch: letters, digits, '.', '_', '+', '-'; at most 63
 * @version: text, "" if none
 * @description: text, "" if none
 * @author: text, "" if none
 * @cves: array of @nr_cves texts
 * @replaces: array of @nr_replaces names of patches that this one takes the place of
 * @target: file name of the program or library that it is for, for people
 * @build_id: of that file; @build_id_size bytes
 * @functions: array of @nr_functions
 * @hook_points: array of @nr_hook_points names of functions that are not replaced, but at whose call a
 *	hook may run
 * @hooks: by enum wfpatch_hook: the function in the patch, NULL if it has none
 * @id: SHA-256 of the patch file, 64 hex digits
 */
struct wfpatch_patch_info {
	const char *name;
	const char *version;
	const char *description;
	const char *author;
	const char *const *cves;
	unsigned int nr_cves;
	const char *const *replaces;
	unsigned int nr_replaces;
	const char *target;
	unsigned char build_id[WFPATCH_BUILD_ID_MAX];
	unsigned int build_id_size;
	const struct wfpatch_patch_function *functions;
	unsigned int nr_functions;
	const char *const *hook_points;
	unsigned int nr_hook_points;
	const char *hooks[WFPATCH_NR_HOOKS];
	char id[65];
};

/* Errors: those of open(2) and read(2); EINVAL not a patch file; EPROTONOSUPPORT a newer version. */
WFPATCH_API int wfpatch_patch_open(struct wfpatch_patch **patch, const char *path, char *err,
				   size_t err_size);
WFPATCH_API void wfpatch_patch_close(struct wfpatch_patch *patch);

/* Returns a pointer that is valid until wfpatch_patch_close(). */
WFPATCH_API const struct wfpatch_patch_info *wfpatch_patch_info(const struct wfpatch_patch *patch);

/* wfpatch_pack_opts.flags: variants that the compiler made of a replaced function may stay in use */
#define WFPATCH_PACK_LEAVE_VARIANTS	(1U << 0)

/**
 * struct wfpatch_pack_opts - for wfpatch_pack()
 * @sz: sizeof(struct wfpatch_pack_opts)
 * @object: path of the relocatable object with the new functions
 * @target: path of the program or shared library that it is for
 * @debug: path of a file with the target's symbols, or NULL to look for one
 * @replace: array of @nr_replace texts "old" or "old=new"; "file.c:old=new" for one of several static
 *	functions of the same name
 * @name: of the patch, or NULL for that of @output without its directory and ".wfp"
 * @version, @description, @author, @cves, @replaces: see struct wfpatch_patch_info
 * @flags: WFPATCH_PACK_... bits
 * @output: path of the patch file
 * @hook_points: array of @nr_hook_points texts "name" or "file.c:name": functions at whose call a hook
 *	may run, besides those that are replaced
 */
struct wfpatch_pack_opts {
	size_t sz;
	const char *object;
	const char *target;
	const char *debug;
	const char *const *replace;
	unsigned int nr_replace;
	unsigned int nr_cves;
	const char *name;
	const char *version;
	const char *description;
	const char *author;
	const char *const *cves;
	const char *const *replaces;
	unsigned int nr_replaces;
	unsigned int flags;
	const char *output;
	const char *const *hook_points;
	unsigned int nr_hook_points;
	unsigned int reserved;
};

/*
 * wfpatch_pack() - make a patch file. Errors: ENOENT @target has no such function, or @object has not;
 * ENOTUNIQ it has several; EEXIST @object defines what it should refer to; ENOEXEC something in them
 * cannot be served; those of open(2), write(2) and rename(2).
 */

WFPATCH_API int wfpatch_pack(const struct wfpatch_pack_opts *opts, char *err, size_t err_size);

/* --- applying --------------------------------------------------------------------------------- */

/**
 * struct wfpatch_progress - how far a transition is
 * @threads: of the process
 * @missing: those of them that are not over yet
 * @blocked: array of @nr_blocked, at most those that are missing
 * @hook: the hook that is waited for, NULL while threads are moved
 */
struct wfpatch_progress {
	unsigned int threads;
	unsigned int missing;
	const struct wfpatch_blocked_info *blocked;
	unsigned int nr_blocked;
	const char *hook;
};

/* wfpatch_apply_opts.flags */
#define WFPATCH_APPLY_DRY_RUN	(1U << 0) /* check everything, change nothing */
#define WFPATCH_APPLY_EXPLICIT	(1U << 1) /* threads come over at wfpatch_quiesce() only */

/**
 * struct wfpatch_apply_opts - for wfpatch_apply() and wfpatch_revert()
 * @sz: sizeof(struct wfpatch_apply_opts)
 * @debug: path of a file with the target's symbols, or NULL to look for one
 * @on_progress: called now and then while waiting; anything but 0 ends the wait and takes everything
 *	back. May be NULL
 * @data: its second argument
 * @flags: WFPATCH_APPLY_... bits
 * @timeout_ms: after this everything is taken back; 0 for 30 s, UINT_MAX for never
 * @err, @err_size: where the line about an error goes
 */
struct wfpatch_apply_opts {
	size_t sz;
	const char *debug;
	int (*on_progress)(const struct wfpatch_progress *progress, void *data);
	void *data;
	unsigned int flags;
	unsigned int timeout_ms;
	char *err;
	size_t err_size;
};

/**
 * wfpatch_apply() - apply a patch to a process
 *
 * On any error the process is as it was before. Errors: ESRCH no such process, or it ended; EPERM it
 * may not be traced; ENOENT it does not map the file that the patch is for; EEXIST the patch is
 * applied already; EILSEQ old code differs from what the patch expects; ENOEXEC something in the
 * patch cannot be linked into this process; ERANGE no room within reach; ETIMEDOUT a thread did not
 * leave the old code in time, or no thread came to run a hook; ECONNREFUSED the pre-apply hook refused;
 * ECANCELED by @on_progress; those of wfpatch_open(). If only the post-apply hook did not run (EINPROGRESS)
 * the patch is applied; to apply it again is to try that again.
 */
WFPATCH_API int wfpatch_apply(pid_t pid, struct wfpatch_patch *patch,
			      const struct wfpatch_apply_opts *opts);

/*
 * wfpatch_revert() - take an applied patch back; @id: its id or its name. EBUSY a later patch
 * replaces one of its functions; ENOENT it is not applied; ECONNREFUSED its pre-revert hook refused;
 * EINPROGRESS it is reverted, but its post-revert hook did not run, so that its memory stays: to revert
 * again is to try that again; others as for wfpatch_apply().
 */
WFPATCH_API int wfpatch_revert(pid_t pid, const char *id, const struct wfpatch_apply_opts *opts);

/* What has become of a hook of an applied patch. */
enum wfpatch_hook_state {
	WFPATCH_HOOK_NOT_RUN = 0,
	WFPATCH_HOOK_RUNNING = 1,
	WFPATCH_HOOK_DONE = 2,
};

/**
 * struct wfpatch_applied - a patch that is in a process, read from the process itself
 * @info: what its file said
 * @start, @end: where its image is mapped
 * @sequence: patches are numbered in the order in which they were applied
 * @active: how many of @info.nr_functions lead to this patch now; a later one may have others
 * @hook_state: by enum wfpatch_hook: enum wfpatch_hook_state
 * @hook_result: what it returned
 */
struct wfpatch_applied {
	struct wfpatch_patch_info info;
	uint64_t start;
	uint64_t end;
	uint64_t sequence;
	unsigned int active;
	unsigned int hook_state[WFPATCH_NR_HOOKS];
	int hook_result[WFPATCH_NR_HOOKS];
};

/* The patches in a process, in the order of @sequence. Free with wfpatch_applied_free(). */
WFPATCH_API int wfpatch_applied(pid_t pid, struct wfpatch_applied **list, unsigned int *nr,
				char *err, size_t err_size);
WFPATCH_API void wfpatch_applied_free(struct wfpatch_applied *list, unsigned int nr);

#ifdef __cplusplus
}
#endif

#endif
