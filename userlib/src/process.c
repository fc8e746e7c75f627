// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is mapped into a running process: see process.h. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "image.h"
#include "internal.h"
#include "process.h"

/* What is read from a process at once is never larger: it may say anything of itself. */
#define READ_MAX (256UL << 20)
#define PHDRS_MAX 128
#define LINK_MAPS_MAX 65536
#define CHAIN_MAX 65536 /* symbols of one hash */

int wf_fail(char *err, size_t err_size, int code, const char *format, ...)
{
	va_list args;

	if (err && err_size) {
		va_start(args, format);
		vsnprintf(err, err_size, format, args);
		va_end(args);
	}
	return -code;
}

int wf_process_read(const struct wf_process *process, uint64_t address, void *to, size_t len)
{
	ssize_t done;

	while (len) {
		done = pread(process->mem, to, len, (off_t)address);
		if (done < 0 && errno == EINTR)
			continue;
		/* An address space that is gone reads as an end of file. */
		if (!done)
			return -ESRCH;
		if (done < 0)
			return -EFAULT;
		address += (size_t)done;
		to = (char *)to + done;
		len -= (size_t)done;
	}
	return 0;
}

/* The same into new memory, with a 0 behind it. */
static void *read_new(const struct wf_process *process, uint64_t address, size_t len)
{
	char *memory = len < READ_MAX ? malloc(len + 1) : NULL;

	if (memory && wf_process_read(process, address, memory, len)) {
		free(memory);
		return NULL;
	}
	if (memory)
		memory[len] = 0;
	return memory;
}

static int parse_mapping(struct wf_mapping *mapping, char *line)
{
	char read, write, execute, share;
	unsigned long start, end, offset;
	int path = 0;

	line[strcspn(line, "\n")] = 0;
	if (sscanf(line, "%lx-%lx %c%c%c%c %lx %*s %*s %n", &start, &end, &read, &write, &execute,
		   &share, &offset, &path) < 7)
		return -EIO;
	mapping->start = start;
	mapping->end = end;
	mapping->offset = offset;
	mapping->prot = (read == 'r' ? PROT_READ : 0) | (write == 'w' ? PROT_WRITE : 0) |
			(execute == 'x' ? PROT_EXEC : 0);
	mapping->shared = share == 's';
	mapping->path = strdup(path ? line + path : "");
	return mapping->path ? 0 : -ENOMEM;
}

static int read_mappings(struct wf_process *process)
{
	struct wf_mapping *bigger;
	char name[32], *line = NULL;
	size_t room = 0, size = 0;
	FILE *file;
	int err = 0;

	snprintf(name, sizeof(name), "/proc/%d/maps", process->pid);
	file = fopen(name, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && getline(&line, &size, file) > 0) {
		if (process->nr_mappings == room) {
			room = room ? 2 * room : 64;
			bigger = reallocarray(process->mappings, room, sizeof(*bigger));
			if (!bigger) {
				err = -ENOMEM;
				break;
			}
			process->mappings = bigger;
		}
		err = parse_mapping(&process->mappings[process->nr_mappings], line);
		if (!err)
			process->nr_mappings++;
	}
	if (!err && ferror(file))
		err = -EIO;
	free(line);
	fclose(file);
	/* A process that has ended has none. */
	return !err && !process->nr_mappings ? -ESRCH : err;
}

const struct wf_mapping *wf_process_mapping(const struct wf_process *process, uint64_t address)
{
	unsigned int i;

	for (i = 0; i < process->nr_mappings; i++) {
		if (address >= process->mappings[i].start && address < process->mappings[i].end)
			return &process->mappings[i];
	}
	return NULL;
}

unsigned int wf_build_id(const void *notes, size_t size, unsigned char *build_id)
{
	const Elf64_Nhdr *note;
	size_t name, desc;

	while (size >= sizeof(*note)) {
		note = notes;
		name = (note->n_namesz + 3UL) & ~3UL;
		desc = (note->n_descsz + 3UL) & ~3UL;
		if (size - sizeof(*note) < name || size - sizeof(*note) - name < desc)
			break;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    !memcmp(note + 1, "GNU", 4) && note->n_descsz &&
		    note->n_descsz <= WFPATCH_BUILD_ID_MAX) {
			memcpy(build_id, (const char *)(note + 1) + name, note->n_descsz);
			return note->n_descsz;
		}
		notes = (const char *)notes + sizeof(*note) + name + desc;
		size -= sizeof(*note) + name + desc;
	}
	return 0;
}

const Elf64_Phdr *wf_module_phdr(const struct wf_module *module, unsigned int type)
{
	unsigned int i;

	for (i = 0; i < module->nr_phdrs; i++) {
		if (module->phdrs[i].p_type == type)
			return &module->phdrs[i];
	}
	return NULL;
}

/* Where the segments lie, and whether they are really mapped, not only read as a file. */
static bool set_extent(const struct wf_process *process, struct wf_module *module)
{
	const struct wf_mapping *mapping;
	const Elf64_Phdr *phdr;
	uint64_t end = 0;
	bool code = false;
	unsigned int i;

	phdr = wf_module_phdr(module, PT_LOAD);
	if (!phdr || phdr->p_offset >= WF_PAGE_SIZE)
		return false;
	module->start = module->mapping->start;
	module->bias = module->start - (phdr->p_vaddr & -(uint64_t)WF_PAGE_SIZE);
	for (i = 0; i < module->nr_phdrs; i++) {
		phdr = &module->phdrs[i];
		if (phdr->p_type != PT_LOAD)
			continue;
		if (phdr->p_vaddr + phdr->p_memsz > end)
			end = phdr->p_vaddr + phdr->p_memsz;
		if (!(phdr->p_flags & PF_X))
			continue;
		mapping = wf_process_mapping(process, module->bias + phdr->p_vaddr);
		code = code || (mapping && (mapping->prot & PROT_EXEC));
	}
	module->end = (module->bias + end + WF_PAGE_SIZE - 1) & -(uint64_t)WF_PAGE_SIZE;
	return code && module->end > module->start;
}

static void read_build_id(const struct wf_process *process, struct wf_module *module)
{
	const Elf64_Phdr *phdr;
	unsigned int i;
	void *notes;

	for (i = 0; i < module->nr_phdrs && !module->build_id_size; i++) {
		phdr = &module->phdrs[i];
		if (phdr->p_type != PT_NOTE || phdr->p_filesz > WF_PAGE_SIZE)
			continue;
		notes = read_new(process, module->bias + phdr->p_vaddr, phdr->p_filesz);
		if (!notes)
			continue;
		module->build_id_size = wf_build_id(notes, phdr->p_filesz, module->build_id);
		free(notes);
	}
}

/* Is there a program or library at the beginning of this mapping? 1, 0 or a negative errno. */
static int read_module(const struct wf_process *process, struct wf_module *module,
		       const struct wf_mapping *mapping)
{
	const Elf64_Phdr *phdr;
	Elf64_Ehdr header;

	memset(module, 0, sizeof(*module));
	if (mapping->offset || !*mapping->path || !(mapping->prot & PROT_READ) ||
	    wf_process_read(process, mapping->start, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_machine != EM_X86_64 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    (header.e_type != ET_EXEC && header.e_type != ET_DYN) ||
	    header.e_phentsize != sizeof(*module->phdrs) || header.e_phnum > PHDRS_MAX)
		return 0;
	module->type = header.e_type;
	module->mapping = mapping;
	module->nr_phdrs = header.e_phnum;
	module->phdrs = read_new(process, mapping->start + header.e_phoff,
				 header.e_phnum * sizeof(*module->phdrs));
	if (!module->phdrs || !set_extent(process, module)) {
		free(module->phdrs);
		return 0;
	}
	read_build_id(process, module);
	phdr = wf_module_phdr(module, PT_DYNAMIC);
	module->dynamic = phdr ? module->bias + phdr->p_vaddr : 0;
	return 1;
}

/* What the kernel told the program where its headers are: that is the module that was executed. */
static void find_program(struct wf_process *process)
{
	uint64_t auxv[128] = { 0 };
	Elf64_Ehdr header;
	char name[32];
	unsigned int i;
	ssize_t len;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/auxv", process->pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, auxv, sizeof(auxv) - 2 * sizeof(*auxv));
	close(fd);
	if (len <= 0)
		return;
	for (i = 0; auxv[i] != AT_NULL && auxv[i] != AT_PHDR; i += 2)
		;
	if (auxv[i] != AT_PHDR)
		return;
	for (len = 0; len < process->nr_modules; len++) {
		struct wf_module *module = &process->modules[len];

		if (!wf_process_read(process, module->start, &header, sizeof(header)) &&
		    module->start + header.e_phoff == auxv[i + 1])
			module->program = true;
	}
}

/* Where the dynamic linker has told the program that its list is. */
static uint64_t read_debug(const struct wf_process *process, const struct wf_module *program)
{
	const Elf64_Phdr *phdr = wf_module_phdr(program, PT_DYNAMIC);
	uint64_t value = 0;
	Elf64_Dyn *dynamic;
	unsigned int i;

	dynamic = phdr ? read_new(process, program->dynamic, phdr->p_memsz) : NULL;
	if (!dynamic)
		return 0;
	for (i = 0; i < phdr->p_memsz / sizeof(*dynamic) && dynamic[i].d_tag; i++) {
		if (dynamic[i].d_tag == DT_DEBUG)
			value = dynamic[i].d_un.d_ptr;
	}
	free(dynamic);
	return value;
}

/* If the dynamic linker was executed as a program, it is another module that has been told. */
static uint64_t find_debug(const struct wf_process *process)
{
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < process->nr_modules && !value; i++) {
		if (process->modules[i].program)
			value = read_debug(process, &process->modules[i]);
	}
	for (i = 0; i < process->nr_modules && !value; i++)
		value = read_debug(process, &process->modules[i]);
	return value;
}

/* Bring the modules into the order in which the dynamic linker searches them. */
static void sort_modules(struct wf_process *process)
{
	struct wf_module module;
	struct r_debug debug;
	struct link_map map;
	unsigned int sorted = 0, i, seen;
	uint64_t next;

	next = find_debug(process);
	if (!next || wf_process_read(process, next, &debug, sizeof(debug)))
		return;
	next = (uintptr_t)debug.r_map;
	for (seen = 0; next && seen < LINK_MAPS_MAX; seen++) {
		if (wf_process_read(process, next, &map, sizeof(map)))
			return;
		for (i = sorted; i < process->nr_modules; i++) {
			module = process->modules[i];
			if (module.bias != map.l_addr || module.dynamic != (uintptr_t)map.l_ld)
				continue;
			module.linked = true;
			module.link_map = next;
			memmove(&process->modules[sorted + 1], &process->modules[sorted],
				(i - sorted) * sizeof(module));
			process->modules[sorted++] = module;
			break;
		}
		next = (uintptr_t)map.l_next;
	}
}

static int read_modules(struct wf_process *process)
{
	struct wf_module module, *bigger;
	unsigned int i;

	for (i = 0; i < process->nr_mappings; i++) {
		if (read_module(process, &module, &process->mappings[i]) != 1)
			continue;
		bigger = reallocarray(process->modules, process->nr_modules + 1, sizeof(*bigger));
		if (!bigger) {
			free(module.phdrs);
			return -ENOMEM;
		}
		process->modules = bigger;
		process->modules[process->nr_modules++] = module;
	}
	find_program(process);
	sort_modules(process);
	return 0;
}

int wf_process_open(struct wf_process *process, pid_t pid, struct wf_error *error)
{
	char name[32];
	int err;

	memset(process, 0, sizeof(*process));
	process->pid = pid;
	snprintf(name, sizeof(name), "/proc/%d/mem", pid);
	process->mem = open(name, O_RDONLY | O_CLOEXEC);
	if (process->mem < 0) {
		err = errno == ENOENT ? -ESRCH : errno == EACCES ? -EPERM : -errno;
	} else {
		err = read_mappings(process);
		if (!err)
			err = read_modules(process);
	}
	if (!err)
		return 0;
	wf_process_close(process);
	if (err == -ESRCH)
		return wf_error_set(error, ESRCH, "there is no process %d", pid);
	if (err == -EPERM)
		return wf_error_set(error, EPERM,
				    "process %d may not be traced by you; try as its user or root",
				    pid);
	return wf_error_set(error, -err, "cannot read process %d: %s", pid, strerror(-err));
}

static void free_module(struct wf_module *module)
{
	free(module->phdrs);
	free(module->symbols);
	free(module->versions);
	free(module->strings);
	free(module->relocs);
}

void wf_process_close(struct wf_process *process)
{
	unsigned int i;

	for (i = 0; i < process->nr_modules; i++)
		free_module(&process->modules[i]);
	for (i = 0; i < process->nr_mappings; i++)
		free(process->mappings[i].path);
	free(process->modules);
	free(process->mappings);
	if (process->mem >= 0)
		close(process->mem);
	memset(process, 0, sizeof(*process));
	process->mem = -1;
}

struct wf_module *wf_process_module(struct wf_process *process, const unsigned char *build_id,
				    unsigned int size)
{
	unsigned int i;

	for (i = 0; size && i < process->nr_modules; i++) {
		if (process->modules[i].build_id_size == size &&
		    !memcmp(process->modules[i].build_id, build_id, size))
			return &process->modules[i];
	}
	return NULL;
}

int wf_process_find(pid_t pid, const unsigned char *build_id, unsigned int size, uint64_t *bias,
		    char *err, size_t err_size)
{
	struct wf_error error = { err, err_size };
	const struct wf_module *module;
	struct wf_process process;
	int ret;

	ret = wf_process_open(&process, pid, &error);
	if (ret)
		return ret;
	module = wf_process_module(&process, build_id, size);
	if (module)
		*bias = module->bias;
	else
		ret = wf_error_set(&error, ENOENT,
				   "process %d does not map the file that the patch is for", pid);
	wf_process_close(&process);
	return ret;
}

/* The dynamic section, as far as it matters here; addresses are those of the process. */
struct dynamic {
	uint64_t symbols, strings, strings_size, versions, gnu_hash, hash;
	uint64_t rela, rela_size, plt_rela, plt_rela_size;
};

static void take_dynamic(struct wf_module *module, const Elf64_Dyn *entry, struct dynamic *d)
{
	uint64_t value = entry->d_un.d_val;
	/* The dynamic linker has made these absolute, but where the section is not writable. */
	uint64_t address = value < module->bias ? value + module->bias : value;

	switch (entry->d_tag) {
	case DT_SYMTAB:
		d->symbols = address;
		break;
	case DT_STRTAB:
		d->strings = address;
		break;
	case DT_STRSZ:
		d->strings_size = value;
		break;
	case DT_VERSYM:
		d->versions = address;
		break;
	case DT_GNU_HASH:
		d->gnu_hash = address;
		break;
	case DT_HASH:
		d->hash = address;
		break;
	case DT_RELA:
		d->rela = address;
		break;
	case DT_RELASZ:
		d->rela_size = value;
		break;
	case DT_JMPREL:
		d->plt_rela = address;
		break;
	case DT_PLTRELSZ:
		d->plt_rela_size = value;
		break;
	case DT_TEXTREL:
		module->textrel = true;
		break;
	case DT_FLAGS:
		module->textrel = module->textrel || (value & DF_TEXTREL);
		break;
	}
}

/* How many symbols there are: the hash tables know. 0 if they say nothing sensible. */
static size_t count_symbols(const struct wf_process *process, const struct dynamic *d)
{
	uint32_t header[4], *buckets, last = 0, i, chain = 0;
	uint64_t at;

	if (d->hash && !wf_process_read(process, d->hash, header, 8))
		return header[1];
	if (!d->gnu_hash || wf_process_read(process, d->gnu_hash, header, sizeof(header)))
		return 0;
	at = d->gnu_hash + sizeof(header) + 8UL * header[2];
	buckets = read_new(process, at, 4UL * header[0]);
	if (!buckets)
		return 0;
	for (i = 0; i < header[0]; i++) {
		if (buckets[i] > last)
			last = buckets[i];
	}
	free(buckets);
	at += 4UL * header[0];
	if (last < header[1])
		return header[1];
	/* The last chain ends where a hash has its lowest bit set. */
	for (i = 0; i < CHAIN_MAX && !(chain & 1); i++, last++) {
		if (wf_process_read(process, at + 4UL * (last - header[1]), &chain, sizeof(chain)))
			return 0;
	}
	return chain & 1 ? last : 0;
}

static int load_relocs(const struct wf_process *process, struct wf_module *module,
		       const struct dynamic *d)
{
	size_t first = d->rela ? d->rela_size / sizeof(Elf64_Rela) : 0;
	size_t second = d->plt_rela ? d->plt_rela_size / sizeof(Elf64_Rela) : 0;

	if (first + second > READ_MAX / sizeof(Elf64_Rela))
		return -EFAULT;
	module->relocs = calloc(first + second + 1, sizeof(Elf64_Rela));
	if (!module->relocs)
		return -ENOMEM;
	if (wf_process_read(process, d->rela, module->relocs, first * sizeof(Elf64_Rela)) ||
	    wf_process_read(process, d->plt_rela, module->relocs + first,
			    second * sizeof(Elf64_Rela)))
		return -EFAULT;
	module->nr_relocs = first + second;
	return 0;
}

int wf_module_load(const struct wf_process *process, struct wf_module *module)
{
	const Elf64_Phdr *phdr = wf_module_phdr(module, PT_DYNAMIC);
	struct dynamic d = { 0 };
	Elf64_Dyn *dynamic;
	size_t i;

	if (module->loaded || !phdr)
		return 0;
	dynamic = read_new(process, module->dynamic, phdr->p_memsz);
	if (!dynamic)
		return -EFAULT;
	for (i = 0; i < phdr->p_memsz / sizeof(*dynamic) && dynamic[i].d_tag; i++)
		take_dynamic(module, &dynamic[i], &d);
	free(dynamic);
	module->nr_symbols = d.symbols ? count_symbols(process, &d) : 0;
	if (module->nr_symbols) {
		module->symbols =
			read_new(process, d.symbols, module->nr_symbols * sizeof(*module->symbols));
		module->strings = read_new(process, d.strings, d.strings_size);
		module->strings_size = d.strings_size;
		module->symbols_at = d.symbols;
		if (!module->symbols || !module->strings)
			return -EFAULT;
	}
	if (module->nr_symbols && d.versions)
		module->versions = read_new(process, d.versions,
					    module->nr_symbols * sizeof(*module->versions));
	module->loaded = true;
	return load_relocs(process, module, &d);
}

const char *wf_module_name(const struct wf_module *module, const Elf64_Sym *symbol)
{
	return symbol->st_name < module->strings_size ? module->strings + symbol->st_name : "";
}

const Elf64_Sym *wf_module_symbol(const struct wf_module *module, const char *name)
{
	const Elf64_Sym *symbol, *older = NULL;
	size_t i;

	for (i = 0; i < module->nr_symbols; i++) {
		symbol = &module->symbols[i];
		if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol->st_info) == STB_LOCAL ||
		    ELF64_ST_VISIBILITY(symbol->st_other) == STV_HIDDEN ||
		    strcmp(wf_module_name(module, symbol), name) != 0)
			continue;
		/* The highest bit: a version that is there for old programs only. */
		if (!module->versions || !(module->versions[i] & 0x8000))
			return symbol;
		older = symbol;
	}
	return older;
}
