/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the command share. */
#ifndef TOOL_H
#define TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <jansson.h>
#include <wfpatch/apply.h>

#define TOOL_VERSION "0.1"

/* Exit statuses; wfpatch(8) has the same list. */
enum status {
	STATUS_DONE = 0,
	STATUS_USAGE = 1,      /* wrong options, or a file that cannot be read or is not a patch */
	STATUS_REFUSED = 2,    /* the patch cannot be applied to, or taken from, this process */
	STATUS_TAKEN_BACK = 3, /* timed out or cancelled: everything was taken back */
	STATUS_NOT_FOUND = 4,  /* no such process, or the patch is not applied to it */
	STATUS_PERMISSION = 5,
	STATUS_MODULE = 6,    /* the kernel module is not loaded, or too old */
	STATUS_UNCHANGED = 7, /* applied already, or nothing to patch */
	STATUS_SYSTEM = 8,    /* out of memory, or another failure of the system's */
	STATUS_UNFINISHED = 9, /* done, but a hook did not run */
	NR_STATUS,
};

/* --- options.c: the command line ---------------------------------------------------------------- */

/* A list of texts or numbers that an option may add to. */
struct texts {
	const char **list;
	unsigned int nr;
};

struct options {
	pid_t *pids;
	unsigned int nr_pids;
	bool all, dry_run, explicit_only, watch, json, quiet, leave_variants;
	unsigned int timeout_ms; /* 0: the library's default; UINT_MAX: never */
	const char *debug;
	/* of pack */
	const char *target, *output, *name, *version, *description, *author;
	struct texts replace, cves, replaces, hook_points;
	/* of build and diff */
	struct texts old, new, allow;
	const char *source, *debian, *diff, *make, *binary, *cache;
	bool keep_lines;
	/* what is not an option */
	struct texts plain;
	const char **args;
	int nr_args;
};

struct command {
	const char *name;
	const char *args;    /* how it is called, behind its name */
	const char *summary; /* one line */
	const char *options; /* letters of options.c's table */
	int min_args, max_args;
	int (*run)(const struct options *options);
};

/* Fill in @options: -1 to go on, or an exit status (help was printed, or a line about an error). */
int options_parse(const struct command *command, int argc, char **argv, struct options *options);
void options_free(struct options *options);
void options_help(const struct command *command, FILE *file);

/* --- output.c: text and JSON -------------------------------------------------------------------- */

/* "wfpatch: ..." on standard error. Returns @status. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The exit status that an error of wfpatch_apply(), _revert() or _applied() stands for. */
int status_of(int err, bool revert);
/* "pre-apply" and so on; @hook: enum wfpatch_hook */
const char *hook_name(unsigned int hook);
const char *status_name(int status);

/* A copy for a terminal: one line, what is not printable as \xNN. Free it. */
char *printable(const char *text);

/* Print a JSON value as a line of its own and drop it. Returns an exit status. */
int put_json(json_t *value);
json_t *json_text(const char *text); /* any bytes */
json_t *json_hex(uint64_t number);   /* "0x..." : numbers of JSON have 53 bits */
json_t *json_info(const struct wfpatch_patch_info *info);
void put_info(const struct wfpatch_patch_info *info);
void hex(char *text, const unsigned char *bytes, unsigned int nr);

/* Clear what --watch drew and begin at the top, if it is a terminal. */
void redraw(void);
/* Wait a moment; false if a signal says that it is over. */
bool watch_wait(void);

/* --- process.c ---------------------------------------------------------------------------------- */

/* The processes of the system, in order; free it. */
int process_list(pid_t **pids, unsigned int *nr);
void process_name(pid_t pid, char *name, size_t size);
/* Those that map a file with the patch's build-id; *@unread counts those that may not be looked at. */
int process_find(const struct wfpatch_patch_info *info, pid_t **pids, unsigned int *nr,
		 unsigned int *unread);
/* A note about processes that may not be looked at, if there are some. */
void note_unread(unsigned int nr);

/* --- symbol.c: what lies at an address ---------------------------------------------------------- */

struct symbols;
struct symbols *symbols_new(pid_t pid, const char *debug);
void symbols_free(struct symbols *symbols);
/* "function+0x12", "function of patch NAME+0x3", "file+0x345", "patch NAME+0x10", or "0x7f..." */
void symbols_name(struct symbols *symbols, uint64_t address, char *text, size_t size);

/* --- progress.c: who is missing ----------------------------------------------------------------- */

struct progress {
	pid_t pid;
	const char *name;
	const struct options *options;
	struct symbols *symbols;
	int64_t started_ms, last_line_ms;
	unsigned int threads, last_missing, drawn;
	bool last_hook; /* that a hook is waited for was told */
	bool tty, returning;
};

void progress_begin(struct progress *progress, pid_t pid, const char *name,
		    const struct options *options);
int progress_show(const struct wfpatch_progress *state, void *progress);
void progress_end(struct progress *progress);
int64_t now_ms(void);

/* --- signal.c ----------------------------------------------------------------------------------- */

/* SIGINT, SIGTERM and SIGHUP end waiting, and what was begun is taken back. */
void signals_catch(void);
bool signals_seen(void);

/* --- the commands ------------------------------------------------------------------------------- */

int cmd_apply(const struct options *options);
int cmd_check(const struct options *options);
int cmd_revert(const struct options *options);
int cmd_status(const struct options *options);
int cmd_list(const struct options *options);
int cmd_info(const struct options *options);
int cmd_pack(const struct options *options);
int cmd_build(const struct options *options);
int cmd_diff(const struct options *options);

#endif
