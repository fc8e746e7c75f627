// SPDX-License-Identifier: GPL-2.0
/*
 * See rebuilt.h. The build-id is the linker's hash of the whole file before it was stripped, debug
 * information included. That may differ, for example in a path, where the code does not: so all
 * sections that get into memory are compared, with their addresses, from first to last. What is
 * different in a section moves all that follow: the first one tells most.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "rebuilt.h"
#include "symbols.h"
#include "unit.h"

#define BUILD_ID ".note.gnu.build-id"
/* Behind the note's header and the name "GNU". */
#define BUILD_ID_AT (sizeof(Elf64_Nhdr) + 4)

struct part {
	Elf_Scn *section;
	GElf_Shdr header;
	const char *name;
};

static bool read_part(const struct wf_elf *elf, struct part *part)
{
	size_t strings;

	if (elf_getshdrstrndx(elf->elf, &strings) || !gelf_getshdr(part->section, &part->header))
		return false;
	part->name = elf_strptr(elf->elf, strings, part->header.sh_name);
	return part->name;
}

/* The next section that gets into memory. */
static bool next_part(const struct wf_elf *elf, struct part *part)
{
	while ((part->section = elf_nextscn(elf->elf, part->section))) {
		if (read_part(elf, part) && part->header.sh_flags & SHF_ALLOC)
			return true;
	}
	return false;
}

static bool find_part(const struct wf_elf *elf, const char *name, struct part *part)
{
	part->section = NULL;
	while (next_part(elf, part)) {
		if (!strcmp(part->name, name))
			return true;
	}
	return false;
}

static char *compare_bytes(const struct part *stock, const struct part *again)
{
	const Elf_Data *one = elf_rawdata(stock->section, NULL);
	const Elf_Data *other = elf_rawdata(again->section, NULL);
	const unsigned char *a, *b;
	size_t i, len;

	if (!one || !other || (one->d_size && !one->d_buf) || (other->d_size && !other->d_buf))
		return text("section %s cannot be read", stock->name);
	a = one->d_buf;
	b = other->d_buf;
	len = one->d_size < other->d_size ? one->d_size : other->d_size;
	for (i = 0; i < len; i++) {
		if (a[i] != b[i])
			return text("section %s differs at offset 0x%zx (address 0x%" PRIx64 ")",
				    stock->name, i, (uint64_t)(stock->header.sh_addr + i));
	}
	return one->d_size == other->d_size ? NULL :
	       text("section %s has %zu bytes, and %zu in the rebuild", stock->name, one->d_size,
		    other->d_size);
}

/* What is different between a section and its counterpart, or NULL. */
static char *compare_parts(const struct part *stock, const struct part *again)
{
	const GElf_Shdr *one = &stock->header, *other = &again->header;

	if (one->sh_type != other->sh_type || one->sh_flags != other->sh_flags)
		return text("section %s has another type or other flags in the rebuild",
			    stock->name);
	if (one->sh_addr != other->sh_addr)
		return text("section %s begins at 0x%" PRIx64 ", and at 0x%" PRIx64
			    " in the rebuild", stock->name, (uint64_t)one->sh_addr,
			    (uint64_t)other->sh_addr);
	if (one->sh_type != SHT_NOBITS && strcmp(stock->name, BUILD_ID) != 0)
		return compare_bytes(stock, again);
	return one->sh_size == other->sh_size ? NULL :
	       text("section %s has %" PRIu64 " bytes, and %" PRIu64 " in the rebuild",
		    stock->name, (uint64_t)one->sh_size, (uint64_t)other->sh_size);
}

static char *first_difference(const struct wf_elf *stock, const struct wf_elf *again)
{
	struct part one = { 0 }, other = { 0 };
	size_t nr = 0;
	char *found;

	while (next_part(stock, &one)) {
		nr++;
		if (!find_part(again, one.name, &other))
			return text("there is no section %s in the rebuild", one.name);
		found = compare_parts(&one, &other);
		if (found)
			return found;
	}
	if (!nr)
		return text("it has no sections");
	other.section = NULL;
	while (next_part(again, &other)) {
		if (!find_part(stock, other.name, &one))
			return text("the rebuild has one more section, %s", other.name);
	}
	return NULL;
}

static char *open_error(const char *path, int err)
{
	if (err == -ENOEXEC)
		return text("%s is not an x86-64 ELF file", path);
	return text("cannot open %s: %s", path, strerror(-err));
}

enum rebuilt rebuilt_compare(const char *stock, const char *again, char **why)
{
	enum rebuilt result = REBUILT_SAME;
	struct wf_elf one, other;
	int err;

	*why = NULL;
	err = wf_elf_open(&one, stock);
	if (err) {
		*why = open_error(stock, err);
		return REBUILT_UNREADABLE;
	}
	err = wf_elf_open(&other, again);
	if (err) {
		*why = open_error(again, err);
		wf_elf_close(&one);
		return REBUILT_UNREADABLE;
	}
	if (!one.build_id_size || one.build_id_size != other.build_id_size ||
	    memcmp(one.build_id, other.build_id, one.build_id_size) != 0) {
		*why = first_difference(&one, &other);
		result = *why ? REBUILT_OTHER : REBUILT_SAME_CODE;
	}
	wf_elf_close(&other);
	wf_elf_close(&one);
	return result;
}

static int copy_file(int from, int to)
{
	char buffer[65536];
	ssize_t len, done;

	while ((len = read(from, buffer, sizeof(buffer))) > 0) {
		done = write(to, buffer, (size_t)len);
		if (done != len)
			return done < 0 ? -errno : -EIO;
	}
	return len < 0 ? -errno : 0;
}

/* The section is one note, of which the id is the end. */
static int write_build_id(int fd, const struct wf_elf *from, const struct wf_elf *into)
{
	struct part part;
	ssize_t done;
	off_t at;

	if (!from->build_id_size || from->build_id_size != into->build_id_size ||
	    !find_part(into, BUILD_ID, &part) ||
	    part.header.sh_size != BUILD_ID_AT + from->build_id_size)
		return -ENOEXEC;
	at = (off_t)(part.header.sh_offset + BUILD_ID_AT);
	done = pwrite(fd, from->build_id, from->build_id_size, at);
	if (done < 0)
		return -errno;
	return done == (ssize_t)from->build_id_size ? 0 : -EIO;
}

int rebuilt_copy(const char *stock, const char *again, const char *path)
{
	struct wf_elf one, other;
	int fd, err;

	err = wf_elf_open(&one, stock);
	if (err)
		return err;
	err = wf_elf_open(&other, again);
	if (err) {
		wf_elf_close(&one);
		return err;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	err = fd < 0 ? -errno : copy_file(other.fd, fd);
	if (!err)
		err = write_build_id(fd, &one, &other);
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (err && fd >= 0)
		unlink(path);
	wf_elf_close(&other);
	wf_elf_close(&one);
	return err;
}

char *rebuilt_compiler(const char *path)
{
	struct part part = { 0 };
	const Elf_Data *data;
	struct wf_elf elf;
	char *names = NULL;
	size_t i, len;

	if (wf_elf_open(&elf, path))
		return NULL;
	while (!names && (part.section = elf_nextscn(elf.elf, part.section))) {
		if (!read_part(&elf, &part) || strcmp(part.name, ".comment") != 0)
			continue;
		data = elf_rawdata(part.section, NULL);
		if (!data || !data->d_buf || !data->d_size)
			continue;
		len = data->d_size;
		names = allocate(len + 1, 1);
		memcpy(names, data->d_buf, len);
		/* Texts, each with a 0 behind it. */
		for (i = 0; i + 1 < len; i++) {
			if (!names[i])
				names[i] = ',';
		}
	}
	wf_elf_close(&elf);
	return names;
}
