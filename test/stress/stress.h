/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the stress program share: the model of what every view shows, the threads that
 * work on it, and the steps that they take.
 *
 * A *slot* stands for a view; slot 0 is the base. A *worker* owns an arena of pages whose content
 * only it changes, and is run by one thread after the other. What a page of an arena shows in a
 * view is a *cell*; what a function of the shared code returns there is a *code cell*.
 */
#ifndef STRESS_H
#define STRESS_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE 4096UL
#define CHUNK (2UL << 20)
#define ARENA_PAGES 1024
#define NR_SLOTS 17
#define MAX_THREADS 200U
#define NR_FUNCTIONS 192
#define NR_COUNTERS 32
#define HISTORY 20

/* Newer than Debian 12's C library. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum {
	STAT_STEPS,
	STAT_CHECKS,
	STAT_CODE_CHECKS,
	STAT_RACED,
	STAT_CREATES,
	STAT_WRITES,
	STAT_READS,
	STAT_MIGRATIONS,
	STAT_DELETES,
	STAT_PINS,
	STAT_UNPINS,
	STAT_FORKS,
	STAT_EXECS,
	STAT_VFORKS,
	STAT_VM_CLONES,
	STAT_THREADS,
	STAT_SIGNALS,
	STAT_MEMORY,
	STAT_FILE,
	STAT_REFUSED,
	STAT_KILLED,
	NR_STATS
};

enum break_mode {
	BREAK_NONE,
	BREAK_CODE,
	BREAK_DATA,
	BREAK_MEMORY,
	BREAK_COUNTER,
	BREAK_FILE,
	BREAK_CHILD,
	BREAK_EXEC,
	BREAK_MIGRATE,
	BREAK_WRITE,
	BREAK_THREAD
};

struct options {
	unsigned int seconds;
	unsigned int threads;
	unsigned int stall;
	uint64_t seed;
	const char *dir;
	const char *without; /* names of steps to leave out, with commas */
	bool no_device;
	bool quiet;
	enum break_mode brk;
};

/*
 * CREATING: the model is being filled, no thread may enter. DELETED: VIEW_DELETE was or is being
 * called; threads may still run there. Free again once DELETED and without users.
 */
enum slot_state { SLOT_FREE, SLOT_CREATING, SLOT_LIVE, SLOT_DELETED };

/*
 * @lock protects @state and @id, and, held for reading, keeps @state while a worker changes its own
 * cells of this slot. @users counts threads in the view or about to use it; it grows only under
 * @lock in state LIVE. @code_lock serialises changes of @code; readers need no lock.
 */
struct slot {
	pthread_rwlock_t lock;
	pthread_mutex_t code_lock;
	enum slot_state state;
	uint32_t id;
	atomic_uint users;
	_Atomic uint64_t *data;
	_Atomic uint64_t code[NR_FUNCTIONS];
};

/*
 * A cell: the value of the page as the low 32 bits, and what is known of it. In slot 0 PRESENT is
 * always set. CHANGING brackets each change by the owner, so that who copies a row while a view is
 * created can tell which cells are certain.
 */
#define CELL_PRESENT (1ULL << 32)   /* the view has a page of its own */
#define CELL_WRITTEN (1ULL << 33)   /* VIEW_WRITE made it: UNPIN leaves it alone */
#define CELL_UNCERTAIN (1ULL << 34) /* changed during a creation: any old value may show */
#define CELL_CHANGING (1ULL << 35)
#define CELL_PINNED (1ULL << 36)    /* slot 0 only */
#define CELL_PREFILLED (1ULL << 37) /* creation has not looked at it yet */

/* What a libc call returned, as 0 or a negative errno. */
#define RESULT(call) ((call) == -1 ? -(long)errno : 0L)

static inline uint32_t cell_value(uint64_t cell)
{
	return (uint32_t)cell;
}

enum kind { KIND_DATA = 1, KIND_SHARED_FILE = 2, KIND_PRIVATE_FILE = 4, KIND_CODE = 8 };

struct range {
	unsigned int first;
	unsigned int nr;
};

/* The last changes of a page's content, for the report. */
#define PAGE_LOG 4

struct page_log {
	struct {
		uint32_t step;
		uint32_t value;
		const char *op;
	} entries[PAGE_LOG];
	uint32_t next;
};

struct history {
	uint64_t step;
	const char *op;
	uint32_t view;
	uint64_t a, b;
	long result;
};

struct worker {
	unsigned int nr;
	uint64_t step;
	uint64_t random;
	uint32_t value; /* the last value stored anywhere; they only grow */
	unsigned long arena;
	struct slot *_Atomic slot; /* where its thread runs */
	struct slot *_Atomic next; /* and where to it may be migrating */
	_Atomic pid_t tid;
	_Atomic uint64_t progress;
	pthread_t predecessor; /* for the thread that goes on, and for the last one, itself */
	bool has_predecessor;
	_Atomic bool done;
	bool in_child;
	_Atomic bool broken; /* the deliberate fault has been done */
	struct range touched;
	uint32_t file_value[32];
	uint64_t adds[NR_COUNTERS];
	uint64_t last_seen[NR_COUNTERS];
	uint64_t locked_adds;
	uint32_t *child_results; /* shared with forked children */
	char *vm_stack;
	struct history history[HISTORY];
	struct page_log *page_log;
	uint64_t stats[NR_STATS];
	_Atomic uint64_t handler_checks;
};

extern struct options options;
extern struct slot slots[NR_SLOTS];
extern struct worker *workers;
extern int device;
extern int data_file;
extern atomic_bool stopping;
extern __thread struct worker *self;

/* stress.c */
_Noreturn void fatal(const char *what, long error);
_Noreturn void mismatch(struct worker *w, const char *what, unsigned long addr, uint64_t expected,
			uint64_t seen);

/* worker.c */
void *worker_thread(void *arg);
void run_child_steps(struct worker *w, unsigned int nr);
void remember(struct worker *w, uint64_t a, uint64_t b);
bool choose_without(const char *names);
void log_page(struct worker *w, unsigned int page, uint32_t value);
bool tolerate(struct worker *w, long error, const char *call, int allowed);
uint64_t next_random(struct worker *w);
unsigned int below(struct worker *w, unsigned int limit);
void check_all(struct worker *w);
bool shall_break(struct worker *w, enum break_mode mode);

/* model.c: slots, and what their rows say */
void model_init(void);
struct slot *slot_get(struct worker *w, bool base_too);
struct slot *slot_reserve(struct worker *w);
void slot_release_reserved(struct slot *slot);
void slot_put(struct slot *slot);
unsigned int slot_number(const struct slot *slot);
bool slot_is_deleted(struct slot *slot);
_Atomic uint64_t *cell_of(struct slot *slot, unsigned int worker, unsigned int page);
uint64_t cell_visible(struct worker *w, struct slot *slot, unsigned int page);
void cells_mark(struct worker *w, struct range range);
void cells_unmark(struct worker *w, struct range range);
void cells_dropped(struct worker *w, struct range range, bool written_too, bool pinned_stay);
void cells_pinned(struct worker *w, struct range range);
void cells_unsure(struct worker *w, struct range range);
void model_flatten(struct worker *w);
void model_copy_begin(struct slot *parent, struct slot *slot, uint64_t *snapshot);
void model_copy_end(struct slot *parent, struct slot *slot, const uint64_t *snapshot);

/* code.c: functions that every thread calls */
void code_init(void);
unsigned long code_address(unsigned int function);
uint32_t code_base(unsigned int function);
uint32_t code_call(unsigned long addr);
uint32_t code_call_function(unsigned int function);
void code_encode(unsigned char *insn, uint32_t number);
uint64_t code_cell_steady(uint32_t number);
bool code_cell_allows(uint64_t before, uint64_t after, uint32_t seen, bool *raced);
void code_check(struct worker *w, unsigned int nr);
void code_check_in_handler(struct worker *w);
long code_change(struct worker *w, struct slot *slot, const unsigned int *functions,
		 const uint32_t *numbers, unsigned int nr);
void counters_add(struct worker *w);
void counters_verify(void);
void counters_advise(struct worker *w);
unsigned long counter_address(unsigned int nr);

/* data.c: the arenas */
void arena_init(struct worker *w);
unsigned long page_address(struct worker *w, unsigned int page);
enum kind page_kind(unsigned int page);
struct range pick_range(struct worker *w, unsigned int kinds, unsigned int max);
uint64_t page_word(struct worker *w, unsigned int page, uint32_t value);
unsigned int page_offset(unsigned int page, unsigned int which);
bool word_plausible(struct worker *w, unsigned int page, uint64_t word);
typedef void (*page_put)(struct worker *w, unsigned int page, uint32_t value, void *argument);
void page_store_by(struct worker *w, unsigned int page, uint32_t value, page_put put,
		   void *argument);
void page_store(struct worker *w, unsigned int page, uint32_t value);
void page_put_words(struct worker *w, unsigned int page, uint32_t value);
void page_check(struct worker *w, unsigned int page);
void range_check(struct worker *w, struct range range);
void data_check(struct worker *w, bool everything);
void *map_range(struct worker *w, struct range range, int extra_flags);

/* the steps */
void op_create(struct worker *w);
void op_delete(struct worker *w);
void op_migrate(struct worker *w);
void op_write_code(struct worker *w);
void op_write_data(struct worker *w);
void op_spread(struct worker *w);
void op_read(struct worker *w);
void op_pin(struct worker *w);
void op_unpin(struct worker *w);
void op_list(struct worker *w);
void op_handle(struct worker *w);
void op_transition(struct worker *w);
long migrate_to(struct worker *w, struct slot *slot);
void write_page(struct worker *w, struct slot *slot, unsigned int page);
void unpin_leftovers(struct worker *w, struct range range);

void op_store(struct worker *w);
void op_unmap(struct worker *w);
void op_unmap_chunk(struct worker *w);
void op_remap(struct worker *w);
void op_protect(struct worker *w);
void op_protect_drop(struct worker *w);
void op_dontneed(struct worker *w);
void op_free(struct worker *w);
void op_advise(struct worker *w);
void op_lock(struct worker *w);
void op_move(struct worker *w);
void op_replace_code(struct worker *w);

void op_pipe(struct worker *w);
void op_base_read(struct worker *w);
void op_file_store(struct worker *w);
void op_file_write(struct worker *w);
void op_file_remap(struct worker *w);
void op_counters(struct worker *w);
void op_clear_refs(struct worker *w);
void file_check(struct worker *w);
void file_init(struct worker *w);

void op_fork(struct worker *w);
void op_exec(struct worker *w);
void op_vfork(struct worker *w);
void op_vm_clone(struct worker *w);
void op_thread(struct worker *w);
void op_signal(struct worker *w);
void handlers_init(void);
int exec_child(bool no_device);
bool start_successor(struct worker *w);

#endif /* STRESS_H */
