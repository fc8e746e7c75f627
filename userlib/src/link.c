// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The linker: checks that a patch fits a process, and makes the image that is mapped into it, which is
 * complete when it is there, so that no code has to run for it. It reads the process and changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <fcntl.h>
#include "header.h"
#include "internal.h"
#include "linker.h"

/* A process that changes while it is read is read again, so often and after so many microseconds. */
#define LINK_TRIES 5
#define LINK_PAUSE_US 20000

/* From Linux 6.3 on a memfd says whether it may be executed; older kernels do not know the flag. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

void wf_link_uncover(const struct wf_link *link, uint64_t address, unsigned char *bytes, size_t len,
		     bool replaced_only)
{
	const struct wf_image_write *write;
	const struct wf_applied *patch;
	unsigned int i, j, k;

	/* The latest first. */
	for (i = link->applied.nr; i-- > 0;) {
		patch = &link->applied.patches[i];
		if (replaced_only && !wf_applied_replaced(patch, &link->patch->info))
			continue;
		for (j = 0; j < patch->nr_writes; j++) {
			write = &patch->writes[j];
			if (!patch->active[j] && patch->covered[j] < 0)
				continue;
			for (k = 0; k < write->len; k++) {
				if (write->address + k - address < len)
					bytes[write->address + k - address] = write->old[k];
			}
		}
	}
}

/* --- checks ----------------------------------------------------------------------------------- */

/* Old code must be there, be private to the process, and not change by itself. */
static int check_mapping(struct wf_link *link, const struct wfpatch_patch_function *function,
			 uint64_t address)
{
	const struct wf_mapping *mapping = wf_process_mapping(&link->process, address);

	if (!mapping || address + function->size > mapping->end || !(mapping->prot & PROT_EXEC))
		return wf_error_set(&link->error, ENOEXEC,
				    "'%s' at %#llx is not mapped executable in process %d",
				    function->name, (unsigned long long)address, link->process.pid);
	if (mapping->shared)
		return wf_error_set(&link->error, ENOEXEC,
				    "'%s' is in a shared mapping of process %d: it cannot be "
				    "changed for one process",
				    function->name, link->process.pid);
	if (mapping->prot & PROT_WRITE)
		return wf_error_set(&link->error, ENOEXEC,
				    "'%s' is in memory that process %d can write: it cannot be "
				    "patched in a view",
				    function->name, link->process.pid);
	return 0;
}

/* Append the function's bytes, as they were before any patch, to the old code. */
static int read_old(struct wf_link *link, const struct wfpatch_patch_function *function)
{
	struct wf_old_code *old = &link->old[link->nr_old];
	unsigned char hash[WFPATCH_HASH_SIZE];
	int err;

	old->start = link->module->bias + function->address;
	old->size = function->size;
	err = check_mapping(link, function, old->start);
	if (err)
		return err;
	old->code = malloc(old->size);
	if (!old->code)
		return -ENOMEM;
	link->nr_old++;
	err = wf_process_read(&link->process, old->start, old->code, old->size);
	if (err)
		return wf_error_set(&link->error, -err, "cannot read '%s' in process %d",
				    function->name, link->process.pid);
	wf_link_uncover(link, old->start, old->code, old->size, false);
	wf_sha256(old->code, old->size, hash);
	if (memcmp(hash, function->hash, sizeof(hash)) != 0)
		return wf_error_set(&link->error, EILSEQ,
				    "the code of '%s' in process %d is not what the patch is for: "
				    "a debugger's breakpoint, a probe, or another patcher has "
				    "changed it",
				    function->name, link->process.pid);
	return 0;
}

/* Is there room for the jump, in the function and padding behind it? */
static bool has_room(const struct wf_link *link, const struct wfpatch_patch_function *function,
		     size_t skip)
{
	uint64_t end = link->module->bias + function->address + function->size;
	unsigned char padding[16];
	size_t room = function->size - skip, len = -end & 15;

	if (room >= WF_JUMP_NEAR)
		return true;
	/* pack has seen that no other function begins there. */
	if (wf_process_read(&link->process, end, padding, len))
		return false;
	wf_link_uncover(link, end, padding, len, false);
	return room + len >= WF_JUMP_NEAR && wf_padding_len(padding, len) == len;
}

static int check_function(struct wf_link *link, unsigned int number)
{
	const struct wfpatch_patch_function *function = &link->patch->info.functions[number];
	struct wf_replacement *to = &link->replacements[number];
	unsigned int i;
	size_t skip;
	int err;

	for (i = 0; i < number; i++) {
		if (link->patch->info.functions[i].address == function->address)
			return wf_error_set(&link->error, ENOEXEC,
					    "'%s' and '%s' are the same function",
					    link->patch->info.functions[i].name, function->name);
	}
	to->function = function;
	to->runtime = link->module->bias + function->address;
	to->symbol = wf_object_function(&link->object, function->new_name);
	if (!to->symbol)
		return wf_error_set(&link->error, ENOEXEC,
				    "the patch has no function '%s', or several",
				    function->new_name);
	err = read_old(link, function);
	if (err)
		return err;
	skip = wf_endbr_size(link->old[number].code, function->size);
	to->entry = to->runtime + skip;
	if (has_room(link, function, skip))
		return 0;
	return wf_error_set(&link->error, ENOEXEC,
			    "'%s' has %llu bytes, too few for the jump to its new code; replace "
			    "its callers instead", function->name,
			    (unsigned long long)function->size);
}

static int check_applied(struct wf_link *link)
{
	const struct wf_applied *patch;
	unsigned int i;

	for (i = 0; i < link->applied.nr; i++) {
		patch = &link->applied.patches[i];
		if (patch->pub.sequence >= link->sequence)
			link->sequence = patch->pub.sequence + 1;
		if (!strcmp(patch->pub.info.id, link->patch->info.id) && patch->pub.active)
			return wf_error_set(&link->error, EEXIST,
					    "patch %s is applied to process %d already",
					    link->patch->info.name, link->process.pid);
	}
	return 0;
}

/* A function at whose call a hook may run, though it is not replaced. */
static int add_point(struct wf_link *link, const struct wfpatch_patch_function *function)
{
	struct wfpatch_span *point = &link->points[link->nr_points];
	struct wf_old_code *code = &link->old[link->nr_old];
	int err = read_old(link, function);

	if (err)
		return err;
	*point = (struct wfpatch_span){
		.start = code->start,
		.end = code->start + code->size,
		.flags = wf_enters_itself(link, code) ? 0 : WFPATCH_SPAN_ENTRY,
	};
	link->nr_points++;
	/* It is not replaced. */
	free(code->code);
	link->nr_old--;
	return 0;
}

/* Where the patch's hooks may run: somewhere at least. */
static int check_hooks(struct wf_link *link)
{
	const struct wfpatch_patch_info *info = &link->patch->info;
	const struct wf_replacement *replacement;
	bool any = false;
	unsigned int i;
	int err;

	link->points = calloc(info->nr_functions + info->nr_hook_points, sizeof(*link->points));
	if (!link->points)
		return -ENOMEM;
	for (i = 0; i < info->nr_functions; i++) {
		replacement = &link->replacements[i];
		/* To come there by a tail call of another function is a call, too; in a loop it is none. */
		link->points[link->nr_points++] = (struct wfpatch_span){
			.start = replacement->runtime,
			.end = replacement->runtime + replacement->function->size,
			.flags = wf_enters_itself(link, &link->old[i]) ? 0 : WFPATCH_SPAN_ENTRY,
		};
	}
	for (i = 0; i < info->nr_hook_points; i++) {
		err = add_point(link, &link->patch->points[i]);
		if (err)
			return err;
	}
	for (i = 0; i < link->nr_points; i++)
		any |= link->points[i].flags & WFPATCH_SPAN_ENTRY;
	if (!any)
		return wf_error_set(&link->error, ENOEXEC,
				    "no hook of the patch could run: each of its functions has jumps that may lead to its own entry, so that a call cannot be told; name another function with --hook-point");
	return wf_hooks_check(link);
}

static int check(struct wf_link *link)
{
	const struct wfpatch_patch_info *info = &link->patch->info;
	unsigned int i;
	int err;

	link->module = wf_process_module(&link->process, info->build_id, info->build_id_size);
	if (!link->module)
		return wf_error_set(&link->error, ENOENT,
				    "process %d does not map the %s that the patch is for "
				    "(another version, or none)",
				    link->process.pid, *info->target ? info->target : "file");
	err = check_applied(link);
	if (!err)
		err = wf_object_read(&link->object, link->patch->elf, "the patch", &link->error);
	if (err)
		return err;
	link->replacements = calloc(info->nr_functions, sizeof(*link->replacements));
	/* One more for a point, which does not stay. */
	link->old = calloc(info->nr_functions + link->patch->nr_pieces + 1UL, sizeof(*link->old));
	if (!link->replacements || !link->old)
		return -ENOMEM;
	for (i = 0; !err && i < info->nr_functions; i++)
		err = check_function(link, i);
	for (i = 0; !err && i < link->patch->nr_pieces; i++)
		err = read_old(link, &link->patch->pieces[i]);
	if (!err)
		err = wf_check_entries(link);
	return err || !wf_has_hooks(info) ? err : check_hooks(link);
}

/* --- the header ------------------------------------------------------------------------------- */

/* Fills the header's memory from its start on; with @image NULL it only counts. */
struct writer {
	unsigned char *image;
	uint64_t at;
};

static uint64_t put_bytes(struct writer *writer, const void *bytes, size_t size, size_t align)
{
	uint64_t at = (writer->at + align - 1) & -(uint64_t)align;

	if (writer->image && size)
		memcpy(writer->image + at, bytes, size);
	writer->at = at + size;
	return at;
}

static uint64_t put_text(struct writer *writer, const char *text)
{
	return *text ? put_bytes(writer, text, strlen(text) + 1, 1) : 0;
}

static uint64_t put_list(struct writer *writer, const char *const *texts, unsigned int nr)
{
	uint64_t array = put_bytes(writer, NULL, 0, 8), text;
	unsigned int i;

	writer->at = array + 8UL * nr;
	for (i = 0; i < nr; i++) {
		text = put_bytes(writer, texts[i], strlen(texts[i]) + 1, 1);
		if (writer->image)
			memcpy(writer->image + array + 8UL * i, &text, sizeof(text));
	}
	return array;
}

static uint64_t put_functions(struct writer *writer, const struct wf_link *link)
{
	const struct wf_replacement *from;
	struct wf_header_function to;
	unsigned int nr = link->patch->info.nr_functions, i;
	uint64_t array = put_bytes(writer, NULL, 0, 8);

	writer->at = array + nr * sizeof(to);
	for (i = 0; i < nr; i++) {
		from = &link->replacements[i];
		memset(&to, 0, sizeof(to));
		to.name = put_text(writer, from->function->name);
		to.new_name = put_text(writer, from->function->new_name);
		to.address = from->function->address;
		to.size = from->function->size;
		memcpy(to.hash, from->function->hash, sizeof(to.hash));
		to.runtime = from->runtime;
		to.new_address = wf_own_address(link, from->symbol);
		to.new_size = from->symbol->size;
		if (writer->image)
			memcpy(writer->image + array + i * sizeof(to), &to, sizeof(to));
	}
	return array;
}

static void put_write(struct writer *writer, const struct wf_image_write *from, uint32_t function)
{
	struct wf_header_write to = {
		.address = from->address,
		.function = function,
		.len = from->len,
	};

	memcpy(to.old, from->old, from->len);
	memcpy(to.new, from->new, from->len);
	put_bytes(writer, &to, sizeof(to), 8);
}

static uint64_t put_writes(struct writer *writer, const struct wf_link *link)
{
	uint64_t array = put_bytes(writer, NULL, 0, 8);
	unsigned int i;

	for (i = 0; i < link->patch->info.nr_functions; i++)
		put_write(writer, &link->replacements[i].write, i);
	for (i = 0; i < link->nr_hooks; i++)
		put_write(writer, &link->hooks[i].write, WF_HEADER_NO_FUNCTION);
	return array;
}

static uint64_t put_hooks(struct writer *writer, const struct wf_link *link)
{
	uint64_t array = put_bytes(writer, NULL, 0, 8);
	struct wf_header_hook to;
	unsigned int i;

	writer->at = array + WFPATCH_NR_HOOKS * sizeof(to);
	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		memset(&to, 0, sizeof(to));
		if (link->patch->info.hooks[i]) {
			to.name = put_text(writer, link->patch->info.hooks[i]);
			to.call = link->address + link->callers[i];
			to.state = link->address + link->hook_states +
				   i * sizeof(struct wf_hook_state);
		}
		if (writer->image)
			memcpy(writer->image + array + i * sizeof(to), &to, sizeof(to));
	}
	return array;
}

/* Returns its size. */
static uint64_t put_header(const struct wf_link *link, unsigned char *image)
{
	const struct wfpatch_patch_info *info = &link->patch->info;
	struct wf_header header = {
		.magic = WF_HEADER_MAGIC,
		.version = wf_has_extras(link) ? WF_HEADER_VERSION : WF_HEADER_PLAIN,
		.shadow = link->shadow,
		.sequence = link->sequence,
		.address = link->address,
		.len = link->len,
		.text = link->segments[WF_CODE].offset,
		.text_len = link->segments[WF_CODE].len,
		.nr_functions = info->nr_functions,
		.nr_writes = info->nr_functions + link->nr_hooks,
		.nr_cves = info->nr_cves,
		.nr_replaces = info->nr_replaces,
		.build_id_size = info->build_id_size,
	};
	struct writer writer = { image, sizeof(header) };

	memcpy(header.build_id, info->build_id, info->build_id_size);
	memcpy(header.id, link->patch->id, sizeof(header.id));
	header.functions = put_functions(&writer, link);
	header.writes = put_writes(&writer, link);
	header.name = put_text(&writer, info->name);
	header.patch_version = put_text(&writer, info->version);
	header.description = put_text(&writer, info->description);
	header.author = put_text(&writer, info->author);
	header.target = put_text(&writer, info->target);
	header.cves = put_list(&writer, info->cves, info->nr_cves);
	header.replaces = put_list(&writer, info->replaces, info->nr_replaces);
	if (wf_has_extras(link)) {
		header.hooks = put_hooks(&writer, link);
		header.nr_points = link->nr_points;
		header.points = put_bytes(&writer, link->points,
					  link->nr_points * sizeof(*link->points), 8);
	}
	header.size = (uint32_t)writer.at;
	if (image)
		memcpy(image, &header, sizeof(header));
	return writer.at;
}

/* --- what changes in the process -------------------------------------------------------------- */

/* The longest write of a patch that this one replaces, whose place the new one has to cover. */
static size_t replaced_len(const struct wf_link *link, uint64_t address)
{
	const struct wf_applied *patch;
	size_t len = 0;
	unsigned int i, j;

	for (i = 0; i < link->applied.nr; i++) {
		patch = &link->applied.patches[i];
		if (!wf_applied_replaced(patch, &link->patch->info))
			continue;
		for (j = 0; j < patch->nr_writes; j++) {
			if (patch->writes[j].address == address && patch->writes[j].len > len)
				len = patch->writes[j].len;
		}
	}
	return len;
}

static int make_write(struct wf_link *link, struct wf_replacement *replacement)
{
	struct wf_image_write *write = &replacement->write;
	uint64_t new = wf_own_address(link, replacement->symbol);
	size_t covered;

	covered = replaced_len(link, replacement->entry);
	write->address = replacement->entry;
	/* It is within reach: see place.c. */
	write->len = (unsigned int)(covered > WF_JUMP_NEAR ? covered : WF_JUMP_NEAR);
	if (wf_process_read(&link->process, write->address, write->old, write->len))
		return -EFAULT;
	wf_link_uncover(link, write->address, write->old, write->len, true);
	memcpy(write->new, write->old, write->len);
	wf_jump_encode(write->new, write->address, new);
	return 0;
}

static void add_span(struct wf_image *image, uint64_t start, uint64_t len, unsigned int flags)
{
	image->spans[image->nr_spans++] =
		(struct wfpatch_span){ .start = start, .end = start + len, .flags = flags };
}

static bool changes(const struct wf_image *image, const struct wf_applied *patch)
{
	unsigned int i, j;

	for (i = 0; i < image->nr_writes; i++) {
		for (j = 0; j < patch->nr_writes; j++) {
			if (patch->active[j] &&
			    patch->writes[j].address == image->writes[i].address)
				return true;
		}
	}
	return false;
}

static int fill_changes(const struct wf_link *link, struct wf_image *image)
{
	const struct wfpatch_patch_info *info = &link->patch->info;
	const struct wf_replacement *replacement;
	unsigned int i;

	image->writes = calloc(info->nr_functions + link->nr_hooks, sizeof(*image->writes));
	image->spans = calloc(info->nr_functions + link->nr_hooks + link->patch->nr_pieces +
				      link->applied.nr,
			      sizeof(*image->spans));
	if (!image->writes || !image->spans)
		return -ENOMEM;
	for (i = 0; i < info->nr_functions; i++) {
		replacement = &link->replacements[i];
		image->writes[image->nr_writes++] = replacement->write;
		add_span(image, replacement->runtime, replacement->function->size,
			 replacement->jumped_to ? 0 : WFPATCH_SPAN_ENTRY);
	}
	for (i = 0; i < link->patch->nr_pieces; i++)
		add_span(image, link->module->bias + link->patch->pieces[i].address,
			 link->patch->pieces[i].size, 0);
	for (i = 0; i < link->nr_hooks; i++) {
		image->writes[image->nr_writes++] = link->hooks[i].write;
		if (link->hooks[i].code)
			add_span(image, link->hooks[i].write.address, link->hooks[i].write.len, 0);
	}
	for (i = 0; i < link->applied.nr; i++) {
		const struct wf_applied *patch = &link->applied.patches[i];

		if (changes(image, patch))
			add_span(image, patch->text_start, patch->text_end - patch->text_start, 0);
	}
	return 0;
}

/* What apply.c has to know to have the hooks run. */
static int fill_hooks(const struct wf_link *link, struct wf_hooks *hooks)
{
	unsigned int i;

	if (!wf_has_hooks(&link->patch->info))
		return 0;
	hooks->points = calloc(link->nr_points, sizeof(*hooks->points));
	if (!hooks->points)
		return -ENOMEM;
	memcpy(hooks->points, link->points, link->nr_points * sizeof(*hooks->points));
	hooks->nr_points = link->nr_points;
	hooks->text_start = link->address + link->segments[WF_CODE].offset;
	hooks->text_end = hooks->text_start + link->segments[WF_CODE].len;
	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		hooks->name[i] = link->patch->info.hooks[i];
		if (!hooks->name[i])
			continue;
		hooks->call[i] = link->address + link->callers[i];
		hooks->state[i] = link->address + link->hook_states +
				  i * sizeof(struct wf_hook_state);
	}
	return 0;
}

/* --- the image -------------------------------------------------------------------------------- */

static int make_memfd(struct wf_link *link, struct wf_image *image)
{
	char name[sizeof(WF_HEADER_NAME) + WF_PATCH_NAME_MAX];
	uint64_t done = 0;
	ssize_t len;

	snprintf(name, sizeof(name), WF_HEADER_NAME "%s", link->patch->info.name);
	image->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (image->fd < 0 && errno == EINVAL)
		image->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (image->fd < 0)
		return -errno;
	while (done < link->len) {
		len = write(image->fd, link->image + done, link->len - done);
		if (len < 0 && errno != EINTR)
			return -errno;
		done += len > 0 ? (uint64_t)len : 0;
	}
	if (fcntl(image->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return 0;
}

static int make_image(struct wf_link *link, struct wf_image **result)
{
	struct wf_image *image = calloc(1, sizeof(*image));
	unsigned int i;
	int err;

	if (!image)
		return -ENOMEM;
	image->fd = -1;
	image->address = link->address;
	image->len = link->len;
	for (i = 0; i < WF_NR_KINDS; i++) {
		if (link->segments[i].len)
			image->segments[image->nr_segments++] = link->segments[i];
	}
	err = fill_changes(link, image);
	if (!err)
		err = fill_hooks(link, &image->hooks);
	if (!err)
		err = make_memfd(link, image);
	if (err) {
		wf_image_free(image);
		return wf_error_set(&link->error, -err, "cannot make the patch's image: %s",
				    strerror(-err));
	}
	*result = image;
	return 0;
}

void wf_image_free(struct wf_image *image)
{
	if (!image)
		return;
	if (image->fd >= 0)
		close(image->fd);
	free(image->writes);
	free(image->spans);
	free(image->hooks.points);
	free(image);
}

static int make(struct wf_link *link, unsigned int again)
{
	unsigned int i;
	int err;

	err = wf_resolve(link);
	if (!err)
		err = wf_unwind_plan(link);
	if (err)
		return err;
	link->header_size = put_header(link, NULL);
	err = wf_layout(link);
	if (!err)
		err = wf_place(link, again);
	if (!err)
		err = wf_relocate(link);
	if (!err)
		err = wf_unwind_finish(link);
	if (!err) {
		wf_hooks_finish(link);
		wf_shadow_finish(link);
	}
	for (i = 0; !err && i < link->patch->info.nr_functions; i++)
		err = make_write(link, &link->replacements[i]);
	if (!err)
		put_header(link, link->image);
	return err;
}

static void close_link(struct wf_link *link)
{
	while (link->nr_old)
		free(link->old[--link->nr_old].code);
	free(link->old);
	if (link->symbols_open)
		wf_symbols_close(&link->symbols);
	wf_object_free(&link->object);
	wf_applied_drop(&link->applied);
	wf_process_close(&link->process);
	free(link->replacements);
	free(link->points);
	free(link->values);
	free(link->image);
}

static int link_once(pid_t pid, struct wfpatch_patch *patch, const char *debug, unsigned int again,
		     struct wf_image **image, char *err, size_t err_size)
{
	struct wf_link link = {
		.process.mem = -1,
		.patch = patch,
		.debug = debug,
		.sequence = 1,
		.error = { err, err_size },
	};
	int ret;

	*image = NULL;
	ret = wf_process_open(&link.process, pid, &link.error);
	if (!ret)
		ret = wf_applied_read(pid, &link.applied, err, err_size);
	if (ret) {
		wf_process_close(&link.process);
		return ret;
	}
	ret = check(&link);
	if (!ret)
		ret = make(&link, again);
	if (!ret)
		ret = make_image(&link, image);
	/* Memory that cannot be read any more is gone, or all of it is. */
	if (ret == -EFAULT && wf_process_is_gone(link.process.pid))
		ret = -ESRCH;
	close_link(&link);
	if (ret == -ENOMEM)
		wf_error_set(&link.error, ENOMEM, "no memory to link patch %s", patch->info.name);
	if (ret == -EFAULT || ret == -ESRCH)
		wf_error_set(&link.error, -ret,
			     "process %d ended, or unmapped its code, while it was read", pid);
	return ret;
}

/* What was mapped when it was begun may be gone by now: an image of a patcher that was killed, say. */
int wf_link(pid_t pid, struct wfpatch_patch *patch, const char *debug, unsigned int again,
	    struct wf_image **image, char *err, size_t err_size)
{
	unsigned int i;
	int ret;

	for (i = 0;; i++) {
		ret = link_once(pid, patch, debug, again, image, err, err_size);
		if (ret != -EFAULT || i == LINK_TRIES)
			return ret;
		if (err && err_size)
			*err = 0;
		usleep(LINK_PAUSE_US);
	}
}
