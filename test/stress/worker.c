// SPDX-License-Identifier: GPL-2.0
/*
 * A worker's life: it takes one random step after the other and checks after each that code and
 * data are what its view says. Now and then a new thread takes the work over.
 *
 * Every step begins with a random state made from seed, worker and step, so that what a worker
 * decides does not depend on what others did before.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "stress.h"

#define NEEDS_DEVICE 1
#define CHILD_TOO 2 /* also for a forked child, on its own copy of the memory */

static const struct {
	const char *name;
	void (*run)(struct worker *w);
	unsigned int weight;
	unsigned int flags;
	unsigned int stat;
} ops[] = {
	{ "store", op_store, 60, CHILD_TOO, STAT_MEMORY },
	{ "unmap", op_unmap, 20, CHILD_TOO, STAT_MEMORY },
	{ "unmap-chunk", op_unmap_chunk, 3, CHILD_TOO, STAT_MEMORY },
	{ "remap", op_remap, 12, CHILD_TOO, STAT_MEMORY },
	{ "protect", op_protect, 20, CHILD_TOO, STAT_MEMORY },
	{ "protect-drop", op_protect_drop, 8, CHILD_TOO, STAT_MEMORY },
	{ "dontneed", op_dontneed, 20, CHILD_TOO, STAT_MEMORY },
	/* Not for a child: see op_free(). */
	{ "free", op_free, 15, 0, STAT_MEMORY },
	{ "advise", op_advise, 40, CHILD_TOO, STAT_MEMORY },
	{ "lock", op_lock, 5, CHILD_TOO, STAT_MEMORY },
	{ "move", op_move, 10, CHILD_TOO, STAT_MEMORY },
	{ "replace-code", op_replace_code, 20, CHILD_TOO, STAT_MEMORY },
	{ "pipe", op_pipe, 15, CHILD_TOO, STAT_MEMORY },
	{ "base-read", op_base_read, 10, 0, STAT_READS },
	{ "file-store", op_file_store, 20, 0, STAT_FILE },
	{ "file-write", op_file_write, 8, 0, STAT_FILE },
	{ "file-remap", op_file_remap, 5, 0, STAT_FILE },
	{ "counters", op_counters, 20, 0, STAT_MEMORY },
	{ "clear-refs", op_clear_refs, 3, 0, STAT_MEMORY },
	{ "fork", op_fork, 8, 0, STAT_FORKS },
	{ "exec", op_exec, 2, 0, STAT_EXECS },
	{ "vfork", op_vfork, 3, 0, STAT_VFORKS },
	{ "vm-clone", op_vm_clone, 12, 0, STAT_VM_CLONES },
	{ "thread", op_thread, 12, 0, STAT_THREADS },
	{ "signal", op_signal, 25, 0, STAT_SIGNALS },
	{ "create", op_create, 14, NEEDS_DEVICE, STAT_CREATES },
	{ "delete", op_delete, 12, NEEDS_DEVICE, STAT_DELETES },
	{ "migrate", op_migrate, 90, NEEDS_DEVICE, STAT_MIGRATIONS },
	{ "write-code", op_write_code, 40, NEEDS_DEVICE, STAT_WRITES },
	{ "write-data", op_write_data, 40, NEEDS_DEVICE, STAT_WRITES },
	{ "spread", op_spread, 8, NEEDS_DEVICE, STAT_WRITES },
	{ "read", op_read, 20, NEEDS_DEVICE, STAT_READS },
	{ "pin", op_pin, 15, NEEDS_DEVICE, STAT_PINS },
	{ "unpin", op_unpin, 15, NEEDS_DEVICE, STAT_UNPINS },
	{ "list", op_list, 6, NEEDS_DEVICE, STAT_READS },
	{ "handle", op_handle, 3, NEEDS_DEVICE, STAT_READS },
	{ "transition", op_transition, 3, NEEDS_DEVICE, STAT_WRITES },
};

#define NR_OPS (sizeof(ops) / sizeof(*ops))

static unsigned int weights[NR_OPS];

__thread struct worker *self;

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

uint64_t next_random(struct worker *w)
{
	w->random += 0x9e3779b97f4a7c15ULL;
	return mix(w->random);
}

unsigned int below(struct worker *w, unsigned int limit)
{
	return (unsigned int)((next_random(w) >> 32) * limit >> 32);
}

/*
 * True in the first worker from time to time, once it has worked for a while, if that fault was
 * asked for: a single one may be overwritten before anyone looks.
 */
bool shall_break(struct worker *w, enum break_mode mode)
{
	if (options.brk != mode || w->nr || w->step < 50 || (w->broken && w->step % 4))
		return false;
	w->broken = true;
	return true;
}

/* Keep what a step works on, for the report of a mismatch. */
void remember(struct worker *w, uint64_t a, uint64_t b)
{
	struct history *h = &w->history[w->step % HISTORY];

	h->a = a;
	h->b = b;
}

/* Keep that a step changed a page, or may have changed it. */
void log_page(struct worker *w, unsigned int page, uint32_t value)
{
	struct page_log *log = &w->page_log[page];
	const struct history *h = &w->history[w->step % HISTORY];

	log->entries[log->next % PAGE_LOG].step = (uint32_t)w->step;
	log->entries[log->next % PAGE_LOG].value = value;
	log->entries[log->next % PAGE_LOG].op = h->op ? h->op : "start";
	log->next++;
}

/*
 * Judge the result of a call, 0 or a negative errno. Shortage is no fault of anyone; @allowed is
 * one more error that the call may give here. Returns whether the call succeeded.
 */
bool tolerate(struct worker *w, long error, const char *call, int allowed)
{
	w->history[w->step % HISTORY].result = error;
	if (error >= 0)
		return true;
	w->stats[STAT_REFUSED]++;
	if (error != -ENOMEM && error != -EAGAIN && error != -ENOSPC && error != -EINTR &&
	    error != -allowed)
		mismatch(w, call, 0, 0, (uint64_t)error);
	return false;
}

static unsigned int choose(struct worker *w, bool in_child)
{
	unsigned int flags = in_child ? CHILD_TOO : 0, without = 0, total = 0, i, chosen;

	without |= options.no_device ? NEEDS_DEVICE : 0;
	for (i = 0; i < NR_OPS; i++)
		if ((ops[i].flags & flags) == flags && !(ops[i].flags & without))
			total += weights[i];
	chosen = below(w, total);
	for (i = 0;; i++) {
		if ((ops[i].flags & flags) != flags || ops[i].flags & without)
			continue;
		if (chosen < weights[i])
			return i;
		chosen -= weights[i];
	}
}

/* Set how often each step is taken, those named in a list with commas never; false if unknown. */
bool choose_without(const char *names)
{
	unsigned int i;
	size_t length;

	for (i = 0; i < NR_OPS; i++)
		weights[i] = ops[i].weight;
	for (; *names; names += length + (names[length] == ',')) {
		length = strcspn(names, ",");
		for (i = 0; i < NR_OPS; i++)
			if (strlen(ops[i].name) == length && !strncmp(names, ops[i].name, length))
				break;
		if (i == NR_OPS)
			return false;
		weights[i] = 0;
	}
	return true;
}

static void begin_step(struct worker *w)
{
	w->step++;
	w->progress++;
	w->random = mix(options.seed) ^ mix((uint64_t)w->nr << 40 | w->step);
	w->touched = (struct range){ 0, 0 };
}

static void run_op(struct worker *w, unsigned int op)
{
	struct history *h = &w->history[w->step % HISTORY];

	*h = (struct history){
		.step = w->step,
		.op = ops[op].name,
		.view = ((struct slot *)w->slot)->id,
	};
	w->stats[ops[op].stat]++;
	w->stats[STAT_STEPS]++;
	ops[op].run(w);
}

static void check_view(struct worker *w)
{
	struct slot *slot = w->slot;
	uint32_t view = 0;
	long error;

	if (options.no_device)
		return;
	error = device_current(device, &view);
	if (error || view != slot->id)
		mismatch(w, "VIEW_CURRENT tells another view", 0, slot->id,
			 error ? (uint64_t)error : view);
}

/* Everything that the thread can see is as its view says. */
void check_all(struct worker *w)
{
	check_view(w);
	code_check(w, 32);
	data_check(w, true);
}

static void break_model(struct worker *w)
{
	struct slot *slot = w->slot;
	unsigned int page = 136 + (unsigned int)(w->step * 37 % 800);

	if (shall_break(w, BREAK_CODE))
		slot->code[page % NR_FUNCTIONS] ^= 1;
	if (shall_break(w, BREAK_DATA))
		*cell_of(&slots[0], w->nr, page) ^= 1;
	if (shall_break(w, BREAK_MEMORY))
		*(volatile unsigned char *)(page_address(w, page) + page_offset(page, 1)) ^= 0x10;
}

static void step(struct worker *w)
{
	begin_step(w);
	run_op(w, choose(w, false));
	break_model(w);
	if (!(w->step % 8))
		check_view(w);
	code_check(w, 8);
	data_check(w, !(w->step % 32));
	counters_add(w);
}

/* In a forked child: steps on its own copy of the memory. */
void run_child_steps(struct worker *w, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		begin_step(w);
		run_op(w, choose(w, true));
		data_check(w, false);
	}
}

/* Its argument is the worker whose work it goes on with, in the view of the thread before. */
void *worker_thread(void *arg)
{
	struct worker *w = arg;

	self = w;
	w->tid = gettid();
	if (w->has_predecessor)
		pthread_join(w->predecessor, NULL);
	check_all(w);
	while (!stopping) {
		step(w);
		if (!below(w, 250) && start_successor(w))
			return NULL;
	}
	w->tid = 0;
	w->predecessor = pthread_self();
	w->done = true;
	return NULL;
}
