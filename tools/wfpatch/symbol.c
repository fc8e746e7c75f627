// SPDX-License-Identifier: GPL-2.0
/*
 * Names for addresses in a process, for people. A wrong name would mislead: the file that its path
 * leads to now is used only if it has the build-id of what is mapped.
 */
#include <stdlib.h>
#include <string.h>
#include "applied.h"
#include "header.h"
#include "process.h"
#include "symbols.h"
#include "tool.h"

/* The symbols of one module, opened when the first address in it is asked for. */
struct table {
	bool tried, open;
	struct wf_symbols symbols;
};

struct symbols {
	struct wf_process process;
	struct table *tables; /* one for each module */
	struct wf_applied_list applied;
	const char *debug;
	bool open;
};

struct symbols *symbols_new(pid_t pid, const char *debug)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	struct wf_error error = { NULL, 0 };

	if (!symbols)
		return NULL;
	symbols->debug = debug;
	pid = wf_reader(pid);
	if (wf_process_open(&symbols->process, pid, &error))
		return symbols;
	symbols->open = true;
	if (wf_applied_read(pid, &symbols->applied, NULL, 0))
		memset(&symbols->applied, 0, sizeof(symbols->applied));
	symbols->tables = calloc(symbols->process.nr_modules + 1UL, sizeof(*symbols->tables));
	return symbols;
}

void symbols_free(struct symbols *symbols)
{
	unsigned int i;

	if (!symbols)
		return;
	for (i = 0; symbols->tables && i < symbols->process.nr_modules; i++) {
		if (symbols->tables[i].open)
			wf_symbols_close(&symbols->tables[i].symbols);
	}
	free(symbols->tables);
	wf_applied_drop(&symbols->applied);
	if (symbols->open)
		wf_process_close(&symbols->process);
	free(symbols);
}

/* --debug is for the patched file, and others refuse it by its build-id. */
static bool open_table(struct symbols *s, const struct wf_module *module, struct table *table)
{
	struct wf_error error = { NULL, 0 };
	const char *name = module->mapping->path;
	char root[32], path[4352];
	int err;

	if (table->tried)
		return table->open;
	table->tried = true;
	snprintf(root, sizeof(root), "/proc/%d/root", s->process.pid);
	snprintf(path, sizeof(path), "%s%s", root, name);
	err = wf_symbols_open(&table->symbols, path, name, root, s->debug, &error);
	if (err && s->debug)
		err = wf_symbols_open(&table->symbols, path, name, root, NULL, &error);
	if (err)
		return false;
	table->open =
		table->symbols.binary.build_id_size == module->build_id_size &&
		!memcmp(table->symbols.binary.build_id, module->build_id, module->build_id_size);
	if (!table->open)
		wf_symbols_close(&table->symbols);
	return table->open;
}

/* The function that an address of the file lies in; the one with the latest start, if several. */
static const struct wf_symbol *find(const struct wf_symbols *symbols, uint64_t value)
{
	const struct wf_symbol *found = NULL, *symbol;
	size_t i;

	for (i = 0; i < symbols->nr; i++) {
		symbol = &symbols->list[i];
		if (symbol->type != STT_FUNC && symbol->type != STT_GNU_IFUNC)
			continue;
		if (value < symbol->value || value - symbol->value >= symbol->size)
			continue;
		if (!found || symbol->value > found->value)
			found = symbol;
	}
	return found;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "function of patch NAME+0x12". False if it is in none of a patch's functions. */
static bool name_in_patch(const struct symbols *s, uint64_t address, char *text, size_t size)
{
	const struct wf_header_function *code;
	const struct wfpatch_patch_info *info;
	unsigned int i, j;

	for (i = 0; i < s->applied.nr; i++) {
		info = &s->applied.patches[i].pub.info;
		for (j = 0; j < info->nr_functions; j++) {
			code = &s->applied.patches[i].code[j];
			if (address < code->new_address ||
			    address - code->new_address >= code->new_size)
				continue;
			snprintf(text, size, "%.128s of patch %s+%#llx",
				 info->functions[j].new_name,
				 info->name, (unsigned long long)(address - code->new_address));
			return true;
		}
	}
	return false;
}

void symbols_name(struct symbols *s, uint64_t address, char *text, size_t size)
{
	const struct wf_mapping *mapping;
	const struct wf_symbol *symbol;
	const struct wf_module *module;
	const char *image;
	unsigned int i;

	snprintf(text, size, "%#llx", (unsigned long long)address);
	mapping = s && s->open ? wf_process_mapping(&s->process, address) : NULL;
	if (!mapping || !*mapping->path)
		return;
	image = strstr(mapping->path, "/memfd:" WF_HEADER_NAME);
	if (image == mapping->path) {
		if (name_in_patch(s, address, text, size))
			return;
		image += strlen("/memfd:" WF_HEADER_NAME);
		snprintf(text, size, "patch %.*s+%#llx", (int)strcspn(image, " "), image,
			 (unsigned long long)(address - mapping->start + mapping->offset));
		return;
	}
	for (i = 0; s->tables && i < s->process.nr_modules; i++) {
		module = &s->process.modules[i];
		if (address < module->start || address >= module->end ||
		    !open_table(s, module, &s->tables[i]))
			continue;
		symbol = find(&s->tables[i].symbols, address - module->bias);
		if (!symbol)
			break;
		snprintf(text, size, "%.128s+%#llx", symbol->name,
			 (unsigned long long)(address - module->bias - symbol->value));
		return;
	}
	snprintf(text, size, "%.128s+%#llx", last_part(mapping->path),
		 (unsigned long long)(address - mapping->start + mapping->offset));
}
