// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the image goes: as near as possible to what it patches, and not where the heap or a stack would
 * grow into it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "internal.h"
#include "linker.h"

#define REACH (1UL << 31) /* of a 32-bit displacement, either way */
#define FIRST 0x10000UL	  /* lower memory may be forbidden (vm.mmap_min_addr) */
#define LAST 0x7ffffffff000UL
/* A gap that something may grow into is used only at this distance from it. */
#define ROOM_FOR_HEAP (1UL << 30)
#define ROOM_FOR_STACK (16UL << 20)

struct place {
	uint64_t address;
	uint64_t distance;
};

static uint64_t stack_room(const struct wf_link *link)
{
	struct rlimit limit;

	if (prlimit(link->process.pid, RLIMIT_STACK, NULL, &limit) ||
	    limit.rlim_cur > ROOM_FOR_HEAP)
		return ROOM_FOR_HEAP;
	return limit.rlim_cur + ROOM_FOR_STACK;
}

/* The program's own memory ends before @address, so that its heap begins behind it. */
static bool heap_follows(const struct wf_link *link, const struct wf_mapping *mapping)
{
	const struct wf_process *process = &link->process;
	unsigned int i;

	if (!strcmp(mapping->path, "[heap]"))
		return true;
	for (i = 0; i < process->nr_modules; i++) {
		if (process->modules[i].program && mapping->end == process->modules[i].end)
			return true;
	}
	return false;
}

static int compare(const void *one, const void *other)
{
	const struct place *a = one, *b = other;

	return a->distance < b->distance ? -1 : a->distance > b->distance;
}

/* The place in the gap [@start, @end) that is nearest to the module; 0 if there is none. */
static uint64_t nearest(const struct wf_link *link, uint64_t start, uint64_t end)
{
	const struct wf_module *module = link->module;
	uint64_t low = module->end > REACH ? module->end - REACH : 0;
	uint64_t high = module->start + REACH;

	if (low < FIRST)
		low = FIRST;
	if (high > LAST)
		high = LAST;
	if (link->low && high > REACH)
		high = REACH;
	if (start < low)
		start = low;
	if (end > high)
		end = high;
	if (end <= start || end - start < link->len)
		return 0;
	return end <= module->start ? end - link->len : start;
}

int wf_place(struct wf_link *link, unsigned int again)
{
	const struct wf_process *process = &link->process;
	struct place *places, *place;
	uint64_t start = 0, end;
	unsigned int nr = 0, i;
	int err = 0;

	places = calloc(process->nr_mappings + 1UL, sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (i = 0; i <= process->nr_mappings; i++) {
		end = LAST;
		if (i < process->nr_mappings) {
			end = process->mappings[i].start;
			if (!strcmp(process->mappings[i].path, "[stack]"))
				end -= end > stack_room(link) ? stack_room(link) : end;
		}
		if (i && heap_follows(link, &process->mappings[i - 1]))
			start += ROOM_FOR_HEAP;
		place = &places[nr];
		place->address = nearest(link, start, end);
		place->distance = place->address < link->module->start
					  ? link->module->start - place->address
					  : place->address - link->module->start;
		if (place->address)
			nr++;
		if (i < process->nr_mappings)
			start = process->mappings[i].end;
	}
	qsort(places, nr, sizeof(*places), compare);
	if (again < nr)
		link->address = places[again].address;
	else
		err = wf_error_set(&link->error, ERANGE,
				   "there is no room for %lu KiB within reach of %s in process "
				   "%d%s", link->len >> 10, link->module->mapping->path,
				   process->pid,
				   link->low ? "; the object is not position-independent: "
					       "compile with -fPIC" : "");
	free(places);
	return err;
}
