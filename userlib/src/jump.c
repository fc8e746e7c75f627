// SPDX-License-Identifier: LGPL-2.1-or-later
/* The x86-64 jumps that a redirected function begins with: made and recognised. */
#include <string.h>
#include "internal.h"

static const unsigned char endbr64[WF_ENDBR_SIZE] = { 0xf3, 0x0f, 0x1e, 0xfa };
static const unsigned char jump_indirect[6] = { 0xff, 0x25, 0x00, 0x00, 0x00, 0x00 };

/* Bytes that a jump at @at to @to takes. */
size_t wf_jump_size(uintptr_t at, uintptr_t to)
{
	int64_t distance = (int64_t)(to - (at + WF_JUMP_NEAR));

	return distance == (int32_t)distance ? WF_JUMP_NEAR : WF_JUMP_FAR;
}

/* Write the jump to @code (room for WF_JUMP_FAR), to be run at @at. Returns its size. */
size_t wf_jump_encode(unsigned char *code, uintptr_t at, uintptr_t to)
{
	int32_t distance = (int32_t)(to - (at + WF_JUMP_NEAR));
	uint64_t address = to;

	if (wf_jump_size(at, to) == WF_JUMP_NEAR) {
		code[0] = 0xe9;
		memcpy(code + 1, &distance, sizeof(distance));
		return WF_JUMP_NEAR;
	}
	memcpy(code, jump_indirect, sizeof(jump_indirect));
	memcpy(code + sizeof(jump_indirect), &address, sizeof(address));
	return WF_JUMP_FAR;
}

/* The size and target of a jump as wf_jump_encode() makes them; 0 if @code is something else. */
size_t wf_jump_decode(const unsigned char *code, size_t len, uintptr_t at, uintptr_t *to)
{
	int32_t distance;
	uint64_t address;

	if (len >= WF_JUMP_NEAR && code[0] == 0xe9) {
		memcpy(&distance, code + 1, sizeof(distance));
		*to = at + WF_JUMP_NEAR + (int64_t)distance;
		return WF_JUMP_NEAR;
	}
	if (len >= WF_JUMP_FAR && !memcmp(code, jump_indirect, sizeof(jump_indirect))) {
		memcpy(&address, code + sizeof(jump_indirect), sizeof(address));
		*to = address;
		return WF_JUMP_FAR;
	}
	return 0;
}

/* Indirect calls may need the landing pad where it is: a jump goes behind it. */
size_t wf_endbr_size(const unsigned char *code, size_t len)
{
	return len >= sizeof(endbr64) && !memcmp(code, endbr64, sizeof(endbr64)) ? WF_ENDBR_SIZE
										 : 0;
}
