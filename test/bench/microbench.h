/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the micro-benchmark share: the requests it makes, its clock, and how a
 * measured value is printed.
 */
#ifndef MICROBENCH_H
#define MICROBENCH_H

#include <stddef.h>
#include <stdint.h>

#define PAGE	4096UL
#define MIB	(1UL << 20)

/* How often a value is taken in one run; its median is what counts. */
#define BATCHES	7

struct batch {
	unsigned int nr;
	double values[64];
};

/* The case that runs, for messages. */
extern const char *current_case;

/* Print a message with errno's text and end the program. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

uint64_t now_ns(void);
void batch_add(struct batch *batch, double value);
double batch_median(const struct batch *batch);

/* One line on standard output: what was measured, and the value. */
void sample(const char *name, double value);
void sample_batch(const char *name, const struct batch *batch);

/* Anonymous memory of small pages, every page written. */
void *resident_memory(size_t bytes);

/* Cut @bytes of memory into mappings of one page each. */
void many_mappings(unsigned int nr);

/* Run @body in a child of its own, so that no case inherits memory or views from another. */
void in_child(void (*body)(void));

int device_open(void);
uint32_t view_create(int fd);
void view_delete(int fd, uint32_t view);
void view_migrate(int fd, uint32_t view);
uint32_t device_max_views(int fd);

/* Give the view one page of its own, with the content that it has in the base. */
void view_overlay(int fd, uint32_t view, const void *page);

/* A page of the program's code, and one of the C library's. */
const void *program_code(void);
const void *library_code(void);

/* Nanoseconds for each, as the median of several batches. */
double measure_ping_pong(void);
double measure_page_fault(void);
double measure_mmap_munmap(void);
double measure_mmap_touch_munmap(void);

void case_suite(void);
void case_create(void);
void case_first(void);
void case_migrate(void);
void case_in_view(void);
void case_memory(void);
void case_keeper(void);
void case_patched(void);

#endif
