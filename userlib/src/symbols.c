// SPDX-License-Identifier: LGPL-2.1-or-later
/* Symbols and code of ELF files: see symbols.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "image.h"
#include "internal.h"
#include "symbols.h"

#define DEBUG_DIR "/usr/lib/debug"

void wf_sha256(const void *data, size_t len, unsigned char *hash)
{
	SHA2_CTX context;

	SHA256Init(&context);
	SHA256Update(&context, data, len);
	SHA256Final(hash, &context);
}

void wf_elf_close(struct wf_elf *elf)
{
	elf_end(elf->elf);
	if (elf->fd >= 0)
		close(elf->fd);
	elf->elf = NULL;
	elf->fd = -1;
}

Elf_Scn *wf_elf_section(const struct wf_elf *elf, unsigned int type, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf->elf, section))) {
		if (gelf_getshdr(section, header) && header->sh_type == type)
			return section;
	}
	return NULL;
}

static void find_build_id(struct wf_elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	Elf_Data *data;

	while (!elf->build_id_size && (section = elf_nextscn(elf->elf, section))) {
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE)
			continue;
		data = elf_rawdata(section, NULL);
		if (data && data->d_buf)
			elf->build_id_size = wf_build_id(data->d_buf, data->d_size, elf->build_id);
	}
}

int wf_elf_open(struct wf_elf *elf, const char *path)
{
	struct stat st;

	memset(elf, 0, sizeof(*elf));
	/* What is found below another process's root directory may be anything, a pipe for one. */
	elf->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (elf->fd < 0)
		return -errno;
	if (fstat(elf->fd, &st) || !S_ISREG(st.st_mode)) {
		wf_elf_close(elf);
		return -ENOEXEC;
	}
	elf_version(EV_CURRENT);
	elf->elf = elf_begin(elf->fd, ELF_C_READ_MMAP, NULL);
	if (!elf->elf || elf_kind(elf->elf) != ELF_K_ELF || !gelf_getehdr(elf->elf, &elf->header) ||
	    elf->header.e_machine != EM_X86_64 || gelf_getclass(elf->elf) != ELFCLASS64) {
		wf_elf_close(elf);
		return -ENOEXEC;
	}
	find_build_id(elf);
	return 0;
}

int wf_elf_read(const struct wf_elf *elf, uint64_t address, void *to, size_t len)
{
	GElf_Phdr phdr;
	size_t nr, i;
	ssize_t done;

	if (elf_getphdrnum(elf->elf, &nr))
		return -EIO;
	for (i = 0; i < nr; i++) {
		if (!gelf_getphdr(elf->elf, (int)i, &phdr) || phdr.p_type != PT_LOAD ||
		    address < phdr.p_vaddr || address - phdr.p_vaddr >= phdr.p_filesz ||
		    len > phdr.p_filesz - (address - phdr.p_vaddr))
			continue;
		done = pread(elf->fd, to, len, (off_t)(phdr.p_offset + address - phdr.p_vaddr));
		return done == (ssize_t)len ? 0 : -EIO;
	}
	return -EFAULT;
}

/* Append what one table defines. */
static int add_table(struct wf_symbols *symbols, const struct wf_elf *elf, unsigned int type)
{
	const char *file = "", *name;
	struct wf_symbol *bigger;
	unsigned char bind;
	Elf_Scn *section;
	GElf_Shdr header;
	Elf_Data *data;
	GElf_Sym symbol;
	size_t nr, i;

	section = wf_elf_section(elf, type, &header);
	data = section ? elf_getdata(section, NULL) : NULL;
	if (!data)
		return 0;
	nr = data->d_size / sizeof(Elf64_Sym);
	bigger = reallocarray(symbols->list, symbols->nr + nr + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	symbols->list = bigger;
	for (i = 1; i < nr; i++) {
		if (!gelf_getsym(data, (int)i, &symbol))
			continue;
		name = elf_strptr(elf->elf, header.sh_link, symbol.st_name);
		if (!name)
			continue;
		if (GELF_ST_TYPE(symbol.st_info) == STT_FILE)
			file = name;
		if (GELF_ST_TYPE(symbol.st_info) == STT_FILE ||
		    GELF_ST_TYPE(symbol.st_info) == STT_SECTION || !*name ||
		    symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS)
			continue;
		/* A linker makes hidden symbols local, and puts them behind those of all files. */
		bind = GELF_ST_BIND(symbol.st_info);
		if (GELF_ST_VISIBILITY(symbol.st_other) != STV_DEFAULT || !*file)
			bind = STB_GLOBAL;
		symbols->list[symbols->nr++] = (struct wf_symbol){
			.name = name,
			.file = bind == STB_LOCAL ? file : "",
			.value = symbol.st_value,
			.size = symbol.st_size,
			.type = GELF_ST_TYPE(symbol.st_info),
			.bind = bind,
		};
	}
	if (type == SHT_SYMTAB && nr > 1)
		symbols->full = true;
	return 0;
}

static bool same_build_id(const struct wf_elf *one, const struct wf_elf *other)
{
	return one->build_id_size && one->build_id_size == other->build_id_size &&
	       !memcmp(one->build_id, other->build_id, one->build_id_size);
}

/* Open a file if it has the symbols of @symbols->binary. 1 if so, 0 if not. */
static int try_debug(struct wf_symbols *symbols, const char *path)
{
	GElf_Shdr header;

	if (wf_elf_open(&symbols->debug, path))
		return 0;
	if (same_build_id(&symbols->binary, &symbols->debug) &&
	    wf_elf_section(&symbols->debug, SHT_SYMTAB, &header))
		return 1;
	wf_elf_close(&symbols->debug);
	return 0;
}

/* The name in section .gnu_debuglink, or NULL. */
static const char *debug_link(const struct wf_elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	Elf_Data *data;
	const char *name;
	size_t strings;

	if (elf_getshdrstrndx(elf->elf, &strings))
		return NULL;
	while ((section = elf_nextscn(elf->elf, section))) {
		name = gelf_getshdr(section, &header)
			       ? elf_strptr(elf->elf, strings, header.sh_name)
			       : NULL;
		if (!name || strcmp(name, ".gnu_debuglink") != 0)
			continue;
		data = elf_rawdata(section, NULL);
		if (data && data->d_buf && memchr(data->d_buf, 0, data->d_size))
			return data->d_buf;
	}
	return NULL;
}

/* Where distributions put separate symbols, in the order in which gdb looks. */
static int look_for_debug(struct wf_symbols *symbols, const char *name, const char *root)
{
	char path[PATH_MAX], hex[2 * WFPATCH_BUILD_ID_MAX + 1];
	const char *link = debug_link(&symbols->binary);
	const char *slash = strrchr(name, '/');
	int dir = slash ? (int)(slash - name) + 1 : 0;
	unsigned int i;

	for (i = 0; i < symbols->binary.build_id_size; i++)
		sprintf(hex + 2UL * i, "%02x", symbols->binary.build_id[i]);
	if (i > 1) {
		snprintf(path, sizeof(path), "%s" DEBUG_DIR "/.build-id/%.2s/%s.debug", root, hex,
			 hex + 2);
		if (try_debug(symbols, path))
			return 1;
	}
	if (!link || strchr(link, '/'))
		return 0;
	snprintf(path, sizeof(path), "%s%.*s%s", root, dir, name, link);
	if (try_debug(symbols, path))
		return 1;
	snprintf(path, sizeof(path), "%s%.*s.debug/%s", root, dir, name, link);
	if (try_debug(symbols, path))
		return 1;
	snprintf(path, sizeof(path), "%s" DEBUG_DIR "/%.*s%s", root, dir, name, link);
	return try_debug(symbols, path);
}

int wf_symbols_open(struct wf_symbols *symbols, const char *path, const char *name,
		    const char *root, const char *debug, struct wf_error *error)
{
	GElf_Shdr header;
	int err;

	memset(symbols, 0, sizeof(*symbols));
	symbols->debug.fd = -1;
	err = wf_elf_open(&symbols->binary, path);
	if (err == -ENOEXEC)
		return wf_error_set(error, ENOEXEC, "%s is not an x86-64 ELF file", path);
	if (err)
		return wf_error_set(error, -err, "cannot open %s: %s", path, strerror(-err));
	if (debug && !try_debug(symbols, debug)) {
		err = wf_error_set(error, EINVAL,
				   "%s has no symbols of %s: it is no ELF file, is stripped, or "
				   "has another build-id",
				   debug, path);
	} else if (debug || (!wf_elf_section(&symbols->binary, SHT_SYMTAB, &header) &&
			     look_for_debug(symbols, name, root))) {
		err = add_table(symbols, &symbols->debug, SHT_SYMTAB);
	} else {
		err = add_table(symbols, &symbols->binary, SHT_SYMTAB);
	}
	if (!err)
		err = add_table(symbols, &symbols->binary, SHT_DYNSYM);
	if (err)
		wf_symbols_close(symbols);
	return err;
}

void wf_symbols_close(struct wf_symbols *symbols)
{
	wf_elf_close(&symbols->debug);
	wf_elf_close(&symbols->binary);
	free(symbols->list);
	symbols->list = NULL;
	symbols->nr = 0;
}

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Does "file_c.name", in which only letters and digits of the file's name are kept, mean this? */
static bool assembler_name(const char *text, const struct wf_symbol *symbol)
{
	const char *c;

	if (!*symbol->file)
		return false;
	for (c = symbol->file; *c; c++, text++) {
		if (*text != (plain(*c) ? *c : '_'))
			return false;
	}
	return *text == '.' && !strcmp(text + 1, symbol->name);
}

/* In a table that is not the dynamic one, a global name may have its version behind it. */
static bool same_name(const char *name, const struct wf_symbol *symbol)
{
	size_t len = symbol->bind == STB_LOCAL ? strlen(symbol->name) : strcspn(symbol->name, "@");

	return strlen(name) == len && !memcmp(name, symbol->name, len);
}

static bool means(const char *name, const char *colon, const struct wf_symbol *symbol)
{
	if (!strncmp(name, WF_LOCAL_PREFIX, sizeof(WF_LOCAL_PREFIX) - 1))
		return assembler_name(name + sizeof(WF_LOCAL_PREFIX) - 1, symbol);
	if (!colon)
		return same_name(name, symbol);
	return !strcmp(colon + 1, symbol->name) && strlen(symbol->file) == (size_t)(colon - name) &&
	       !memcmp(name, symbol->file, (size_t)(colon - name));
}

const char *wf_import_name(const char *name)
{
	size_t len = sizeof(WF_IMPORT_PREFIX) - 1;

	return strncmp(name, WF_IMPORT_PREFIX, len) ? NULL : name + len;
}

int wf_symbols_find(const struct wf_symbols *symbols, const char *name, bool function,
		    const struct wf_symbol **found)
{
	const char *colon = strrchr(name, ':');
	const struct wf_symbol *symbol;
	bool several = false;
	size_t i;

	*found = NULL;
	for (i = 0; i < symbols->nr; i++) {
		symbol = &symbols->list[i];
		if (!means(name, colon, symbol) || (function && symbol->type != STT_FUNC))
			continue;
		/* A global symbol is the one that a linker would take. */
		if (symbol->bind != STB_LOCAL && (!*found || (*found)->bind == STB_LOCAL)) {
			*found = symbol;
			several = false;
		} else if (!*found) {
			*found = symbol;
		} else if (symbol->bind == STB_LOCAL && (*found)->bind == STB_LOCAL &&
			   symbol->value != (*found)->value) {
			several = true;
		}
	}
	if (!*found)
		return -ENOENT;
	return several ? -ENOTUNIQ : 0;
}

const struct wf_symbol *wf_symbols_in_jump(const struct wf_symbols *symbols,
					   const struct wf_symbol *symbol)
{
	uint64_t end = symbol->value + symbol->size, jump_end = symbol->value + WF_JUMP_NEAR;
	unsigned char code[WF_ENDBR_SIZE];
	const struct wf_symbol *other;
	size_t i;

	if (!wf_elf_read(&symbols->binary, symbol->value, code, sizeof(code)))
		jump_end += wf_endbr_size(code, sizeof(code));
	if (end >= jump_end)
		return NULL;
	for (i = 0; i < symbols->nr; i++) {
		other = &symbols->list[i];
		if (other->type != STT_OBJECT && other->type != STT_TLS && other->value >= end &&
		    other->value < jump_end)
			return other;
	}
	return NULL;
}
