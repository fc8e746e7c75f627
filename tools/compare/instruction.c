// SPDX-License-Identifier: GPL-2.0
/* See instruction.h. */
#include <stdlib.h>
#include <Zydis/Zydis.h>
#include "instruction.h"
#include "unit.h"

static enum flow flow_of(const ZydisDecodedInstruction *decoded,
			 const ZydisDecodedOperand *operands)
{
	bool direct = decoded->operand_count && operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;

	switch (decoded->meta.category) {
	case ZYDIS_CATEGORY_CALL:
		return FLOW_CALL;
	case ZYDIS_CATEGORY_RET:
		return FLOW_RETURN;
	case ZYDIS_CATEGORY_COND_BR:
		return FLOW_BRANCH;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return direct ? FLOW_JUMP : FLOW_INDIRECT;
	default:
		break;
	}
	if (decoded->mnemonic == ZYDIS_MNEMONIC_UD2 || decoded->mnemonic == ZYDIS_MNEMONIC_HLT)
		return FLOW_STOP;
	return FLOW_NEXT;
}

static void take(struct instruction *to, const ZydisDecodedInstruction *decoded,
		 const ZydisDecodedOperand *operands, size_t at)
{
	unsigned int i;

	to->offset = (uint32_t)at;
	to->size = decoded->length;
	to->flow = flow_of(decoded, operands);
	to->destination = -1;
	for (i = 0; i < 2; i++) {
		if (!decoded->raw.imm[i].size)
			continue;
		if (decoded->raw.imm[i].is_relative) {
			to->destination = (int64_t)at + decoded->length +
					  decoded->raw.imm[i].value.s;
		} else if (!to->constant) {
			to->constant = decoded->raw.imm[i].offset;
			to->constant_size = decoded->raw.imm[i].size / 8;
		}
	}
}

struct instruction *instructions_decode(const unsigned char *code, size_t size, size_t *nr)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	struct instruction *list = NULL;
	ZydisDecodedInstruction decoded;
	ZydisDecoder decoder;
	size_t at = 0;

	*nr = 0;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	while (at < size) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + at, size - at, &decoded,
							 operands))) {
			free(list);
			*nr = 0;
			return NULL;
		}
		if (!(*nr & (*nr - 1)) || !list)
			list = enlarge(list, *nr ? *nr * 2 : 1, sizeof(*list));
		list[*nr] = (struct instruction){ 0 };
		take(&list[(*nr)++], &decoded, operands, at);
		at += decoded.length;
	}
	return list;
}

const struct instruction *instruction_at(const struct instruction *list, size_t nr,
					 uint64_t offset)
{
	size_t low = 0, high = nr, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (offset < list[middle].offset)
			high = middle;
		else if (offset >= list[middle].offset + list[middle].size)
			low = middle + 1;
		else
			return &list[middle];
	}
	return NULL;
}
