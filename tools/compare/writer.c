// SPDX-License-Identifier: GPL-2.0
/* See writer.h. The file is laid out by libelf. */
#include <errno.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include "unit.h"
#include "writer.h"

unsigned int writer_section(struct writer *writer, const char *name, GElf_Word type,
			    GElf_Xword flags, GElf_Xword align, const void *data, size_t size)
{
	struct out_section *section;

	writer->sections = enlarge(writer->sections, writer->nr_sections + 1,
				   sizeof(*writer->sections));
	section = &writer->sections[writer->nr_sections++];
	*section = (struct out_section){ .name = text("%s", name), .type = type, .flags = flags,
					 .align = align ? align : 1, .size = size };
	if (data && size) {
		section->data = allocate(size, 1);
		memcpy(section->data, data, size);
	}
	return (unsigned int)writer->nr_sections;
}

size_t writer_append(struct writer *writer, unsigned int section, const void *data, size_t size,
		     size_t align)
{
	struct out_section *to = &writer->sections[section - 1];
	size_t at = (to->size + align - 1) & ~(align - 1);

	to->data = enlarge(to->data, at + size + 1, 1);
	memset(to->data + to->size, 0, at - to->size);
	memcpy(to->data + at, data, size);
	to->size = at + size;
	if (to->align < align)
		to->align = align;
	return at;
}

unsigned int writer_symbol(struct writer *writer, const char *name, unsigned char bind,
			   unsigned char type, unsigned int section, uint64_t value, uint64_t size)
{
	struct out_symbol *to;

	writer->symbols = enlarge(writer->symbols, writer->nr_symbols + 1,
				  sizeof(*writer->symbols));
	to = &writer->symbols[writer->nr_symbols];
	to->name = text("%s", name);
	to->symbol.st_name = 0;
	to->symbol.st_info = ELF64_ST_INFO(bind, type);
	to->symbol.st_other = STV_DEFAULT;
	to->symbol.st_shndx = (Elf64_Section)section;
	to->symbol.st_value = value;
	to->symbol.st_size = size;
	return (unsigned int)writer->nr_symbols++;
}

unsigned int writer_section_symbol(struct writer *writer, unsigned int section)
{
	const Elf64_Sym *symbol;
	size_t i;

	for (i = 0; i < writer->nr_symbols; i++) {
		symbol = &writer->symbols[i].symbol;
		if (ELF64_ST_TYPE(symbol->st_info) == STT_SECTION && symbol->st_shndx == section)
			return (unsigned int)i;
	}
	return writer_symbol(writer, "", STB_LOCAL, STT_SECTION, section, 0, 0);
}

unsigned int writer_undefined(struct writer *writer, const char *name, unsigned char bind,
			      unsigned char type)
{
	const struct out_symbol *symbol;
	size_t i;

	for (i = 0; i < writer->nr_symbols; i++) {
		symbol = &writer->symbols[i];
		if (ELF64_ST_BIND(symbol->symbol.st_info) != STB_LOCAL &&
		    !strcmp(symbol->name, name))
			return (unsigned int)i;
	}
	return writer_symbol(writer, name, bind, type, SHN_UNDEF, 0, 0);
}

void writer_reloc(struct writer *writer, unsigned int section, uint64_t offset, unsigned int type,
		  unsigned int symbol, int64_t addend)
{
	struct out_section *to = &writer->sections[section - 1];
	Elf64_Rela *reloc;

	to->relocs = enlarge(to->relocs, to->nr_relocs + 1, sizeof(*to->relocs));
	reloc = &to->relocs[to->nr_relocs++];
	reloc->r_offset = offset;
	reloc->r_info = ELF64_R_INFO(symbol, type);
	reloc->r_addend = addend;
}

/* --- the file ----------------------------------------------------------------------------------- */

/* What belongs to the file and not to the patch: names, symbols, relocations. */
struct layout_data {
	unsigned char *strings; /* names of sections and symbols */
	size_t nr_strings;
	Elf64_Sym *symbols;
	size_t nr_symbols;
	unsigned int nr_locals;
	unsigned int *number; /* of each of the writer's symbols in the file */
};

static uint32_t add_string(struct layout_data *layout, const char *string)
{
	size_t len = strlen(string) + 1, at = layout->nr_strings;

	layout->strings = enlarge(layout->strings, at + len, 1);
	memcpy(layout->strings + at, string, len);
	layout->nr_strings += len;
	return (uint32_t)at;
}

/* Local ones come first. */
static void lay_out_symbols(struct layout_data *layout, const struct writer *writer)
{
	const struct out_symbol *symbol;
	unsigned int globals;
	size_t i;

	layout->symbols = allocate(writer->nr_symbols + 1, sizeof(*layout->symbols));
	layout->number = allocate(writer->nr_symbols, sizeof(*layout->number));
	layout->nr_symbols = 1;
	for (globals = 0; globals < 2; globals++) {
		for (i = 0; i < writer->nr_symbols; i++) {
			symbol = &writer->symbols[i];
			if ((ELF64_ST_BIND(symbol->symbol.st_info) != STB_LOCAL) != globals)
				continue;
			layout->number[i] = (unsigned int)layout->nr_symbols;
			layout->symbols[layout->nr_symbols] = symbol->symbol;
			layout->symbols[layout->nr_symbols++].st_name =
				add_string(layout, symbol->name);
		}
		if (!globals)
			layout->nr_locals = (unsigned int)layout->nr_symbols;
	}
}

static Elf_Scn *add_section(Elf *elf, const GElf_Shdr *wanted, void *data, Elf_Type type)
{
	Elf_Scn *section = elf_newscn(elf);
	Elf_Data *content = section ? elf_newdata(section) : NULL;
	GElf_Shdr header;

	if (!content || !gelf_getshdr(section, &header))
		return NULL;
	header.sh_name = wanted->sh_name;
	header.sh_type = wanted->sh_type;
	header.sh_flags = wanted->sh_flags;
	header.sh_addralign = wanted->sh_addralign;
	header.sh_entsize = wanted->sh_entsize;
	header.sh_link = wanted->sh_link;
	header.sh_info = wanted->sh_info;
	content->d_buf = data;
	content->d_size = wanted->sh_size;
	content->d_align = wanted->sh_addralign;
	content->d_type = type;
	content->d_version = EV_CURRENT;
	return gelf_update_shdr(section, &header) ? section : NULL;
}

static bool add_relocs(Elf *elf, struct layout_data *layout, struct out_section *section,
		       unsigned int number, unsigned int symtab)
{
	GElf_Shdr header = { .sh_type = SHT_RELA, .sh_flags = SHF_INFO_LINK, .sh_addralign = 8,
			     .sh_entsize = sizeof(Elf64_Rela), .sh_link = symtab,
			     .sh_info = number };
	char *name;
	size_t i;

	if (!section->nr_relocs)
		return true;
	for (i = 0; i < section->nr_relocs; i++)
		section->relocs[i].r_info =
			ELF64_R_INFO(layout->number[ELF64_R_SYM(section->relocs[i].r_info)],
				     ELF64_R_TYPE(section->relocs[i].r_info));
	name = text(".rela%s", section->name);
	header.sh_name = add_string(layout, name);
	header.sh_size = section->nr_relocs * sizeof(*section->relocs);
	free(name);
	return add_section(elf, &header, section->relocs, ELF_T_RELA);
}

static bool add_all(Elf *elf, struct writer *writer, struct layout_data *layout)
{
	unsigned int symtab = (unsigned int)writer->nr_sections + 1;
	GElf_Shdr header;
	Elf_Scn *strings;
	GElf_Ehdr ehdr;
	size_t i;

	for (i = 0; i < writer->nr_sections; i++) {
		struct out_section *section = &writer->sections[i];

		header = (GElf_Shdr){ .sh_type = section->type, .sh_flags = section->flags,
				      .sh_addralign = section->align, .sh_size = section->size,
				      .sh_name = add_string(layout, section->name) };
		if (!add_section(elf, &header, section->data, ELF_T_BYTE))
			return false;
	}
	header = (GElf_Shdr){ .sh_type = SHT_SYMTAB, .sh_addralign = 8, .sh_link = symtab + 1,
			      .sh_entsize = sizeof(Elf64_Sym), .sh_info = layout->nr_locals,
			      .sh_size = layout->nr_symbols * sizeof(Elf64_Sym),
			      .sh_name = add_string(layout, ".symtab") };
	if (!add_section(elf, &header, layout->symbols, ELF_T_SYM))
		return false;
	/* Its bytes are known last: it holds the names of all sections. */
	header = (GElf_Shdr){ .sh_type = SHT_STRTAB, .sh_addralign = 1,
			      .sh_name = add_string(layout, ".strtab") };
	strings = add_section(elf, &header, NULL, ELF_T_BYTE);
	if (!strings)
		return false;
	for (i = 0; i < writer->nr_sections; i++) {
		if (!add_relocs(elf, layout, &writer->sections[i], (unsigned int)i + 1, symtab))
			return false;
	}
	elf_getdata(strings, NULL)->d_buf = layout->strings;
	elf_getdata(strings, NULL)->d_size = layout->nr_strings;
	if (!gelf_getehdr(elf, &ehdr))
		return false;
	ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	ehdr.e_type = ET_REL;
	ehdr.e_machine = EM_X86_64;
	ehdr.e_version = EV_CURRENT;
	ehdr.e_shstrndx = (Elf64_Half)(symtab + 1);
	return gelf_update_ehdr(elf, &ehdr) && elf_update(elf, ELF_C_WRITE) >= 0;
}

int writer_write(struct writer *writer, int fd)
{
	struct layout_data layout = { 0 };
	int err = -EIO;
	Elf *elf;

	elf_version(EV_CURRENT);
	add_string(&layout, "");
	lay_out_symbols(&layout, writer);
	elf = elf_begin(fd, ELF_C_WRITE, NULL);
	if (elf && gelf_newehdr(elf, ELFCLASS64) && add_all(elf, writer, &layout))
		err = 0;
	elf_end(elf);
	free(layout.strings);
	free(layout.symbols);
	free(layout.number);
	return err;
}

void writer_free(struct writer *writer)
{
	size_t i;

	for (i = 0; i < writer->nr_sections; i++) {
		free(writer->sections[i].name);
		free(writer->sections[i].data);
		free(writer->sections[i].relocs);
	}
	for (i = 0; i < writer->nr_symbols; i++)
		free(writer->symbols[i].name);
	free(writer->sections);
	free(writer->symbols);
	memset(writer, 0, sizeof(*writer));
}
