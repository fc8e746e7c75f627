/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process.c: what is mapped into a running process, read from the process itself and never from file
 * names, which may lead to something newer by now. Nothing is changed in it, nor is it stopped.
 */
#ifndef WF_PROCESS_H
#define WF_PROCESS_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <wfpatch/apply.h>

/* Where the line about an error goes. */
struct wf_error {
	char *text;
	size_t size;
};

#define wf_error_set(error, code, ...) wf_fail((error)->text, (error)->size, code, __VA_ARGS__)

/* A line of /proc/PID/maps. */
struct wf_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	int prot;
	bool shared;
	char *path; /* "" if none */
};

/**
 * struct wf_module - a program or library in the process
 * @bias: to be added to addresses in its file
 * @start, @end: what its segments cover
 * @mapping: the one that begins with its ELF header
 * @type: ET_EXEC or ET_DYN
 * @program: it is what was executed
 * @linked: it is in the dynamic linker's list; these come first and in its order
 * @link_map: address of its entry there
 * @symbols, @strings: its dynamic symbols; read by wf_module_load() from @symbols_at
 * @versions: one for each symbol, or NULL
 * @relocs: all of its dynamic relocations
 */
struct wf_module {
	uint64_t bias;
	uint64_t start;
	uint64_t end;
	const struct wf_mapping *mapping;
	unsigned char build_id[WFPATCH_BUILD_ID_MAX];
	unsigned int build_id_size;
	unsigned int type;
	bool program;
	bool linked;
	uint64_t link_map;
	Elf64_Phdr *phdrs;
	unsigned int nr_phdrs;
	uint64_t dynamic;

	bool loaded;
	bool textrel;
	Elf64_Sym *symbols;
	uint64_t symbols_at;
	uint16_t *versions;
	size_t nr_symbols;
	char *strings;
	size_t strings_size;
	Elf64_Rela *relocs;
	size_t nr_relocs;
};

struct wf_process {
	pid_t pid;
	int mem;
	struct wf_mapping *mappings;
	unsigned int nr_mappings;
	struct wf_module *modules;
	unsigned int nr_modules;
};

int wf_process_open(struct wf_process *process, pid_t pid, struct wf_error *error);
void wf_process_close(struct wf_process *process);

/* Read all of @len bytes. -EFAULT if they are not there, -ESRCH if the process is not. */
int wf_process_read(const struct wf_process *process, uint64_t address, void *to, size_t len);
const struct wf_mapping *wf_process_mapping(const struct wf_process *process, uint64_t address);
struct wf_module *wf_process_module(struct wf_process *process, const unsigned char *build_id,
				    unsigned int size);

/* Read a module's dynamic symbols and relocations. */
int wf_module_load(const struct wf_process *process, struct wf_module *module);
/* The symbol's name; "" if the process has overwritten it. */
const char *wf_module_name(const struct wf_module *module, const Elf64_Sym *symbol);
/* A dynamic symbol that the module defines for others, or NULL. */
const Elf64_Sym *wf_module_symbol(const struct wf_module *module, const char *name);
const Elf64_Phdr *wf_module_phdr(const struct wf_module *module, unsigned int type);

/* A build-id in the notes at @notes; its size, 0 if there is none. */
unsigned int wf_build_id(const void *notes, size_t size, unsigned char *build_id);

#endif
