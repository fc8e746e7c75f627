/* SPDX-License-Identifier: GPL-2.0 */
/* Instructions of a function: their borders, constants and jumps. Decoded by Zydis. */
#ifndef INSTRUCTION_H
#define INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flow {
	FLOW_NEXT,	/* goes on behind it */
	FLOW_CALL,	/* comes back, unless what it calls does not */
	FLOW_BRANCH,	/* to its destination, or on */
	FLOW_JUMP,	/* to its destination */
	FLOW_INDIRECT,	/* jumps to what it reads */
	FLOW_RETURN,
	FLOW_STOP,	/* ud2, hlt */
};

/**
 * struct instruction - where it is in its function, and what is in it
 * @constant, @constant_size: offset in the instruction and bytes of its constant; 0 if it has none
 * @destination: of a call, branch or jump within the code, from the function's start
 */
struct instruction {
	uint32_t offset;
	uint8_t size;
	uint8_t constant, constant_size;
	enum flow flow;
	int64_t destination;
};

/*
 * The instructions of @size bytes of code; free them. NULL if it is not code from start to end, as
 * with tables within it.
 */
struct instruction *instructions_decode(const unsigned char *code, size_t size, size_t *nr);
/* The one that has the byte at @offset. */
const struct instruction *instruction_at(const struct instruction *list, size_t nr,
					 uint64_t offset);

#endif
