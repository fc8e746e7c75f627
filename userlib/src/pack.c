// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Making a patch file: the object as it is, and a section of notes with all that can be known now
 * about the file that it is for. What an apply needs of the target's symbols is in the notes, so that
 * a stripped program can be patched by who has its symbols once.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "image.h"
#include "internal.h"
#include "object.h"
#include "patch.h"
#include "symbols.h"

/* Larger than any function. */
#define FUNCTION_MAX (16UL << 20)

struct pack {
	const struct wfpatch_pack_opts *o;
	struct wf_symbols target;
	struct wf_elf object;
	struct wf_object parsed;
	const char
		*file; /* source file of all replaced functions that are static; NULL if several */
	bool files_differ;
	unsigned char *notes;
	size_t size;
	struct wf_error error;
};

/* Room for a note's content. */
static void *add_note(struct pack *pack, enum wf_note type, size_t size)
{
	size_t head = sizeof(Elf64_Nhdr) + sizeof(WF_NOTE_OWNER), len = head + ((size + 3) & ~3UL);
	unsigned char *bigger = realloc(pack->notes, pack->size + len);
	Elf64_Nhdr *note;

	if (!bigger)
		return NULL;
	pack->notes = bigger;
	note = memset(bigger + pack->size, 0, len);
	note->n_namesz = sizeof(WF_NOTE_OWNER);
	note->n_descsz = (Elf64_Word)size;
	note->n_type = type;
	memcpy(note + 1, WF_NOTE_OWNER, sizeof(WF_NOTE_OWNER));
	pack->size += len;
	return (char *)note + head;
}

static int add_bytes(struct pack *pack, enum wf_note type, const void *bytes, size_t size)
{
	void *to = add_note(pack, type, size);

	if (!to)
		return -ENOMEM;
	memcpy(to, bytes, size);
	return 0;
}

static int add_text(struct pack *pack, enum wf_note type, const char *text)
{
	return text && *text ? add_bytes(pack, type, text, strlen(text) + 1) : 0;
}

static int add_texts(struct pack *pack, enum wf_note type, const char *const *texts,
		     unsigned int nr)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < nr; i++)
		err = add_text(pack, type, texts[i]);
	return err;
}

/* "fix" of "some/where/fix.wfp". */
static int add_name(struct pack *pack)
{
	const char *name = pack->o->name, *slash;
	char base[WF_PATCH_NAME_MAX + 2];
	size_t len;

	if (name && *name)
		return add_text(pack, WF_NOTE_NAME, name);
	slash = strrchr(pack->o->output, '/');
	name = slash ? slash + 1 : pack->o->output;
	len = strlen(name);
	if (len > 4 && !strcmp(name + len - 4, ".wfp"))
		len -= 4;
	snprintf(base, sizeof(base), "%.*s", (int)len, name);
	return add_text(pack, WF_NOTE_NAME, base);
}

/* What patch.h names an author's hooks. */
static const char *const hook_names[WFPATCH_NR_HOOKS] = {
	[WFPATCH_HOOK_PRE_APPLY] = "wfpatch_pre_apply",
	[WFPATCH_HOOK_POST_APPLY] = "wfpatch_post_apply",
	[WFPATCH_HOOK_PRE_REVERT] = "wfpatch_pre_revert",
	[WFPATCH_HOOK_POST_REVERT] = "wfpatch_post_revert",
};

static bool has_hooks(const struct pack *pack)
{
	unsigned int i;

	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (wf_object_function(&pack->parsed, hook_names[i]))
			return true;
	}
	return false;
}

static int add_hooks(struct pack *pack)
{
	struct wf_note_hook *note;
	unsigned int i;
	bool any = false;

	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (!wf_object_function(&pack->parsed, hook_names[i]))
			continue;
		note = add_note(pack, WF_NOTE_HOOK, sizeof(*note) + strlen(hook_names[i]) + 1);
		if (!note)
			return -ENOMEM;
		note->hook = i;
		memcpy(note->name, hook_names[i], strlen(hook_names[i]));
		any = true;
	}
	if (!any && pack->o->nr_hook_points)
		return wf_error_set(&pack->error, ENOENT,
				    "%s has no hook that could run at '%s': see <wfpatch/patch.h>",
				    pack->o->object, pack->o->hook_points[0]);
	return 0;
}

static int add_general(struct pack *pack)
{
	const struct wfpatch_pack_opts *o = pack->o;
	const char *slash = strrchr(o->target, '/');
	struct wf_note_format format = { .version = WF_FORMAT_PLAIN };
	int err;

	if (has_hooks(pack) || o->nr_hook_points)
		format.version = WF_FORMAT_VERSION;

	if (pack->target.full)
		format.flags |= WF_FORMAT_COMPLETE;
	err = add_bytes(pack, WF_NOTE_FORMAT, &format, sizeof(format));
	if (!err)
		err = add_name(pack);
	if (!err)
		err = add_text(pack, WF_NOTE_VERSION, o->version);
	if (!err)
		err = add_text(pack, WF_NOTE_DESCRIPTION, o->description);
	if (!err)
		err = add_text(pack, WF_NOTE_AUTHOR, o->author);
	if (!err)
		err = add_texts(pack, WF_NOTE_CVE, o->cves, o->nr_cves);
	if (!err)
		err = add_texts(pack, WF_NOTE_REPLACES, o->replaces, o->nr_replaces);
	if (!err)
		err = add_text(pack, WF_NOTE_TARGET, slash ? slash + 1 : o->target);
	return err ? err
		   : add_bytes(pack, WF_NOTE_BUILD_ID, pack->target.binary.build_id,
			       pack->target.binary.build_id_size);
}

/* The source files that have a symbol of this name: "one.c, two.c". */
static const char *list_files(const struct wf_symbols *symbols, const char *name, char *text,
			      size_t size)
{
	size_t i, len = 0;

	*text = 0;
	for (i = 0; i < symbols->nr && len < size; i++) {
		if (!strcmp(symbols->list[i].name, name) && *symbols->list[i].file)
			len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "",
						symbols->list[i].file);
	}
	return text;
}

static int fail_find(struct pack *pack, int err, const char *name)
{
	const char *colon = strrchr(name, ':'), *base = colon ? colon + 1 : name;
	char files[256];

	if (err == -ENOTUNIQ)
		return wf_error_set(&pack->error, ENOTUNIQ,
				    "%s has several '%s', in %s: say which, as FILE:NAME",
				    pack->o->target, name,
				    list_files(&pack->target, base, files, sizeof(files)));
	if (!pack->target.full)
		return wf_error_set(&pack->error, ENOENT,
				    "%s has no function '%s' among its dynamic symbols, and no "
				    "others: give a file with its symbols",
				    pack->o->target, name);
	return wf_error_set(&pack->error, ENOENT, "%s has no function '%s'", pack->o->target, name);
}

static int add_function(struct pack *pack, enum wf_note type, const struct wf_symbol *symbol,
			const char *new_name)
{
	size_t len = strcspn(symbol->name, "@"), new_len = new_name ? strlen(new_name) + 1 : 0;
	struct wf_note_function *note;
	void *code;
	int err;

	if (!symbol->size || symbol->size > FUNCTION_MAX)
		return wf_error_set(&pack->error, ENOEXEC,
				    "%s says that '%s' has %llu bytes: it cannot be replaced",
				    pack->o->target, symbol->name,
				    (unsigned long long)symbol->size);
	code = malloc(symbol->size);
	note = add_note(pack, type, sizeof(*note) + len + 1 + new_len);
	if (!code || !note) {
		free(code);
		return -ENOMEM;
	}
	note->address = symbol->value;
	note->size = symbol->size;
	memcpy(note->names, symbol->name, len);
	if (new_name)
		memcpy(note->names + len + 1, new_name, new_len);
	err = wf_elf_read(&pack->target.binary, symbol->value, code, symbol->size);
	if (err)
		err = wf_error_set(&pack->error, ENOEXEC, "cannot read the code of '%s' in %s",
				   symbol->name, pack->o->target);
	else
		wf_sha256(code, symbol->size, note->hash);
	free(code);
	return err;
}

static int check_next(struct pack *pack, const struct wf_symbol *symbol)
{
	const struct wf_symbol *other = wf_symbols_in_jump(&pack->target, symbol);

	if (!other)
		return 0;
	return wf_error_set(&pack->error, ENOEXEC,
			    "'%s' has %llu bytes, too few for the jump to its new code, and '%s' "
			    "follows; replace its callers instead",
			    symbol->name, (unsigned long long)symbol->size, other->name);
}

/* Is @name the old function in "old", "old=new", "file.c:old" or "file.c:old=new"? */
static bool replaces(const char *text, const char *name)
{
	size_t len = strcspn(text, "=");
	const char *colon = memrchr(text, ':', len);

	if (colon) {
		len -= (size_t)(colon + 1 - text);
		text = colon + 1;
	}
	return strlen(name) == len && !memcmp(name, text, len);
}

/*
 * What the compiler made of @symbol besides it: NAME.cold, which it jumps to, is part of it. Other
 * variants (NAME.constprop.0, NAME.part.0 ...) are called in its place, by callers that do not come
 * to it; a patch that leaves them alone changes less than its author thinks.
 */
static int add_pieces(struct pack *pack, const struct wf_symbol *symbol)
{
	const struct wf_symbol *other;
	size_t len = strcspn(symbol->name, "@"), i, j;
	const char *suffix;
	int err = 0;

	for (i = 0; !err && i < pack->target.nr; i++) {
		other = &pack->target.list[i];
		suffix = other->name + len;
		if (other->type != STT_FUNC || strncmp(other->name, symbol->name, len) != 0 ||
		    *suffix != '.' || other->value == symbol->value ||
		    (*symbol->file && strcmp(symbol->file, other->file) != 0))
			continue;
		if (!strncmp(suffix, ".cold", 5)) {
			err = add_function(pack, WF_NOTE_PIECE, other, NULL);
			continue;
		}
		if (strstr(suffix, ".cold") || (pack->o->flags & WFPATCH_PACK_LEAVE_VARIANTS))
			continue;
		for (j = 0; j < pack->o->nr_replace; j++) {
			if (replaces(pack->o->replace[j], other->name))
				break;
		}
		if (j == pack->o->nr_replace)
			err = wf_error_set(&pack->error, ENOEXEC,
					   "%s also has '%s', a variant of '%.*s' that is called "
					   "instead: replace it too, or say that it may stay",
					   pack->o->target, other->name, (int)len, symbol->name);
	}
	return err;
}

/* "old", "old=new", "file.c:old=new" */
static int add_replacement(struct pack *pack, const char *text)
{
	const char *equals = strchr(text, '='), *colon, *new_name;
	const struct wf_symbol *symbol;
	char *old;
	int err;

	old = strndup(text, equals ? (size_t)(equals - text) : strlen(text));
	if (!old)
		return -ENOMEM;
	colon = strrchr(old, ':');
	new_name = equals ? equals + 1 : colon ? colon + 1 : old;
	err = wf_symbols_find(&pack->target, old, true, &symbol);
	if (err) {
		err = fail_find(pack, err, old);
		goto out;
	}
	if (!wf_object_function(&pack->parsed, new_name)) {
		err = wf_error_set(&pack->error, ENOENT, "%s has no function '%s', or several",
				   pack->o->object, new_name);
		goto out;
	}
	if (*symbol->file && !pack->files_differ) {
		pack->files_differ = pack->file && strcmp(pack->file, symbol->file) != 0;
		pack->file = pack->files_differ ? NULL : symbol->file;
	}
	err = check_next(pack, symbol);
	if (!err)
		err = add_function(pack, WF_NOTE_FUNCTION, symbol, new_name);
	if (!err)
		err = add_pieces(pack, symbol);
out:
	free(old);
	return err;
}

/* "name", "file.c:name" */
static int add_point(struct pack *pack, const char *text)
{
	const struct wf_symbol *symbol;
	int err = wf_symbols_find(&pack->target, text, true, &symbol);

	return err ? fail_find(pack, err, text) : add_function(pack, WF_NOTE_POINT, symbol, NULL);
}

/*
 * In C a name means a static symbol only in the file that has it. Without knowing that it is the same
 * file, a static symbol may be what the name means only if no library has one of that name: that is
 * seen when the patch is applied.
 */
static bool may_be_import(const struct pack *pack, const char *name, const struct wf_symbol *symbol)
{
	return symbol->bind == STB_LOCAL && !strcmp(name, symbol->name) &&
	       (!pack->file || strcmp(pack->file, symbol->file) != 0);
}

static int add_reference(struct pack *pack, const char *name, const struct wf_symbol *symbol)
{
	struct wf_note_reference *note;

	note = add_note(pack, WF_NOTE_REFERENCE, sizeof(*note) + strlen(name) + 1);
	if (!note)
		return -ENOMEM;
	note->address = symbol->value;
	note->size = symbol->size;
	note->type = symbol->type;
	note->flags = may_be_import(pack, name, symbol) ? WF_REFERENCE_STATIC : 0;
	memcpy(note->name, name, strlen(name));
	return 0;
}

/* Of several static symbols, the one in the file of the functions that are replaced. */
static int find_in_file(const struct pack *pack, const char *name, const struct wf_symbol **found)
{
	char *text;
	int err;

	if (asprintf(&text, "%s:%s", pack->file, name) < 0)
		return -ENOMEM;
	err = wf_symbols_find(&pack->target, text, false, found);
	free(text);
	return err == -ENOENT ? -ENOTUNIQ : err;
}

/* What the object means by a name, if the target has it. */
static int refer(struct pack *pack, const struct wf_object_symbol *symbol)
{
	const struct wf_symbol *found;
	char files[256];
	int err;

	if (wf_import_name(symbol->name))
		return 0;
	err = wf_symbols_find(&pack->target, symbol->name, false, &found);
	if (err == -ENOTUNIQ && pack->file)
		err = find_in_file(pack, symbol->name, &found);
	if (err == -ENOENT && !strncmp(symbol->name, WF_LOCAL_PREFIX, sizeof(WF_LOCAL_PREFIX) - 1))
		return wf_error_set(&pack->error, ENOENT, "%s has nothing that '%s' may mean",
				    pack->o->target, symbol->name);
	if (err == -ENOENT)
		return 0;
	if (symbol->section != SHN_UNDEF) {
		/* Of what each object has a copy and programs one, the target's is used. */
		if (symbol->bind == STB_GLOBAL && symbol->writable && found->type == STT_OBJECT &&
		    found->bind != STB_LOCAL)
			return wf_error_set(&pack->error, EEXIST,
					    "%s defines '%s', which %s has already: declare it "
					    "extern, or make it static if it is new",
					    pack->o->object, symbol->name, pack->o->target);
		if ((symbol->bind != STB_WEAK && symbol->bind != STB_GNU_UNIQUE) ||
		    symbol->type != STT_OBJECT || found->size != symbol->size)
			return 0;
	}
	if (err == -ENOTUNIQ)
		return wf_error_set(&pack->error, ENOTUNIQ,
				    "%s has several '%s', in %s: say which, with an asm name as "
				    "in " WF_LOCAL_PREFIX "file_c.%s",
				    pack->o->target, symbol->name,
				    list_files(&pack->target, symbol->name, files, sizeof(files)),
				    symbol->name);
	/* Which code it stands for is decided in the process. */
	return found->type == STT_GNU_IFUNC ? 0 : add_reference(pack, symbol->name, found);
}

static int add_references(struct pack *pack)
{
	const struct wf_object_symbol *symbol;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < pack->parsed.nr_symbols; i++) {
		symbol = &pack->parsed.symbols[i];
		if (symbol->used && symbol->bind != STB_LOCAL)
			err = refer(pack, symbol);
	}
	return err;
}

/* The notes, as one more section of the copy. */
static int add_section(int fd, const struct pack *pack)
{
	static char name[] = WF_NOTE_SECTION;
	Elf_Scn *section, *names;
	Elf_Data *data, *text;
	GElf_Shdr header, names_header;
	size_t strings;
	int err = -EIO;
	Elf *elf;

	elf = elf_begin(fd, ELF_C_RDWR, NULL);
	if (!elf || elf_getshdrstrndx(elf, &strings))
		goto out;
	names = elf_getscn(elf, strings);
	if (!names || !gelf_getshdr(names, &names_header))
		goto out;
	section = elf_newscn(elf);
	data = section ? elf_newdata(section) : NULL;
	text = elf_newdata(names);
	if (!data || !text || !gelf_getshdr(section, &header))
		goto out;
	text->d_buf = name;
	text->d_size = sizeof(name);
	text->d_align = 1;
	text->d_version = EV_CURRENT;
	data->d_buf = pack->notes;
	data->d_size = pack->size;
	data->d_align = 4;
	data->d_type = ELF_T_BYTE;
	data->d_version = EV_CURRENT;
	header.sh_name = (GElf_Word)names_header.sh_size;
	header.sh_type = SHT_NOTE;
	header.sh_addralign = 4;
	if (gelf_update_shdr(section, &header) && elf_update(elf, ELF_C_WRITE) >= 0)
		err = 0;
out:
	elf_end(elf);
	return err;
}

static int copy_file(int to, int from)
{
	char block[16384];
	off_t at = 0;
	ssize_t len;

	while ((len = pread(from, block, sizeof(block), at)) > 0) {
		if (pwrite(to, block, (size_t)len, at) != len)
			return -EIO;
		at += len;
	}
	return len ? -errno : 0;
}

/* The file appears when it is complete. */
static int write_output(struct pack *pack)
{
	const char *output = pack->o->output;
	struct wfpatch_patch *patch;
	char name[PATH_MAX];
	int fd, err;

	if ((size_t)snprintf(name, sizeof(name), "%s.XXXXXX", output) >= sizeof(name))
		return wf_error_set(&pack->error, ENAMETOOLONG, "the name %s is too long", output);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return wf_error_set(&pack->error, errno, "cannot make %s: %s", name,
				    strerror(errno));
	err = copy_file(fd, pack->object.fd);
	if (!err)
		err = add_section(fd, pack);
	if (!err && (fchmod(fd, 0644) || fsync(fd)))
		err = -errno;
	close(fd);
	if (err)
		wf_error_set(&pack->error, -err, "cannot write %s: %s", name, strerror(-err));
	if (!err) {
		/* What cannot be read is not handed out: a bad name, for one. */
		err = wfpatch_patch_open(&patch, name, pack->error.text, pack->error.size);
		wfpatch_patch_close(patch);
	}
	if (!err && rename(name, output))
		err = wf_error_set(&pack->error, errno, "cannot rename %s to %s: %s", name, output,
				   strerror(errno));
	if (err)
		unlink(name);
	return err;
}

static int pack_opened(struct pack *pack)
{
	const struct wfpatch_pack_opts *o = pack->o;
	unsigned int i;
	int err;

	if (!pack->target.binary.build_id_size)
		return wf_error_set(&pack->error, ENOEXEC,
				    "%s has no build-id: link it with -Wl,--build-id", o->target);
	err = wf_object_read(&pack->parsed, pack->object.elf, o->object, &pack->error);
	if (!err)
		err = add_general(pack);
	for (i = 0; !err && i < o->nr_replace; i++)
		err = add_replacement(pack, o->replace[i]);
	if (!err)
		err = add_hooks(pack);
	for (i = 0; !err && i < o->nr_hook_points; i++)
		err = add_point(pack, o->hook_points[i]);
	if (!err)
		err = add_references(pack);
	if (!err)
		err = write_output(pack);
	wf_object_free(&pack->parsed);
	return err;
}

int wfpatch_pack(const struct wfpatch_pack_opts *opts, char *err, size_t err_size)
{
	struct pack pack = { .error = { err, err_size } };
	struct wfpatch_pack_opts o;
	int ret;

	ret = wf_opts_copy(&o, sizeof(o), opts);
	if (ret)
		return ret;
	if ((o.flags & ~WFPATCH_PACK_LEAVE_VARIANTS) || !o.object || !o.target || !o.output ||
	    !o.nr_replace || o.reserved)
		return wf_error_set(&pack.error, EINVAL,
				    "wanted: an object, a target, a function to replace, an "
				    "output");
	pack.o = &o;
	ret = wf_elf_open(&pack.object, o.object);
	if (ret == -ENOEXEC || (!ret && pack.object.header.e_type != ET_REL)) {
		wf_elf_close(&pack.object);
		return wf_error_set(&pack.error, ENOEXEC,
				    "%s is not an x86-64 relocatable ELF object; compile with -c",
				    o.object);
	}
	if (ret)
		return wf_error_set(&pack.error, -ret, "cannot open %s: %s", o.object,
				    strerror(-ret));
	ret = wf_symbols_open(&pack.target, o.target, o.target, "", o.debug, &pack.error);
	if (!ret) {
		ret = pack_opened(&pack);
		wf_symbols_close(&pack.target);
	}
	wf_elf_close(&pack.object);
	free(pack.notes);
	if (ret == -ENOMEM)
		wf_error_set(&pack.error, ENOMEM, "no memory to pack %s", o.object);
	return ret;
}
