// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading a patch file: see patch.h and docs/patch-format.md. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "image.h"
#include "patch.h"
#include "symbols.h"

/* Larger than any patch; what a mistaken file name leads to may be endless. */
#define FILE_MAX (256L << 20)

static int read_file(struct wfpatch_patch *patch, const char *path, struct wf_error *error)
{
	struct stat st;
	ssize_t done;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st)) {
		err = wf_error_set(error, errno, "cannot open %s: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		err = wf_error_set(error, EINVAL,
				   "%s is not a patch file: not a regular file, or larger than "
				   "%ld MiB", path, FILE_MAX >> 20);
		goto out;
	}
	err = -ENOMEM;
	patch->data = malloc((size_t)st.st_size + 1);
	if (!patch->data)
		goto out;
	while (patch->size < (size_t)st.st_size) {
		done = read(fd, (char *)patch->data + patch->size,
			    (size_t)st.st_size - patch->size);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			err = wf_error_set(error, done ? errno : EIO, "cannot read %s: %s", path,
					   done ? strerror(errno) : "it has become shorter");
			goto out;
		}
		patch->size += (size_t)done;
	}
	err = 0;
out:
	if (fd >= 0)
		close(fd);
	return err;
}

/* A note; @text if the type's content is one. */
struct note {
	unsigned int type;
	const unsigned char *data;
	size_t size;
};

/* Take the next note off @at. 0 at the end, or where there is something else. */
static int next_note(const unsigned char **at, size_t *left, struct note *note)
{
	const Elf64_Nhdr *header = (const void *)*at;
	size_t name, desc;

	if (*left < sizeof(*header))
		return 0;
	name = (header->n_namesz + 3UL) & ~3UL;
	desc = (header->n_descsz + 3UL) & ~3UL;
	if (header->n_namesz != sizeof(WF_NOTE_OWNER) || *left - sizeof(*header) < name ||
	    memcmp(header + 1, WF_NOTE_OWNER, sizeof(WF_NOTE_OWNER)) != 0 ||
	    *left - sizeof(*header) - name < desc)
		return 0;
	note->type = header->n_type;
	note->data = *at + sizeof(*header) + name;
	note->size = header->n_descsz;
	*at += sizeof(*header) + name + desc;
	*left -= sizeof(*header) + name + desc;
	return 1;
}

/* A text that ends where the note ends, from @offset on; NULL if it is none. */
static const char *text_at(const struct note *note, size_t offset)
{
	if (offset >= note->size || note->data[note->size - 1])
		return NULL;
	return (const char *)note->data + offset;
}

/* Append to an array of @nr elements, kept as large as the next power of two. */
static void *append(void *array, unsigned int nr, size_t size)
{
	void **pointer = array, *bigger;

	if (!(nr & (nr - 1))) {
		bigger = reallocarray(*pointer, nr ? 2UL * nr : 1, size);
		if (!bigger)
			return NULL;
		*pointer = bigger;
	}
	return memset((char *)*pointer + nr * size, 0, size);
}

static int take_function(struct wfpatch_patch *patch, const struct note *note)
{
	const struct wf_note_function *from = (const void *)note->data;
	const char *name = text_at(note, sizeof(*from)), *new_name = NULL;
	struct wfpatch_patch_function *to;

	if (!name || !*name)
		return -EINVAL;
	if (note->type == WF_NOTE_FUNCTION) {
		new_name = text_at(note, sizeof(*from) + strlen(name) + 1);
		if (!new_name)
			return -EINVAL;
		to = append(&patch->functions, patch->info.nr_functions, sizeof(*to));
	} else if (note->type == WF_NOTE_POINT) {
		to = append(&patch->points, patch->info.nr_hook_points, sizeof(*to));
	} else {
		to = append(&patch->pieces, patch->nr_pieces, sizeof(*to));
	}
	if (!to)
		return -ENOMEM;
	to->name = name;
	to->new_name = new_name;
	memcpy(&to->address, &from->address, sizeof(to->address));
	memcpy(&to->size, &from->size, sizeof(to->size));
	memcpy(to->hash, from->hash, sizeof(to->hash));
	if (!to->size || to->address + to->size < to->address)
		return -EINVAL;
	if (note->type == WF_NOTE_FUNCTION)
		patch->info.nr_functions++;
	else if (note->type == WF_NOTE_PIECE)
		patch->nr_pieces++;
	return 0;
}

static int take_point(struct wfpatch_patch *patch, const struct note *note)
{
	const char **name = append(&patch->point_names, patch->info.nr_hook_points, sizeof(*name));
	int err;

	if (!name)
		return -ENOMEM;
	err = take_function(patch, note);
	if (err)
		return err;
	*name = patch->points[patch->info.nr_hook_points++].name;
	return 0;
}

static int take_hook(struct wfpatch_patch_info *info, const struct note *note)
{
	const struct wf_note_hook *from = (const void *)note->data;
	const char *name = text_at(note, sizeof(*from));
	uint32_t hook;

	if (!name || !*name)
		return -EINVAL;
	memcpy(&hook, &from->hook, sizeof(hook));
	if (hook >= WFPATCH_NR_HOOKS || info->hooks[hook])
		return -EINVAL;
	info->hooks[hook] = name;
	return 0;
}

static int take_reference(struct wfpatch_patch *patch, const struct note *note)
{
	struct wf_note_reference from;
	struct wf_reference *to;
	const char *name = text_at(note, sizeof(from));

	if (!name || !*name)
		return -EINVAL;
	to = append(&patch->references, patch->nr_references, sizeof(*to));
	if (!to)
		return -ENOMEM;
	memcpy(&from, note->data, sizeof(from));
	to->name = name;
	to->address = from.address;
	to->size = from.size;
	to->type = from.type;
	to->flags = from.flags;
	patch->nr_references++;
	return 0;
}

static int take_list(const char *const **list, unsigned int *nr, const struct note *note)
{
	const char **to = append(list, *nr, sizeof(*to));

	if (!to)
		return -ENOMEM;
	*to = text_at(note, 0);
	if (!*to)
		return -EINVAL;
	(*nr)++;
	return 0;
}

static int take_text(const char **text, const struct note *note)
{
	if (**text || !text_at(note, 0))
		return -EINVAL;
	*text = text_at(note, 0);
	return 0;
}

static int take_build_id(struct wfpatch_patch_info *info, const struct note *note)
{
	if (info->build_id_size || !note->size || note->size > sizeof(info->build_id))
		return -EINVAL;
	memcpy(info->build_id, note->data, note->size);
	info->build_id_size = (unsigned int)note->size;
	return 0;
}

static int take_note(struct wfpatch_patch *patch, const struct note *note)
{
	struct wfpatch_patch_info *info = &patch->info;

	switch (note->type) {
	case WF_NOTE_NAME:
		return take_text(&info->name, note);
	case WF_NOTE_VERSION:
		return take_text(&info->version, note);
	case WF_NOTE_DESCRIPTION:
		return take_text(&info->description, note);
	case WF_NOTE_AUTHOR:
		return take_text(&info->author, note);
	case WF_NOTE_TARGET:
		return take_text(&info->target, note);
	case WF_NOTE_CVE:
		return take_list(&info->cves, &info->nr_cves, note);
	case WF_NOTE_REPLACES:
		return take_list(&info->replaces, &info->nr_replaces, note);
	case WF_NOTE_BUILD_ID:
		return take_build_id(info, note);
	case WF_NOTE_FUNCTION:
	case WF_NOTE_PIECE:
		return take_function(patch, note);
	case WF_NOTE_REFERENCE:
		return take_reference(patch, note);
	case WF_NOTE_HOOK:
		return take_hook(info, note);
	case WF_NOTE_POINT:
		return take_point(patch, note);
	}
	/* Of this version there is nothing else. */
	return -EINVAL;
}

static bool good_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
	size_t len = strlen(name);

	return len && len <= WF_PATCH_NAME_MAX && strspn(name, letters) == len;
}

static int take_notes(struct wfpatch_patch *patch, const char *path, const Elf_Data *section,
		      struct wf_error *error)
{
	const unsigned char *at = section->d_buf;
	size_t left = section->d_size;
	struct wf_note_format format = { 0 };
	struct note note;
	int err;

	if (next_note(&at, &left, &note) && note.type == WF_NOTE_FORMAT &&
	    note.size >= sizeof(format))
		memcpy(&format, note.data, sizeof(format));
	if (!format.version)
		return wf_error_set(error, EINVAL, "%s is not a patch file: no format version",
				    path);
	if (format.version > WF_FORMAT_VERSION)
		return wf_error_set(error, EPROTONOSUPPORT,
				    "%s has patch format %u; this program knows %u: use a newer "
				    "wfpatch", path, format.version, WF_FORMAT_VERSION);
	patch->complete = format.flags & WF_FORMAT_COMPLETE;
	while (left) {
		err = next_note(&at, &left, &note) ? take_note(patch, &note) : -EINVAL;
		if (err == -ENOMEM)
			return err;
		if (err)
			return wf_error_set(error, EINVAL,
					    "%s is a damaged patch file: wrong note at byte %zu "
					    "of %s", path, section->d_size - left, WF_NOTE_SECTION);
	}
	if (!good_name(patch->info.name) || !patch->info.build_id_size || !patch->info.nr_functions)
		return wf_error_set(error, EINVAL,
				    "%s is a damaged patch file: no usable name, no build-id, or "
				    "no function", path);
	return 0;
}

static int parse(struct wfpatch_patch *patch, const char *path, struct wf_error *error)
{
	Elf_Scn *section = NULL;
	const char *name;
	GElf_Ehdr header;
	GElf_Shdr shdr;
	Elf_Data *data;
	size_t strings;

	elf_version(EV_CURRENT);
	patch->elf = elf_memory(patch->data, patch->size);
	if (!patch->elf || elf_kind(patch->elf) != ELF_K_ELF ||
	    !gelf_getehdr(patch->elf, &header) || gelf_getclass(patch->elf) != ELFCLASS64 ||
	    header.e_machine != EM_X86_64 || header.e_type != ET_REL ||
	    elf_getshdrstrndx(patch->elf, &strings))
		return wf_error_set(error, EINVAL,
				    "%s is not a patch file: not an x86-64 relocatable ELF object",
				    path);
	while ((section = elf_nextscn(patch->elf, section))) {
		name = gelf_getshdr(section, &shdr) ? elf_strptr(patch->elf, strings, shdr.sh_name)
						    : NULL;
		if (!name || strcmp(name, WF_NOTE_SECTION) != 0)
			continue;
		data = elf_rawdata(section, NULL);
		if (data && data->d_buf)
			return take_notes(patch, path, data, error);
	}
	return wf_error_set(error, EINVAL,
			    "%s is not a patch file: it has no section %s; make one with wfpatch "
			    "pack", path, WF_NOTE_SECTION);
}

int wfpatch_patch_open(struct wfpatch_patch **patch, const char *path, char *err, size_t err_size)
{
	struct wf_error error = { err, err_size };
	struct wfpatch_patch *new;
	unsigned int i;
	int ret;

	*patch = NULL;
	new = calloc(1, sizeof(*new));
	if (!new)
		return wf_error_set(&error, ENOMEM, "no memory to read %s", path);
	new->info.name = new->info.version = new->info.description = "";
	new->info.author = new->info.target = "";
	ret = read_file(new, path, &error);
	if (!ret) {
		wf_sha256(new->data, new->size, new->id);
		for (i = 0; i < sizeof(new->id); i++)
			sprintf(new->info.id + 2 * i, "%02x", new->id[i]);
		ret = parse(new, path, &error);
	}
	if (ret == -ENOMEM)
		wf_error_set(&error, ENOMEM, "no memory to read %s", path);
	if (ret) {
		wfpatch_patch_close(new);
		return ret;
	}
	new->info.functions = new->functions;
	new->info.hook_points = new->point_names;
	*patch = new;
	return 0;
}

void wfpatch_patch_close(struct wfpatch_patch *patch)
{
	if (!patch)
		return;
	elf_end(patch->elf);
	free((void *)patch->info.cves);
	free((void *)patch->info.replaces);
	free(patch->functions);
	free(patch->pieces);
	free(patch->points);
	free(patch->point_names);
	free(patch->references);
	free(patch->data);
	free(patch);
}

const struct wfpatch_patch_info *wfpatch_patch_info(const struct wfpatch_patch *patch)
{
	return &patch->info;
}
