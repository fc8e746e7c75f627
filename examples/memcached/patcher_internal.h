/* SPDX-License-Identifier: GPL-2.0 */
/* What the two ways of patching share: what is replaced by what, and how progress is told. */
#ifndef PATCHER_INTERNAL_H
#define PATCHER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_FUNCTIONS	16
#define MAX_WORKERS	64
#define DEADLINE_MS	30000
#define WORKER_COMM	"mc-worker"
#define COMM_MAX	20

struct replacement {
	const char *name;
	unsigned char *old;
	unsigned char *new;
};

struct fix {
	void *object;			/* from dlopen(); NULL if there is none */
	unsigned int nr;
	struct replacement list[MAX_FUNCTIONS];
};

struct workers {
	unsigned int nr;
	void (*wake)(void);
};

/* A command's answer, and when the command came. */
struct answer {
	int fd;
	uint64_t start;	/* ns */
};

__attribute__((format(printf, 2, 3))) void say(struct answer *answer, const char *format, ...);
uint64_t now_ns(void);
/* Also tells the name of the thread. In answers workers are numbered in the order of their ids. */
bool is_worker(pid_t tid, char comm[COMM_MAX]);

/* Has a fix been applied, and not undone? */
bool views_busy(void);
bool barrier_busy(void);

/* All of these return 0, or -1 after having said why not. */
int views_apply(struct answer *answer, const struct workers *workers, const struct fix *fix);
int views_undo(struct answer *answer, const struct workers *workers);
int views_threads(struct answer *answer);
int views_list(struct answer *answer);
int views_prepare(struct answer *answer);
int views_release(struct answer *answer);
int views_close(struct answer *answer);
int barrier_apply(struct answer *answer, const struct workers *workers, const struct fix *fix);
int barrier_undo(struct answer *answer, const struct workers *workers);

#endif /* PATCHER_INTERNAL_H */
