/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the fuzzer share. A program is a list of calls, a call a kind and random words
 * of which everything it does follows, so that programs can be kept, changed and run again.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE 4096UL
#define NR_WORDS 12
#define MAX_CALLS 12
#define NR_HANDLES 6
#define FIRST_HANDLE 200 /* a range of their own: nothing else is ever mistaken for one */
#define CORPUS 1024
#define COVER_BITS (1U << 18)

enum {
	KIND_IOCTLS = 15, /* 0 to 14 are the requests by number */
	KIND_OTHER_IOCTL = KIND_IOCTLS,
	KIND_READ,
	KIND_POLL,
	KIND_MMAP,
	KIND_OPEN,
	KIND_CLOSE,
	KIND_DUP,
	KIND_FORK,
	KIND_PASS,
	KIND_TOUCH,
	NR_KINDS
};

struct call {
	uint32_t kind;
	uint64_t words[NR_WORDS];
};

struct program {
	uint32_t nr;
	struct call calls[MAX_CALLS];
};

/* Shared by all processes of a run. */
struct shared {
	_Atomic uint64_t calls[NR_KINDS];
	_Atomic uint64_t errnos[NR_KINDS][134];
	_Atomic uint32_t faults;
	char fault[256];
	_Atomic uint32_t corpus_size;
	_Atomic uint32_t corpus_lock;
	struct program corpus[CORPUS];
	_Atomic uint64_t covered;
	_Atomic uint64_t cover[COVER_BITS / 64];
};

/* The memory that calls work on; each area is followed by a page without access. */
struct pool {
	unsigned char *base;
	unsigned long canary;
	unsigned long vdso;
};

#define CANARY_PAGES 4
#define AREA_PAGES 8
#define NR_AREAS 6 /* writable, read-only, code, shared, file, huge-page sized part */

extern struct shared *shared;
extern struct pool pool;

uint64_t random_next(uint64_t *state);

/* fuzz_calls.c */
void calls_init(void);
long run_call(const struct call *call, bool in_child);
const char *kind_name(unsigned int kind);
void fault_found(const char *format, ...) __attribute__((format(printf, 1, 2)));
void make_call(struct call *call, uint64_t *state);
void pool_init(void);
void pool_disturb(uint64_t *state);

/* fuzz_kcov.c */
bool kcov_open(void);
void kcov_start(void);
unsigned int kcov_stop(void);

#endif /* FUZZ_H */
