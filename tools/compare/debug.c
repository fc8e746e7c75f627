// SPDX-License-Identifier: GPL-2.0
/* See debug.h. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "debug.h"

/* Types within types without end are no C. */
#define DEPTH_MAX 64

struct function {
	uint64_t address;
	Dwarf_Die die;
};

struct variable {
	uint64_t address;
	char *scope, *type;
};

/* Of the line table; several of one address in the order in which the table has them. */
struct row {
	uint64_t address;
	size_t index;
	int number;
};

struct debug {
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwarf_Addr bias;
	struct function *functions;
	size_t nr_functions;
	struct variable *variables;
	size_t nr_variables;
	struct layout *layouts;
	size_t nr_layouts;
	struct row *rows;
	size_t nr_rows;
	bool rows_read;
	char *producer;
};

/* --- texts ------------------------------------------------------------------------------------ */

struct buffer {
	char *text;
	size_t len, room;
};

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

static const char *die_name(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	return dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attr));
}

static bool die_type(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;

	return dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &attr), type);
}

static bool has_flag(Dwarf_Die *die, unsigned int name)
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

static const char *aggregate_word(int tag)
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

static void put_type(struct buffer *buffer, Dwarf_Die *of, unsigned int depth);
static void put_members(struct buffer *buffer, Dwarf_Die *die, unsigned int depth);

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

static void put_parameters(struct buffer *buffer, Dwarf_Die *die, unsigned int depth)
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
static const char *nameless_word(Dwarf_Die *die)
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
static void put_type(struct buffer *buffer, Dwarf_Die *of, unsigned int depth)
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

static void put_members(struct buffer *buffer, Dwarf_Die *die, unsigned int depth)
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

/* --- reading ---------------------------------------------------------------------------------- */

static void add_layout(struct debug *debug, Dwarf_Die *die, const char *scope)
{
	struct buffer buffer = { 0 };
	const char *name = die_name(die), *word = nameless_word(die);
	Dwarf_Die type;

	if (!name || has_flag(die, DW_AT_declaration))
		return;
	if (word) {
		if (!die_type(die, &type))
			return;
		put_members(&buffer, &type, 0);
	} else {
		word = aggregate_word(dwarf_tag(die));
		put_members(&buffer, die, 0);
	}
	debug->layouts = enlarge(debug->layouts, debug->nr_layouts + 1, sizeof(*debug->layouts));
	debug->layouts[debug->nr_layouts].name =
		text("%s %s%s", word, scope, name);
	debug->layouts[debug->nr_layouts++].text = buffer.text;
}

static void add_function(struct debug *debug, Dwarf_Die *die)
{
	struct function *to;
	Dwarf_Addr address;
	Dwarf_Addr base;
	ptrdiff_t at = 0;
	Dwarf_Addr end;

	if (dwarf_lowpc(die, &address)) {
		at = dwarf_ranges(die, at, &base, &address, &end);
		if (at <= 0)
			return;
	}
	debug->functions = enlarge(debug->functions, debug->nr_functions + 1,
				   sizeof(*debug->functions));
	to = &debug->functions[debug->nr_functions++];
	to->address = address + debug->bias;
	to->die = *die;
}

static void add_variable(struct debug *debug, Dwarf_Die *die, const char *scope)
{
	struct buffer type = { 0 };
	Dwarf_Attribute attr, address_attr;
	Dwarf_Addr address;
	Dwarf_Op *ops;
	size_t nr;

	if (dwarf_getlocation(dwarf_attr(die, DW_AT_location, &attr), &ops, &nr) || nr != 1)
		return;
	/* clang has its addresses in a table. */
	if (ops[0].atom == DW_OP_addr)
		address = ops[0].number;
	else if (ops[0].atom != DW_OP_addrx ||
		 dwarf_getlocation_attr(&attr, ops, &address_attr) ||
		 dwarf_formaddr(&address_attr, &address))
		return;
	put_type(&type, die, 0);
	debug->variables = enlarge(debug->variables, debug->nr_variables + 1,
				   sizeof(*debug->variables));
	debug->variables[debug->nr_variables].address = address + debug->bias;
	debug->variables[debug->nr_variables].type = type.text;
	debug->variables[debug->nr_variables++].scope = text("%s", scope);
}

/* Functions, types and static variables; what is within functions, too. */
static void read_scope(struct debug *debug, Dwarf_Die *parent, const char *scope,
		       unsigned int depth)
{
	Dwarf_Die die;
	const char *name;
	char *inner;
	int tag;

	if (depth > DEPTH_MAX || dwarf_child(parent, &die))
		return;
	do {
		tag = dwarf_tag(&die);
		name = die_name(&die);
		if (aggregate_word(tag) || nameless_word(&die))
			add_layout(debug, &die, scope);
		if (tag == DW_TAG_variable)
			add_variable(debug, &die, scope);
		if (tag == DW_TAG_subprogram)
			add_function(debug, &die);
		if (tag != DW_TAG_subprogram && tag != DW_TAG_namespace &&
		    tag != DW_TAG_lexical_block && !aggregate_word(tag))
			continue;
		inner = name && tag != DW_TAG_lexical_block ? text("%s%s::", scope, name)
							     : text("%s", scope);
		read_scope(debug, &die, inner, depth + 1);
		free(inner);
	} while (!dwarf_siblingof(&die, &die));
}

static int compare_layouts(const void *a, const void *b)
{
	const struct layout *one = a, *other = b;
	int order = strcmp(one->name, other->name);

	return order ? order : strcmp(one->text, other->text);
}

static void read_units(struct debug *debug)
{
	Dwarf_Addr bias;
	Dwarf_Die *cu = NULL;
	Dwarf_Attribute attr;
	const char *producer;

	while ((cu = dwfl_module_nextcu(debug->module, cu, &bias))) {
		debug->bias = bias;
		producer = dwarf_formstring(dwarf_attr(cu, DW_AT_producer, &attr));
		if (producer && !debug->producer)
			debug->producer = text("%s", producer);
		read_scope(debug, cu, "", 0);
	}
	if (debug->nr_layouts)
		qsort(debug->layouts, debug->nr_layouts, sizeof(*debug->layouts), compare_layouts);
}

bool debug_open(struct unit *unit)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	struct debug *debug;
	Dwarf_Addr bias;

	if (unit->debug)
		return unit->debug->producer;
	debug = allocate(1, sizeof(*debug));
	unit->debug = debug;
	debug->dwfl = dwfl_begin(&callbacks);
	if (!debug->dwfl)
		return false;
	debug->module = dwfl_report_offline(debug->dwfl, unit->path, unit->path, -1);
	dwfl_report_end(debug->dwfl, NULL, NULL);
	if (!debug->module || !dwfl_module_getdwarf(debug->module, &bias))
		return false;
	read_units(debug);
	return debug->producer;
}

void debug_close(struct debug *debug)
{
	size_t i;

	if (!debug)
		return;
	for (i = 0; i < debug->nr_layouts; i++) {
		free(debug->layouts[i].name);
		free(debug->layouts[i].text);
	}
	free(debug->layouts);
	for (i = 0; i < debug->nr_variables; i++) {
		free(debug->variables[i].scope);
		free(debug->variables[i].type);
	}
	free(debug->rows);
	free(debug->variables);
	free(debug->functions);
	free(debug->producer);
	if (debug->dwfl)
		dwfl_end(debug->dwfl);
	free(debug);
}

const char *debug_producer(const struct unit *unit)
{
	return unit->debug && unit->debug->producer ? unit->debug->producer : "";
}

const struct layout *debug_layouts(const struct unit *unit, size_t *nr)
{
	*nr = unit->debug ? unit->debug->nr_layouts : 0;
	return *nr ? unit->debug->layouts : NULL;
}

/* --- functions -------------------------------------------------------------------------------- */

/* libdw has laid the object's sections out at addresses of its own. */
static bool address_of(const struct unit *unit, const struct item *item, uint64_t *address)
{
	GElf_Addr bias;
	GElf_Shdr header;
	Elf_Scn *scn;
	Elf *elf;

	if (!unit->debug || !unit->debug->module)
		return false;
	elf = dwfl_module_getelf(unit->debug->module, &bias);
	scn = elf ? elf_getscn(elf, item->section->number) : NULL;
	if (!scn || !gelf_getshdr(scn, &header))
		return false;
	*address = header.sh_addr + bias + item->offset;
	return true;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *one = a, *other = b;

	if (one->address != other->address)
		return one->address < other->address ? -1 : 1;
	return one->index < other->index ? -1 : one->index > other->index;
}

/* Of all units, once: looked for by address. */
static void read_rows(struct debug *debug)
{
	Dwarf_Die *cu = NULL;
	Dwarf_Addr bias, at;
	Dwfl_Line *line;
	size_t rows, i;
	int number;

	debug->rows_read = true;
	while ((cu = dwfl_module_nextcu(debug->module, cu, &bias))) {
		if (dwfl_getsrclines(cu, &rows))
			continue;
		debug->rows = enlarge(debug->rows, debug->nr_rows + rows + 1, sizeof(*debug->rows));
		for (i = 0; i < rows; i++) {
			line = dwfl_onesrcline(cu, i);
			if (line && dwfl_lineinfo(line, &at, &number, NULL, NULL, NULL))
				debug->rows[debug->nr_rows++] =
					(struct row){ at, i, number };
		}
	}
	if (debug->nr_rows)
		qsort(debug->rows, debug->nr_rows, sizeof(*debug->rows), compare_rows);
}

struct line *debug_lines(const struct unit *unit, const struct item *item, size_t *nr)
{
	struct debug *debug = unit->debug;
	size_t low = 0, high, middle;
	struct line *list = NULL;
	uint64_t address;

	*nr = 0;
	if (!address_of(unit, item, &address))
		return NULL;
	if (!debug->rows_read)
		read_rows(debug);
	for (high = debug->nr_rows; low < high;) {
		middle = low + (high - low) / 2;
		if (debug->rows[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < debug->nr_rows && debug->rows[low].address < address + item->size; low++) {
		list = enlarge(list, *nr + 1, sizeof(*list));
		list[*nr].offset = debug->rows[low].address - address;
		list[(*nr)++].number = debug->rows[low].number;
	}
	return list;
}

static const struct variable *find_variable(const struct unit *unit, const struct item *item)
{
	uint64_t address;
	size_t i;

	if (!address_of(unit, item, &address))
		return NULL;
	for (i = 0; i < unit->debug->nr_variables; i++) {
		if (unit->debug->variables[i].address == address)
			return &unit->debug->variables[i];
	}
	return NULL;
}

const char *debug_scope(const struct unit *unit, const struct item *item)
{
	const struct variable *variable = find_variable(unit, item);

	return variable ? variable->scope : NULL;
}

char *debug_type(const struct unit *unit, const struct item *item)
{
	const struct variable *variable = find_variable(unit, item);

	return variable && variable->type ? text("%s", variable->type) : NULL;
}

char *debug_signature(const struct unit *unit, const struct item *item)
{
	struct buffer buffer = { 0 };
	const struct debug *debug = unit->debug;
	Dwarf_Die die, origin;
	Dwarf_Attribute attr;
	uint64_t address;
	size_t i;

	if (!address_of(unit, item, &address))
		return NULL;
	for (i = 0; i < debug->nr_functions; i++) {
		if (debug->functions[i].address != address)
			continue;
		die = debug->functions[i].die;
		put_type(&buffer, &die, 0);
		/* What was there before the compiler took it apart. */
		while (dwarf_formref_die(dwarf_attr(&die, DW_AT_abstract_origin, &attr), &origin))
			die = origin;
		put_parameters(&buffer, &die, 0);
		return buffer.text;
	}
	return NULL;
}
