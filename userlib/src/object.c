// SPDX-License-Identifier: LGPL-2.1-or-later
/* The relocatable object in a patch: see object.h. */
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include "image.h"
#include "internal.h"
#include "object.h"

#define SIZE_MAX_OBJECT (128UL << 20)

static bool known_relocation(unsigned int type)
{
	switch (type) {
	case R_X86_64_NONE:
	case R_X86_64_64:
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
	case R_X86_64_GOTPCREL:
	case R_X86_64_32:
	case R_X86_64_32S:
	case R_X86_64_TLSGD:
	case R_X86_64_TLSLD:
	case R_X86_64_DTPOFF32:
	case R_X86_64_DTPOFF64:
	case R_X86_64_GOTTPOFF:
	case R_X86_64_TPOFF32:
	case R_X86_64_TPOFF64:
	case R_X86_64_PC64:
	case R_X86_64_SIZE32:
	case R_X86_64_SIZE64:
	case R_X86_64_GOTPCRELX:
	case R_X86_64_REX_GOTPCRELX:
		return true;
	}
	return false;
}

/* Where a section goes. */
static enum wf_kind kind_of(const GElf_Shdr *header)
{
	if (!(header->sh_flags & SHF_ALLOC) || header->sh_type == SHT_NOTE)
		return WF_LEFT_OUT;
	if (header->sh_flags & SHF_EXECINSTR)
		return WF_CODE;
	return header->sh_flags & SHF_WRITE ? WF_DATA : WF_READ;
}

static bool runs_at_start(const char *name, const GElf_Shdr *header)
{
	static const char *const names[] = { ".ctors", ".dtors", ".init", ".fini",
					     ".preinit_array" };
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return header->sh_type == SHT_INIT_ARRAY || header->sh_type == SHT_FINI_ARRAY ||
	       header->sh_type == SHT_PREINIT_ARRAY;
}

static int read_section(struct wf_object *object, Elf_Scn *scn, unsigned int number, size_t strings,
			Elf *elf, struct wf_error *error)
{
	struct wf_object_section *section = &object->sections[number];
	GElf_Shdr header;
	Elf_Data *data;

	section->kind = WF_LEFT_OUT;
	if (!gelf_getshdr(scn, &header))
		return -EINVAL;
	section->name = elf_strptr(elf, strings, header.sh_name);
	if (!section->name)
		section->name = "";
	section->kind = kind_of(&header);
	section->size = header.sh_size;
	section->align = header.sh_addralign ? header.sh_addralign : 1;
	if (section->kind == WF_LEFT_OUT)
		return 0;
	if (!section->size)
		return 0;
	if (section->align > WF_PAGE_SIZE || (section->align & (section->align - 1)) ||
	    section->size > SIZE_MAX_OBJECT)
		return wf_error_set(error, ENOEXEC,
				    "%s: section %s is too large, or aligned to %zu bytes",
				    object->path, section->name, section->align);
	if (header.sh_flags & SHF_TLS)
		return wf_error_set(error, ENOEXEC,
				    "%s defines thread-local variables, for which threads that "
				    "run have no room: use those of the target", object->path);
	if (runs_at_start(section->name, &header))
		return wf_error_set(error, ENOEXEC,
				    "%s has code in %s that would have to run first: nothing runs "
				    "it", object->path, section->name);
	if (header.sh_type != SHT_NOBITS) {
		data = elf_rawdata(scn, NULL);
		if (!data || !data->d_buf || data->d_size < section->size)
			return -EINVAL;
		section->data = data->d_buf;
	}
	if (!strcmp(section->name, ".eh_frame")) {
		if (object->eh_frame)
			return wf_error_set(error, ENOEXEC,
					    "%s has several sections .eh_frame: link it with ld -r",
					    object->path);
		object->eh_frame = number;
	}
	return 0;
}

static int read_symbols(struct wf_object *object, Elf *elf, struct wf_error *error)
{
	struct wf_object_symbol *to;
	Elf_Scn *scn = NULL;
	GElf_Shdr header;
	Elf_Data *data = NULL;
	GElf_Sym symbol;
	unsigned int i;

	while (!data && (scn = elf_nextscn(elf, scn))) {
		if (gelf_getshdr(scn, &header) && header.sh_type == SHT_SYMTAB)
			data = elf_getdata(scn, NULL);
	}
	if (!data)
		return wf_error_set(error, ENOEXEC, "%s has no symbols", object->path);
	object->nr_symbols = (unsigned int)(data->d_size / sizeof(Elf64_Sym));
	object->symbols = calloc(object->nr_symbols + 1, sizeof(*object->symbols));
	if (!object->symbols)
		return -ENOMEM;
	for (i = 0; i < object->nr_symbols; i++) {
		to = &object->symbols[i];
		if (!gelf_getsym(data, (int)i, &symbol))
			return -EINVAL;
		to->name = elf_strptr(elf, header.sh_link, symbol.st_name);
		if (!to->name)
			to->name = "";
		to->value = symbol.st_value;
		to->size = symbol.st_size;
		to->section = symbol.st_shndx;
		to->type = GELF_ST_TYPE(symbol.st_info);
		to->bind = GELF_ST_BIND(symbol.st_info);
		if (to->section == SHN_COMMON)
			return wf_error_set(error, ENOEXEC,
					    "%s has the common symbol '%s': compile with "
					    "-fno-common -fno-lto", object->path, to->name);
		if (to->section == SHN_ABS)
			continue;
		if (to->section >= object->nr_sections)
			return wf_error_set(error, ENOEXEC,
					    "%s has too many sections, or a wrong symbol '%s'",
					    object->path, to->name);
		to->writable = object->sections[to->section].kind == WF_DATA;
	}
	return 0;
}

static int check_relocation(const struct wf_object *object, const struct wf_object_section *section,
			    const Elf64_Rela *reloc, struct wf_error *error)
{
	unsigned int type = ELF64_R_TYPE(reloc->r_info), number = ELF64_R_SYM(reloc->r_info);
	const struct wf_object_symbol *symbol;

	if (number >= object->nr_symbols || reloc->r_offset >= section->size)
		return -EINVAL;
	if (type == R_X86_64_GOTPC32_TLSDESC || type == R_X86_64_TLSDESC_CALL)
		return wf_error_set(error, ENOEXEC,
				    "%s uses TLS descriptors for '%s': compile with "
				    "-mtls-dialect=gnu", object->path,
				    wf_object_name(object, number));
	if (!known_relocation(type))
		return wf_error_set(error, ENOEXEC,
				    "%s has a relocation of type %u to '%s' in %s, which cannot "
				    "be served; is it compiled with -mcmodel=large?", object->path,
				    type, wf_object_name(object, number), section->name);
	symbol = &object->symbols[number];
	if (number && symbol->section != SHN_UNDEF && symbol->section != SHN_ABS &&
	    object->sections[symbol->section].kind == WF_LEFT_OUT)
		return wf_error_set(error, ENOEXEC,
				    "%s: %s refers to section %s, which is not loaded",
				    object->path, section->name,
				    object->sections[symbol->section].name);
	if (number && symbol->type == STT_GNU_IFUNC && symbol->section != SHN_UNDEF)
		return wf_error_set(error, ENOEXEC,
				    "%s defines the indirect function '%s': nothing would choose "
				    "its code", object->path, symbol->name);
	return 0;
}

static int read_relocations(struct wf_object *object, Elf_Scn *scn, struct wf_error *error)
{
	struct wf_object_section *section;
	GElf_Shdr header;
	Elf_Data *data;
	size_t i;
	int err = 0;

	if (!gelf_getshdr(scn, &header) || header.sh_info >= object->nr_sections)
		return 0;
	section = &object->sections[header.sh_info];
	if (section->kind == WF_LEFT_OUT || !header.sh_size)
		return 0;
	if (header.sh_type == SHT_REL)
		return wf_error_set(error, ENOEXEC, "%s has relocations without addends",
				    object->path);
	if (header.sh_type != SHT_RELA)
		return 0;
	data = elf_getdata(scn, NULL);
	if (!data || !data->d_buf || section->relocs || !section->data)
		return -EINVAL;
	section->relocs = data->d_buf;
	section->nr_relocs = data->d_size / sizeof(*section->relocs);
	for (i = 0; !err && i < section->nr_relocs; i++) {
		err = check_relocation(object, section, &section->relocs[i], error);
		if (!err)
			object->symbols[ELF64_R_SYM(section->relocs[i].r_info)].used = true;
	}
	return err;
}

int wf_object_read(struct wf_object *object, Elf *elf, const char *path, struct wf_error *error)
{
	Elf_Scn *scn = NULL;
	size_t strings, nr;
	int err = 0;

	memset(object, 0, sizeof(*object));
	object->path = path;
	if (elf_getshdrstrndx(elf, &strings) || elf_getshdrnum(elf, &nr) || !nr)
		return wf_error_set(error, ENOEXEC, "%s is a damaged ELF object", path);
	object->nr_sections = (unsigned int)nr;
	object->sections = calloc(nr, sizeof(*object->sections));
	if (!object->sections)
		return -ENOMEM;
	object->sections[0].kind = WF_LEFT_OUT;
	while (!err && (scn = elf_nextscn(elf, scn)))
		err = read_section(object, scn, (unsigned int)elf_ndxscn(scn), strings, elf, error);
	if (!err)
		err = read_symbols(object, elf, error);
	while (!err && (scn = elf_nextscn(elf, scn)))
		err = read_relocations(object, scn, error);
	if (err)
		wf_object_free(object);
	if (err == -EINVAL)
		return wf_error_set(error, ENOEXEC, "%s is a damaged ELF object", path);
	return err;
}

void wf_object_free(struct wf_object *object)
{
	free(object->sections);
	free(object->symbols);
	memset(object, 0, sizeof(*object));
}

const struct wf_object_symbol *wf_object_function(const struct wf_object *object, const char *name)
{
	const struct wf_object_symbol *symbol, *found = NULL;
	unsigned int i;

	for (i = 1; i < object->nr_symbols; i++) {
		symbol = &object->symbols[i];
		if (symbol->section == SHN_UNDEF || symbol->section == SHN_ABS ||
		    symbol->type != STT_FUNC || object->sections[symbol->section].kind != WF_CODE ||
		    strcmp(symbol->name, name) != 0)
			continue;
		if (found)
			return NULL;
		found = symbol;
	}
	return found;
}

const char *wf_object_name(const struct wf_object *object, unsigned int number)
{
	const struct wf_object_symbol *symbol = &object->symbols[number];

	if (!*symbol->name && symbol->type == STT_SECTION)
		return object->sections[symbol->section].name;
	return symbol->name;
}
