// SPDX-License-Identifier: GPL-2.0
/*
 * Code and counters that all threads share: tiny functions in the program's own text, in anonymous
 * memory and in a private file mapping, each of which returns a number that views change; and,
 * among their pages, counters that no view has a page of its own for.
 *
 * A code cell holds a sequence number (odd while a change is under way) in its upper half, and the
 * numbers before and after the last change in its lower half.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "stress.h"

#define SHARED_BASE 0xe0000000000UL
#define FUNCTIONS_PER_PAGE 8
#define NR_TEXT 64
#define NR_ANONYMOUS 64
#define INSN_LENGTH 6
#define GROUP 64 /* pages from one page of code or counters to the next */

/* The last function of each page begins there and ends on the next page. */
#define LAST_OFFSET (PAGE - 3)

/* mov $(function << 16 | number), %eax; ret, placed as function_offset() says. */
__asm__(".pushsection .text\n"
	"	.balign 4096, 0xcc\n"
	"stress_text:\n"
	"	.skip 3, 0xcc\n"
	"	.set function, 0\n"
	"	.rept 8\n"
	"	.skip 61, 0xcc\n"
	"	.rept 7\n"
	"	.byte 0xb8\n"
	"	.short function * 7 + 1, function\n"
	"	.byte 0xc3\n"
	"	.skip 506, 0xcc\n"
	"	.set function, function + 1\n"
	"	.endr\n"
	"	.skip 445, 0xcc\n"
	"	.byte 0xb8\n"
	"	.short function * 7 + 1, function\n"
	"	.byte 0xc3\n"
	"	.set function, function + 1\n"
	"	.endr\n"
	"	.balign 4096, 0xcc\n"
	".popsection\n");

extern const char stress_text[];

struct locked_counter {
	pthread_mutex_t mutex;
	uint64_t value;
};

static struct locked_counter *locked_counter(void)
{
	return (void *)(SHARED_BASE + 2 * CHUNK + 300 * PAGE);
}

static unsigned long function_offset(unsigned int index)
{
	return index == FUNCTIONS_PER_PAGE - 1 ? LAST_OFFSET : 64 + index * 512;
}

unsigned long code_address(unsigned int function)
{
	unsigned int page = function / FUNCTIONS_PER_PAGE % 8;
	unsigned long offset = function_offset(function % FUNCTIONS_PER_PAGE);

	if (function < NR_TEXT)
		return (unsigned long)stress_text + page * PAGE + offset;
	if (function < NR_TEXT + NR_ANONYMOUS)
		return SHARED_BASE + page * GROUP * PAGE + offset;
	return SHARED_BASE + CHUNK + page * 2 * PAGE + offset;
}

uint32_t code_base(unsigned int function)
{
	return function * 7 + 1;
}

void code_encode(unsigned char *insn, uint32_t number)
{
	insn[0] = 0xb8;
	memcpy(insn + 1, &number, sizeof(number));
	insn[5] = 0xc3;
}

uint32_t code_call(unsigned long addr)
{
	uint32_t (*function)(void) = (uint32_t(*)(void))addr;

	return function();
}

uint32_t code_call_function(unsigned int function)
{
	return code_call(code_address(function));
}

uint64_t code_cell_steady(uint32_t number)
{
	return number << 16 | number;
}

static uint64_t cell_changing(uint64_t cell, uint32_t number)
{
	return ((cell >> 32) + 1) << 32 | (cell & 0xffff) << 16 | number;
}

static uint64_t cell_changed(uint64_t cell, uint32_t number)
{
	return ((cell >> 32) + 1) << 32 | number << 16 | number;
}

/* May a call between two looks at the cell have returned @seen? @raced if nothing can be said. */
bool code_cell_allows(uint64_t before, uint64_t after, uint32_t seen, bool *raced)
{
	uint32_t number = seen & 0xffff;

	*raced = before != after;
	if (*raced)
		return true;
	return number == (before & 0xffff) ||
	       ((before >> 32 & 1) && number == (before >> 16 & 0xffff));
}

/* Write the functions of an area, as the text has them from the start. */
static void write_functions(unsigned int first, unsigned int nr)
{
	unsigned int f;

	for (f = first; f < first + nr; f++)
		code_encode((unsigned char *)code_address(f), f << 16 | code_base(f));
}

static void *map_fixed(unsigned long addr, unsigned long len, int prot, int flags, int fd,
		       off_t offset)
{
	void *area = mmap((void *)addr, len, prot, flags | MAP_FIXED_NOREPLACE, fd, offset);

	if (area != (void *)addr)
		fatal("cannot map the shared areas", area == MAP_FAILED ? -1 : 0);
	return area;
}

void code_init(void)
{
	const unsigned long file_length = 16 * PAGE;
	const off_t offset = (off_t)MAX_THREADS * 64 * PAGE;
	pthread_mutexattr_t attr;
	unsigned int i;
	void *area;

	map_fixed(SHARED_BASE, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	write_functions(NR_TEXT, NR_ANONYMOUS);
	for (i = 0; i < 8; i++)
		if (mprotect((void *)(SHARED_BASE + i * GROUP * PAGE), 2 * PAGE,
			     PROT_READ | PROT_EXEC))
			fatal("mprotect of code", -1);

	area = map_fixed(SHARED_BASE + CHUNK, file_length, PROT_READ | PROT_WRITE, MAP_SHARED,
			 data_file, offset);
	write_functions(NR_TEXT + NR_ANONYMOUS, NR_FUNCTIONS - NR_TEXT - NR_ANONYMOUS);
	if (msync(area, file_length, MS_SYNC) || munmap(area, file_length))
		fatal("msync of code", -1);
	map_fixed(SHARED_BASE + CHUNK, file_length, PROT_READ | PROT_EXEC, MAP_PRIVATE, data_file,
		  offset);

	map_fixed(SHARED_BASE + 2 * CHUNK, CHUNK, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attr);
	pthread_mutex_init(&locked_counter()->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
}

/* Call @nr functions and compare with what the thread's view says. */
void code_check(struct worker *w, unsigned int nr)
{
	struct slot *slot = w->slot;
	unsigned int i, tries;

	for (i = 0; i < nr && !w->in_child; i++) {
		unsigned int f = below(w, NR_FUNCTIONS);
		bool raced = true;

		for (tries = 0; tries < 8 && raced; tries++) {
			uint64_t before = slot->code[f];
			uint32_t seen = code_call_function(f);
			uint64_t after = slot->code[f];

			if (seen >> 16 != f || !code_cell_allows(before, after, seen, &raced))
				mismatch(w, "a function returns a wrong number", code_address(f),
					 f << 16 | (before & 0xffff), seen);
		}
		w->stats[raced ? STAT_RACED : STAT_CODE_CHECKS]++;
	}
}

/* The same in a signal handler, which may run while its thread changes its view. */
void code_check_in_handler(struct worker *w)
{
	struct slot *slot = w->slot, *next = w->next;
	unsigned int f = (w->handler_checks++ * 13 + w->nr) % NR_FUNCTIONS;
	uint64_t before = slot->code[f], before_next = next ? next->code[f] : 0;
	uint32_t seen = code_call_function(f);
	bool raced, raced_next = false, allowed;

	allowed = code_cell_allows(before, slot->code[f], seen, &raced);
	if (next && !allowed)
		allowed = code_cell_allows(before_next, next->code[f], seen, &raced_next);
	if (seen >> 16 != f || !allowed)
		mismatch(w, "a function called in a signal handler returns a wrong number",
			 code_address(f), f << 16 | (before & 0xffff), seen);
}

/* Change functions, all different, in a view; returns what VIEW_WRITE returned. */
long code_change(struct worker *w, struct slot *slot, const unsigned int *functions,
		 const uint32_t *numbers, unsigned int nr)
{
	unsigned char insns[16][INSN_LENGTH];
	struct wfpatch_seg segs[16];
	unsigned int i;
	long error;

	pthread_mutex_lock(&slot->code_lock);
	for (i = 0; i < nr; i++) {
		uint32_t written = numbers[i] ^ shall_break(w, BREAK_WRITE);
		unsigned int f = functions[i];

		code_encode(insns[i], f << 16 | written);
		segs[i] = (struct wfpatch_seg){
			.addr = code_address(f),
			.data = (uintptr_t)insns[i],
			.len = numbers[i] & 1 ? INSN_LENGTH : 3,
		};
		slot->code[f] = cell_changing(slot->code[f], numbers[i]);
	}
	error = device_io(device, WFPATCH_IOC_VIEW_WRITE, slot->id, segs, nr);
	for (i = 0; i < nr; i++) {
		uint64_t cell = slot->code[functions[i]];

		slot->code[functions[i]] =
			cell_changed(cell, error ? cell >> 16 & 0xffff : numbers[i]);
	}
	pthread_mutex_unlock(&slot->code_lock);
	return error;
}

unsigned long counter_address(unsigned int nr)
{
	unsigned long area = SHARED_BASE + (nr < NR_COUNTERS / 2 ? 0 : 2 * CHUNK);
	unsigned int i = nr % (NR_COUNTERS / 2);

	return area + ((i / 2) * GROUP + 10 + (i % 2) * 13) * PAGE + nr * 72;
}

static _Atomic uint64_t *counter(unsigned int nr)
{
	return (_Atomic uint64_t *)counter_address(nr);
}

/* Count up some counters; no count may ever be lost, nor a counter go back. */
void counters_add(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < 3 && !w->in_child; i++) {
		unsigned int nr = below(w, NR_COUNTERS);
		uint64_t before = *counter(nr);

		if (!shall_break(w, BREAK_COUNTER))
			before = atomic_fetch_add(counter(nr), 1);
		w->adds[nr]++;
		if (before < w->last_seen[nr])
			mismatch(w, "a shared counter went back", counter_address(nr),
				 w->last_seen[nr], before);
		w->last_seen[nr] = before;
	}
}

/* A step: the same under a mutex, without atomics; its futex is in the same page. */
void op_counters(struct worker *w)
{
	struct locked_counter *locked = locked_counter();
	unsigned int i, times = 1 + below(w, 20);

	if (w->in_child)
		return;
	pthread_mutex_lock(&locked->mutex);
	for (i = 0; i < times; i++)
		locked->value++;
	w->locked_adds += times;
	pthread_mutex_unlock(&locked->mutex);
	counters_advise(w);
	remember(w, times, 0);
}

/* Content-preserving advice for the pages that everybody uses just now. */
void counters_advise(struct worker *w)
{
	static const int advice[] = { MADV_HUGEPAGE,	MADV_NOHUGEPAGE, MADV_MERGEABLE,
				      MADV_UNMERGEABLE, MADV_PAGEOUT,	 MADV_COLD,
				      MADV_COLLAPSE,	MADV_WILLNEED };
	unsigned int chosen = below(w, sizeof(advice) / sizeof(*advice));
	unsigned long first = below(w, 3) * CHUNK + below(w, 16) * PAGE;
	unsigned long pages = advice[chosen] == MADV_COLLAPSE ? 512 : 1 + below(w, 128);
	long error;

	if (pages == 512)
		first = 2 * CHUNK;
	if (w->in_child)
		return;
	error = RESULT(madvise((void *)(SHARED_BASE + first), pages * PAGE, advice[chosen]));
	tolerate(w, error == -EBUSY ? -EAGAIN : error, "madvise of shared pages failed", EINVAL);
}

/* After the last thread has ended: nothing was lost. */
void counters_verify(void)
{
	uint64_t sum, locked = 0;
	unsigned int i, t;

	for (i = 0; i < NR_COUNTERS; i++) {
		for (sum = 0, t = 0; t < options.threads; t++)
			sum += workers[t].adds[i];
		if (sum != *counter(i))
			mismatch(&workers[0], "updates of a shared counter are lost",
				 counter_address(i), sum, *counter(i));
	}
	for (t = 0; t < options.threads; t++)
		locked += workers[t].locked_adds;
	if (locked != locked_counter()->value)
		mismatch(&workers[0], "updates of the counter under a mutex are lost",
			 (unsigned long)&locked_counter()->value, locked, locked_counter()->value);
}
