// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the names that a patch uses mean in the process. In this order: what the patch file says of the
 * target, the target's symbols, what the target exports, what it has imported itself (exactly that,
 * read from its tables of addresses), and what the libraries export, in the dynamic linker's order.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "linker.h"

/* The dynamic linker says of a module's thread-local memory that it has no fixed place. */
#define TLS_DYNAMIC (-1L)

static uint64_t align(uint64_t value, uint64_t to)
{
	return to > 1 ? (value + to - 1) & -to : value;
}

static int open_symbols(struct wf_link *link)
{
	const struct wf_mapping *mapping = link->module->mapping;
	char path[64], name[PATH_MAX + 32], root[32];
	char *suffix;
	int err;

	if (link->symbols_open || link->symbols_tried)
		return link->symbols_open ? 0 : -ENOENT;
	link->symbols_tried = true;
	snprintf(root, sizeof(root), "/proc/%d/root", link->process.pid);
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", link->process.pid,
		 mapping->start, mapping->end);
	err = wf_symbols_open(&link->symbols, path, mapping->path, root, link->debug, &link->error);
	if (err == -ENOENT || err == -EPERM || err == -EACCES) {
		/* Not every kernel and user has these; a file that was replaced is seen below. */
		snprintf(name, sizeof(name), "%s%s", root, mapping->path);
		suffix = strstr(name, " (deleted)");
		if (suffix)
			*suffix = 0;
		err = wf_symbols_open(&link->symbols, name, mapping->path, root, link->debug,
				      &link->error);
	}
	if (err)
		return link->debug ? err : -ENOENT;
	link->symbols_open = true;
	if (link->symbols.binary.build_id_size == link->module->build_id_size &&
	    !memcmp(link->symbols.binary.build_id, link->module->build_id,
		    link->module->build_id_size))
		return 0;
	/* Another file by now: its symbols say nothing. */
	link->symbols.nr = 0;
	return 0;
}

static void set_value(struct wf_value *value, struct wf_module *module, uint64_t address,
		      uint64_t size, unsigned int type)
{
	value->size = size;
	value->kind = type == STT_TLS ? WF_TLS : WF_ADDRESS;
	value->module = module;
	value->address = type == STT_TLS ? address : module->bias + address;
	value->code = type == STT_FUNC || type == STT_NOTYPE;
}

/* The address that the dynamic linker has put into a module's table for a name; 0 if none. */
static uint64_t bound_address(const struct wf_link *link, const struct wf_module *module,
			      const char *name)
{
	const Elf64_Rela *reloc;
	uint64_t address;
	size_t i, symbol;

	for (i = 0; i < module->nr_relocs; i++) {
		reloc = &module->relocs[i];
		symbol = ELF64_R_SYM(reloc->r_info);
		if ((ELF64_R_TYPE(reloc->r_info) != R_X86_64_GLOB_DAT &&
		     ELF64_R_TYPE(reloc->r_info) != R_X86_64_JUMP_SLOT) ||
		    symbol >= module->nr_symbols ||
		    strcmp(wf_module_name(module, &module->symbols[symbol]), name) != 0 ||
		    wf_process_read(&link->process, module->bias + reloc->r_offset, &address,
				    sizeof(address)))
			continue;
		/* Before its first call it leads to the module's own code, which would look it up. */
		if (address && (address < module->start || address >= module->end))
			return address;
	}
	return 0;
}

/* What a module's relocation by the address of an indirect function's chooser has become; 0 if none. */
static uint64_t chosen_address(struct wf_link *link, const struct wf_module *module,
			       uint64_t chooser)
{
	const Elf64_Rela *relocs = module->relocs;
	size_t nr = module->nr_relocs, i;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	Elf_Data *data;
	uint64_t address;

	/* A static program's are found by its section only. */
	if (!nr && module == link->module && link->symbols_open) {
		section = wf_elf_section(&link->symbols.binary, SHT_RELA, &header);
		data = section ? elf_getdata(section, NULL) : NULL;
		relocs = data ? data->d_buf : NULL;
		nr = relocs ? data->d_size / sizeof(*relocs) : 0;
	}
	for (i = 0; i < nr; i++) {
		if (ELF64_R_TYPE(relocs[i].r_info) == R_X86_64_IRELATIVE &&
		    (uint64_t)relocs[i].r_addend == chooser &&
		    !wf_process_read(&link->process, module->bias + relocs[i].r_offset, &address,
				     sizeof(address)))
			return address;
	}
	return 0;
}

/*
 * An indirect function of @module: what it stands for was chosen when something was bound to it, the
 * target first, or another module, or the one that has it.
 */
static int find_chosen(struct wf_link *link, const struct wf_module *owner, const char *name,
		       uint64_t chooser, struct wf_value *value)
{
	unsigned int i;

	value->kind = WF_ADDRESS;
	value->code = true;
	value->address = bound_address(link, link->module, name);
	if (!value->address)
		value->address = chosen_address(link, owner, chooser);
	for (i = 0; !value->address && i < link->process.nr_modules; i++) {
		struct wf_module *module = &link->process.modules[i];

		if (module->linked && !wf_module_load(&link->process, module))
			value->address = bound_address(link, module, name);
	}
	if (value->address)
		return 0;
	return wf_error_set(&link->error, ENOEXEC,
			    "'%s' is an indirect function whose code nothing in the process has "
			    "chosen yet",
			    name);
}

/* A name that is both a static symbol's and a library's: which one does the object mean? */
static int check_static(struct wf_link *link, const char *name)
{
	struct wf_module *module;
	unsigned int i;

	for (i = 0; i < link->process.nr_modules; i++) {
		module = &link->process.modules[i];
		if (module == link->module || !module->linked ||
		    wf_module_load(&link->process, module) || !wf_module_symbol(module, name))
			continue;
		return wf_error_set(&link->error, ENOEXEC,
				    "'%s' is static in the target, and %s exports it: say which, "
				    "with an asm name as in " WF_LOCAL_PREFIX "file_c.%s or "
				    WF_IMPORT_PREFIX "%s", name, module->mapping->path, name, name);
	}
	return 0;
}

/* 0, -ENOENT or an error that is told. */
static int by_patch(struct wf_link *link, const char *name, struct wf_value *value)
{
	const struct wf_reference *reference;
	unsigned int i;

	for (i = 0; i < link->patch->nr_references; i++) {
		reference = &link->patch->references[i];
		if (strcmp(reference->name, name) != 0)
			continue;
		set_value(value, link->module, reference->address, reference->size,
			  reference->type);
		return reference->flags & WF_REFERENCE_STATIC ? check_static(link, name) : 0;
	}
	return -ENOENT;
}

/* 0, -ENOENT or an error that is told. */
static int by_symbols(struct wf_link *link, const char *name, struct wf_value *value)
{
	const struct wf_symbol *symbol;
	int err;

	err = open_symbols(link);
	if (err)
		return err;
	err = wf_symbols_find(&link->symbols, name, false, &symbol);
	if (err == -ENOTUNIQ)
		return wf_error_set(&link->error, ENOEXEC,
				    "the target has several '%s': pack the patch again with its "
				    "symbols",
				    name);
	if (err)
		return err;
	if (symbol->type == STT_GNU_IFUNC)
		return find_chosen(link, link->module, name, symbol->value, value);
	set_value(value, link->module, symbol->value, symbol->size, symbol->type);
	return symbol->bind == STB_LOCAL && !strcmp(name, symbol->name) ? check_static(link, name)
									: 0;
}

static int by_export(struct wf_link *link, struct wf_module *module, const char *name,
		     struct wf_value *value)
{
	const Elf64_Sym *symbol;

	if (wf_module_load(&link->process, module))
		return -ENOENT;
	symbol = wf_module_symbol(module, name);
	if (!symbol)
		return -ENOENT;
	if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC)
		return find_chosen(link, module, name, symbol->st_value, value);
	set_value(value, module, symbol->st_value, symbol->st_size, ELF64_ST_TYPE(symbol->st_info));
	return 0;
}

/* Does some library export code by that name? */
static bool exports_function(struct wf_link *link, const char *name)
{
	const Elf64_Sym *symbol;
	unsigned int i, type;

	for (i = 0; i < link->process.nr_modules; i++) {
		struct wf_module *module = &link->process.modules[i];

		if (!module->linked || wf_module_load(&link->process, module))
			continue;
		symbol = wf_module_symbol(module, name);
		type = symbol ? ELF64_ST_TYPE(symbol->st_info) : STT_NOTYPE;
		if (symbol)
			return type == STT_FUNC || type == STT_GNU_IFUNC;
	}
	return false;
}

/* What is not the target's own. */
static int find_import(struct wf_link *link, const char *name, struct wf_value *value)
{
	unsigned int i;
	int err = -ENOENT;

	value->address = bound_address(link, link->module, name);
	if (value->address) {
		value->kind = WF_ADDRESS;
		value->code = exports_function(link, name);
		return 0;
	}
	/* A library in a namespace of its own (dlmopen) does not see those of the list. */
	for (i = 0; link->module->linked && i < link->process.nr_modules; i++) {
		if (!link->process.modules[i].linked)
			continue;
		err = by_export(link, &link->process.modules[i], name, value);
		if (err != -ENOENT)
			return err;
	}
	return -ENOENT;
}

/* 0, -ENOENT if nothing in the process has the name, or an error that is told. */
int wf_find_name(struct wf_link *link, const char *name, struct wf_value *value)
{
	const char *import = wf_import_name(name);
	int err;

	if (import)
		return find_import(link, import, value);
	err = by_patch(link, name, value);
	/* A static program's indirect functions are known to its file only. */
	if (err == -ENOENT && (!link->patch->complete || !link->module->dynamic))
		err = by_symbols(link, name, value);
	if (err == -ENOENT)
		err = by_export(link, link->module, name, value);
	if (err == -ENOENT)
		err = find_import(link, name, value);
	/* An indirect function of the target itself that other code can see only in its symbols. */
	if (err == -ENOENT && link->patch->complete)
		err = by_symbols(link, name, value);
	return err;
}

static int resolve_symbol(struct wf_link *link, unsigned int number)
{
	const struct wf_object_symbol *symbol = &link->object.symbols[number];
	struct wf_value *value = &link->values[number];
	int err;

	if (!symbol->used || !number)
		return 0;
	if (symbol->section == SHN_ABS) {
		value->kind = WF_ADDRESS;
		value->address = symbol->value;
		return 0;
	}
	if (symbol->section != SHN_UNDEF) {
		err = by_patch(link, symbol->name, value);
		if (err != -ENOENT)
			return err;
		value->kind = WF_OWN;
		value->size = symbol->size;
		value->code = symbol->type == STT_FUNC;
		return 0;
	}
	/* The table of addresses is the linker's own. */
	if (!strcmp(symbol->name, "_GLOBAL_OFFSET_TABLE_"))
		return 0;
	err = wf_find_name(link, symbol->name, value);
	if (err == -ENOENT && symbol->bind == STB_WEAK) {
		value->kind = WF_ADDRESS;
		value->code = true;
		return 0;
	}
	if (err == -ENOENT)
		return wf_error_set(&link->error, ENOEXEC,
				    "the patch uses '%s', which neither the target nor any "
				    "library in process %d has%s", symbol->name, link->process.pid,
				    link->patch->complete ? "" :
							    "; give a file with the target's symbols");
	return err;
}

int wf_resolve(struct wf_link *link)
{
	unsigned int i;
	int err;

	err = wf_module_load(&link->process, link->module);
	if (err)
		return wf_error_set(&link->error, -err, "cannot read the dynamic section of %s: %s",
				    link->module->mapping->path, strerror(-err));
	link->values = calloc(link->object.nr_symbols + 1, sizeof(*link->values));
	if (!link->values)
		return -ENOMEM;
	for (i = 0; !err && i < link->object.nr_symbols; i++)
		err = resolve_symbol(link, i);
	return err;
}

/* What a relocation of the module's own for thread-local memory has become; -ENOENT. */
static int tls_slot(struct wf_link *link, const struct wf_module *module, unsigned int type,
		    uint64_t *value, const Elf64_Rela **found)
{
	const Elf64_Sym *symbol;
	size_t i, number;

	for (i = 0; i < module->nr_relocs; i++) {
		number = ELF64_R_SYM(module->relocs[i].r_info);
		if (ELF64_R_TYPE(module->relocs[i].r_info) != type || number >= module->nr_symbols)
			continue;
		symbol = &module->symbols[number];
		/* One with a name may mean another module's. */
		if (number && (symbol->st_shndx == SHN_UNDEF ||
			       ELF64_ST_VISIBILITY(symbol->st_other) == STV_DEFAULT))
			continue;
		*found = &module->relocs[i];
		return wf_process_read(&link->process, module->bias + (*found)->r_offset, value,
				       sizeof(*value));
	}
	return -ENOENT;
}

/* A field of the dynamic linker's record of the module, found as debuggers find it. */
static int link_map_field(struct wf_link *link, const struct wf_module *module, const char *name,
			  uint64_t *value)
{
	const Elf64_Sym *symbol;
	uint32_t field[3]; /* bits, number of elements, offset */
	unsigned int i;

	for (i = 0; module->link_map && i < link->process.nr_modules; i++) {
		struct wf_module *library = &link->process.modules[i];

		if (!library->linked || wf_module_load(&link->process, library))
			continue;
		symbol = wf_module_symbol(library, name);
		if (!symbol || symbol->st_size != sizeof(field) ||
		    wf_process_read(&link->process, library->bias + symbol->st_value, field,
				    sizeof(field)) ||
		    field[0] != 64)
			continue;
		return wf_process_read(&link->process, module->link_map + field[2], value,
				       sizeof(*value));
	}
	return -ENOENT;
}

int wf_tls_module(struct wf_link *link, struct wf_module *module, uint64_t *number)
{
	const Elf64_Rela *reloc;

	if (!wf_module_phdr(module, PT_TLS) || wf_module_load(&link->process, module))
		return -ENOENT;
	*number = 1;
	if (module->program)
		return 0;
	*number = 0;
	if (!tls_slot(link, module, R_X86_64_DTPMOD64, number, &reloc) && *number)
		return 0;
	if (!link_map_field(link, module, "_thread_db_link_map_l_tls_modid", number) && *number)
		return 0;
	return -ENOENT;
}

int wf_tls_offset(struct wf_link *link, struct wf_module *module, int64_t *offset)
{
	const Elf64_Phdr *phdr = wf_module_phdr(module, PT_TLS);
	const Elf64_Rela *reloc;
	uint64_t value = 0, symbol;

	if (!phdr || wf_module_load(&link->process, module))
		return -ENOENT;
	if (module->program) {
		*offset = -(int64_t)align(phdr->p_memsz, phdr->p_align);
		return 0;
	}
	if (!tls_slot(link, module, R_X86_64_TPOFF64, &value, &reloc) && value) {
		symbol = ELF64_R_SYM(reloc->r_info);
		*offset = (int64_t)(value - (uint64_t)reloc->r_addend -
				    (symbol ? module->symbols[symbol].st_value : 0));
		return 0;
	}
	if (link_map_field(link, module, "_thread_db_link_map_l_tls_offset", &value) || !value ||
	    (int64_t)value == TLS_DYNAMIC)
		return -ENOENT;
	*offset = -(int64_t)value;
	return 0;
}
