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
#include "type_text.h"

/* Scopes within scopes without end are no C. */
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

/* libdw has laid the object's sections out at addresses of its own. */
static bool section_address(const struct unit *unit, unsigned int number, uint64_t *address)
{
	GElf_Addr bias;
	GElf_Shdr header;
	Elf_Scn *scn;
	Elf *elf;

	if (!unit->debug || !unit->debug->module)
		return false;
	elf = dwfl_module_getelf(unit->debug->module, &bias);
	scn = elf ? elf_getscn(elf, number) : NULL;
	if (!scn || !gelf_getshdr(scn, &header))
		return false;
	*address = header.sh_addr + bias;
	return true;
}

/* The relocation at a place in .debug_info; NULL if there is none. */
static const Elf64_Rela *debug_reloc(const struct unit *unit, uint64_t at)
{
	const struct section *table;
	const Elf64_Rela *relocs;
	unsigned int i;
	size_t j;

	for (i = 1; i < unit->nr_sections; i++) {
		table = &unit->sections[i];
		if (table->header.sh_type != SHT_RELA || !table->data ||
		    table->header.sh_info >= unit->nr_sections ||
		    strcmp(unit->sections[table->header.sh_info].name, ".debug_info") != 0)
			continue;
		relocs = (const Elf64_Rela *)table->data;
		for (j = 0; j < table->header.sh_size / sizeof(*relocs); j++) {
			if (relocs[j].r_offset == at)
				return &relocs[j];
		}
	}
	return NULL;
}

/* Where a thread-local variable is says a relocation that libdw does not know. */
static bool thread_local_address(const struct unit *unit, Dwarf_Die *die, Dwarf_Attribute *location,
				 uint64_t *address)
{
	const struct symbol *symbol;
	const Elf64_Rela *reloc;
	Dwarf_Block block;
	uint64_t at;

	if (dwarf_formblock(location, &block) || block.length < 1 + sizeof(uint64_t) ||
	    block.data[0] != DW_OP_const8u)
		return false;
	at = dwarf_dieoffset(die) + (uint64_t)(block.data + 1 - (unsigned char *)die->addr);
	reloc = debug_reloc(unit, at);
	if (!reloc || ELF64_R_SYM(reloc->r_info) >= unit->nr_symbols)
		return false;
	symbol = &unit->symbols[ELF64_R_SYM(reloc->r_info)];
	if (!section_address(unit, symbol->section, address))
		return false;
	*address += symbol->value + (uint64_t)reloc->r_addend;
	return true;
}

/* Where a variable that exists throughout is; false for what is in registers or on the stack. */
static bool variable_address(const struct unit *unit, Dwarf_Die *die, uint64_t *address)
{
	Dwarf_Attribute attr, address_attr;
	Dwarf_Op *ops;
	size_t nr;

	if (dwarf_getlocation(dwarf_attr(die, DW_AT_location, &attr), &ops, &nr) || !nr)
		return false;
	if (ops[nr - 1].atom == DW_OP_form_tls_address ||
	    ops[nr - 1].atom == DW_OP_GNU_push_tls_address)
		return thread_local_address(unit, die, &attr, address);
	if (nr != 1)
		return false;
	/* clang has its addresses in a table. */
	if (ops[0].atom == DW_OP_addr)
		*address = ops[0].number;
	else if (ops[0].atom != DW_OP_addrx ||
		 dwarf_getlocation_attr(&attr, ops, &address_attr) ||
		 dwarf_formaddr(&address_attr, address))
		return false;
	*address += unit->debug->bias;
	return true;
}

static void add_variable(const struct unit *unit, Dwarf_Die *die, const char *scope)
{
	struct debug *debug = unit->debug;
	struct buffer type = { 0 };
	struct variable *to;
	uint64_t address;

	if (!variable_address(unit, die, &address))
		return;
	put_type(&type, die, 0);
	debug->variables = enlarge(debug->variables, debug->nr_variables + 1,
				   sizeof(*debug->variables));
	to = &debug->variables[debug->nr_variables++];
	to->address = address;
	to->type = type.text;
	to->scope = text("%s", scope);
}

/* Functions, types and static variables; what is within functions, too. */
static void read_scope(const struct unit *unit, Dwarf_Die *parent, const char *scope,
		       unsigned int depth)
{
	struct debug *debug = unit->debug;
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
			add_variable(unit, &die, scope);
		if (tag == DW_TAG_subprogram)
			add_function(debug, &die);
		if (tag != DW_TAG_subprogram && tag != DW_TAG_namespace &&
		    tag != DW_TAG_lexical_block && !aggregate_word(tag))
			continue;
		inner = name && tag != DW_TAG_lexical_block ? text("%s%s::", scope, name)
							     : text("%s", scope);
		read_scope(unit, &die, inner, depth + 1);
		free(inner);
	} while (!dwarf_siblingof(&die, &die));
}

static int compare_layouts(const void *a, const void *b)
{
	const struct layout *one = a, *other = b;
	int order = strcmp(one->name, other->name);

	return order ? order : strcmp(one->text, other->text);
}

static int compare_variables(const void *a, const void *b)
{
	const struct variable *one = a, *other = b;

	return one->address < other->address ? -1 : one->address > other->address;
}

static void read_units(const struct unit *unit)
{
	struct debug *debug = unit->debug;
	Dwarf_Addr bias;
	Dwarf_Die *cu = NULL;
	Dwarf_Attribute attr;
	const char *producer;

	while ((cu = dwfl_module_nextcu(debug->module, cu, &bias))) {
		debug->bias = bias;
		producer = dwarf_formstring(dwarf_attr(cu, DW_AT_producer, &attr));
		if (producer && !debug->producer)
			debug->producer = text("%s", producer);
		read_scope(unit, cu, "", 0);
	}
	if (debug->nr_variables)
		qsort(debug->variables, debug->nr_variables, sizeof(*debug->variables),
		      compare_variables);
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
	read_units(unit);
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

static bool address_of(const struct unit *unit, const struct item *item, uint64_t *address)
{
	if (!section_address(unit, item->section->number, address))
		return false;
	*address += item->offset;
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
	struct variable key = { 0 };

	if (!address_of(unit, item, &key.address) || !unit->debug->nr_variables)
		return NULL;
	return bsearch(&key, unit->debug->variables, unit->debug->nr_variables, sizeof(key),
		       compare_variables);
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
