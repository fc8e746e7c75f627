/* SPDX-License-Identifier: GPL-2.0 */
/* Memory for the fuzzer's calls to work on, and addresses and lengths in and around it. */
#ifndef FUZZ_POOL_H
#define FUZZ_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a request works on; page-aligned if @aligned, and never memory that the fuzzer stands on. */
uint64_t pick_target(uint64_t word, bool aligned);
/* Where a request reads its arguments and writes its answers. */
uint64_t pick_buffer(uint64_t word);
uint64_t pick_length(uint64_t word, bool aligned);
/* The last place of @size bytes before a page without access, or a bit further. */
uint64_t pick_end(uint64_t word, size_t size);
/* Copy without faulting, as far as the memory is there; to the other place the same. */
void copy_surely(uint64_t to, const void *from, size_t size);
void copy_out(const void *from, size_t size);
/* Load or store in the pool; a fault is no harm. */
long touch(const uint64_t *words);

#endif /* FUZZ_POOL_H */
