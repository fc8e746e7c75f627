// SPDX-License-Identifier: GPL-2.0
/* See type_text.h. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdio.h>
#include <string.h>
#include "type_text.h"
#include "unit.h"

/* Types within types without end are no C. */
#define DEPTH_MAX 64

static void put(struct buffer *buffer, const char *words)
{
	size_t len = strlen(words);

	if (buffer->len + len + 1 > buffer->room) {
		buffer->room = 2 * (buffer->len + len + 1);
		buffer->text = enlarge(buffer->text, buffer->room, 1);
	}
	memcpy(buffer->text + buffer->len, words, len + 1);
	buffer->len += len;
}

static void put_number(struct buffer *buffer, const char *before, uint64_t number)
{
	char words[64];

	snprintf(words, sizeof(words), "%s%llu", before, (unsigned long long)number);
	put(buffer, words);
}

const char *die_name(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	return dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attr));
}

bool die_type(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;

	return dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &attr), type);
}

bool has_flag(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attr;
	bool flag = false;

	return !dwarf_formflag(dwarf_attr(die, name, &attr), &flag) && flag;
}

static uint64_t number_of(Dwarf_Die *die, unsigned int name, uint64_t otherwise)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	return dwarf_formudata(dwarf_attr_integrate(die, name, &attr), &value) ? otherwise : value;
}

const char *aggregate_word(int tag)
{
	switch (tag) {
	case DW_TAG_structure_type:
	case DW_TAG_class_type: /* the same, but for who may see what */
		return "struct";
	case DW_TAG_union_type:
		return "union";
	case DW_TAG_enumeration_type:
		return "enum";
	}
	return NULL;
}

static void put_bounds(struct buffer *buffer, Dwarf_Die *die)
{
	Dwarf_Die child;
	uint64_t count;

	if (dwarf_child(die, &child))
		return;
	do {
		if (dwarf_tag(&child) != DW_TAG_subrange_type)
			continue;
		count = number_of(&child, DW_AT_count, UINT64_MAX);
		if (count == UINT64_MAX) {
			count = number_of(&child, DW_AT_upper_bound, UINT64_MAX);
			count = count == UINT64_MAX ? 0 : count + 1;
		}
		put_number(buffer, "[", count);
		put(buffer, "]");
	} while (!dwarf_siblingof(&child, &child));
}

void put_parameters(struct buffer *buffer, Dwarf_Die *die, unsigned int depth)
{
	const char *between = "";
	Dwarf_Die child;

	put(buffer, " (");
	if (!dwarf_child(die, &child)) {
		do {
			if (dwarf_tag(&child) == DW_TAG_formal_parameter) {
				put(buffer, between);
				put_type(buffer, &child, depth + 1);
				between = ", ";
			} else if (dwarf_tag(&child) == DW_TAG_unspecified_parameters) {
				put(buffer, between);
				put(buffer, "...");
			}
		} while (!dwarf_siblingof(&child, &child));
	}
	put(buffer, ")");
}

/* "struct" for a typedef of one without a name; else NULL. */
const char *nameless_word(Dwarf_Die *die)
{
	Dwarf_Die type;

	if (dwarf_tag(die) != DW_TAG_typedef || !die_type(die, &type) || die_name(&type))
		return NULL;
	return aggregate_word(dwarf_tag(&type));
}

/* Types with a name are told by it: their own layouts are compared by themselves. */
static void put_die(struct buffer *buffer, Dwarf_Die *die, unsigned int depth)
{
	const char *word = aggregate_word(dwarf_tag(die)), *name = die_name(die);

	if (depth > DEPTH_MAX) {
		put(buffer, "...");
	} else if (word) {
		put(buffer, word);
		put(buffer, " ");
		if (name)
			put(buffer, name);
		else
			put_members(buffer, die, depth + 1);
	} else {
		switch (dwarf_tag(die)) {
		case DW_TAG_base_type:
		case DW_TAG_unspecified_type:
			put(buffer, name ? name : "?");
			break;
		case DW_TAG_pointer_type:
			put_type(buffer, die, depth + 1);
			put(buffer, " *");
			break;
		case DW_TAG_reference_type:
		case DW_TAG_rvalue_reference_type:
			put_type(buffer, die, depth + 1);
			put(buffer, " &");
			break;
		case DW_TAG_ptr_to_member_type:
			put_type(buffer, die, depth + 1);
			put(buffer, " ::*");
			break;
		case DW_TAG_array_type:
			put_type(buffer, die, depth + 1);
			put_bounds(buffer, die);
			break;
		case DW_TAG_subroutine_type:
			put_type(buffer, die, depth + 1);
			put_parameters(buffer, die, depth);
			break;
		case DW_TAG_typedef:
			/* The name of what has no other; its layout is compared by itself. */
			word = nameless_word(die);
			if (word && name) {
				put(buffer, word);
				put(buffer, " ");
				put(buffer, name);
				break;
			}
			/* fall through */
		default: /* const, volatile, restrict, _Atomic: what is below */
			put_type(buffer, die, depth + 1);
		}
	}
}

/* The type of @of; what has none returns nothing. */
void put_type(struct buffer *buffer, Dwarf_Die *of, unsigned int depth)
{
	Dwarf_Die type;

	if (die_type(of, &type))
		put_die(buffer, &type, depth);
	else
		put(buffer, "void");
}

static void put_member(struct buffer *buffer, Dwarf_Die *die, unsigned int depth)
{
	const char *name = die_name(die);
	uint64_t bits;

	switch (dwarf_tag(die)) {
	case DW_TAG_enumerator:
		put(buffer, name ? name : "");
		put_number(buffer, "=", number_of(die, DW_AT_const_value, 0));
		break;
	case DW_TAG_inheritance:
	case DW_TAG_member:
		/* What belongs to the class, not to its objects. */
		if (has_flag(die, DW_AT_external) || has_flag(die, DW_AT_declaration))
			return;
		put(buffer, name ? name : "");
		put_number(buffer, "@", number_of(die, DW_AT_data_member_location, 0));
		bits = number_of(die, DW_AT_bit_size, 0);
		if (bits) {
			put_number(buffer, ".", number_of(die, DW_AT_data_bit_offset,
							  number_of(die, DW_AT_bit_offset, 0)));
			put_number(buffer, "/", bits);
		}
		put(buffer, ":");
		put_type(buffer, die, depth + 1);
		break;
	default:
		return;
	}
	put(buffer, ";");
}

void put_members(struct buffer *buffer, Dwarf_Die *die, unsigned int depth)
{
	Dwarf_Die child;

	put_number(buffer, "{", number_of(die, DW_AT_byte_size, 0));
	put(buffer, ":");
	if (!dwarf_child(die, &child)) {
		do
			put_member(buffer, &child, depth);
		while (!dwarf_siblingof(&child, &child));
	}
	put(buffer, "}");
}
