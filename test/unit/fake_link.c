// SPDX-License-Identifier: GPL-2.0
/* What the tests of applying have in place of the linker and of the search for pointers. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "applied.h"
#include "fake.h"
#include "fake_link.h"
#include "header.h"
#include "image.h"

unsigned char *code;
uint64_t pointer;
unsigned int nr_asked;
void (*before_link)(void);

int call(unsigned int function)
{
	return ((int (*)(void))(void *)(code + function * FUNCTION_SIZE))();
}

/* mov $value, %eax; ret */
void make_function(unsigned char *at, int value)
{
	at[0] = 0xb8;
	memcpy(at + 1, &value, sizeof(value));
	at[5] = 0xc3;
}

/* --- patches ---------------------------------------------------------------------------------- */


/* The linker's name for the program's note, as it is in memory. */
extern const Elf64_Ehdr __ehdr_start;

static void find_build_id(struct wfpatch_patch_info *info)
{
	const char *base = (const char *)&__ehdr_start;
	const Elf64_Phdr *phdr = (const void *)(base + __ehdr_start.e_phoff);
	const Elf64_Nhdr *note;
	unsigned int i;

	for (i = 0; i < __ehdr_start.e_phnum; i++) {
		note = (const void *)(base + phdr[i].p_vaddr);
		if (phdr[i].p_type != PT_NOTE || note->n_type != NT_GNU_BUILD_ID)
			continue;
		memcpy(info->build_id, (const char *)(note + 1) + 4, note->n_descsz);
		info->build_id_size = note->n_descsz;
	}
}

struct patch make_patch(const char *name, unsigned int mask, int value, const char *replaces)
{
	struct patch patch = { .value = value, .replaces = replaces };
	struct wfpatch_patch_info *info = &patch.file.info;
	unsigned int i, nr = 0;

	info->name = name;
	info->target = "apply_test";
	snprintf(info->id, sizeof(info->id), "%064x", value);
	patch.file.id[31] = (uint8_t)value;
	patch.file.id[30] = (uint8_t)(value >> 8);
	for (i = 0; i < NR_FUNCTIONS; i++) {
		if (!(mask & 1U << i))
			continue;
		patch.numbers[nr] = i;
		patch.functions[nr].name = i == 0 ? "zero" : i == 1 ? "one" : "two";
		patch.functions[nr++].new_name = "new";
	}
	info->nr_functions = nr;
	info->nr_replaces = replaces ? 1 : 0;
	find_build_id(info);
	assert_true(info->build_id_size > 0);
	return patch;
}

/* --- the linker that is played ------------------------------------------------------------------ */

static uint64_t put_text(unsigned char *page, uint64_t *end, const char *text)
{
	uint64_t at = *end;

	memcpy(page + at, text, strlen(text) + 1);
	*end = (at + strlen(text) + 8) & ~7UL;
	return at;
}

/* The bytes to put back: those that are there, or those below a patch that is replaced. */
static void old_bytes(const struct patch *patch, const unsigned char *at, unsigned char *old)
{
	struct wf_applied_list list;
	unsigned int i, j;

	memcpy(old, at, 5);
	assert_int_equal(wf_applied_read(getpid(), &list, NULL, 0), 0);
	for (i = 0; i < list.nr; i++) {
		if (!wf_applied_replaced(&list.patches[i], &patch->file.info))
			continue;
		for (j = 0; j < list.patches[i].nr_writes; j++) {
			if (list.patches[i].writes[j].address == (uintptr_t)at &&
			    list.patches[i].active[j])
				memcpy(old, list.patches[i].writes[j].old, 5);
		}
	}
	wf_applied_drop(&list);
}

/* The code of patches that are there, which the real linker adds for those under this one. */
static void add_spans(struct wf_image *image)
{
	struct wf_applied_list list;
	unsigned int i;

	assert_int_equal(wf_applied_read(getpid(), &list, NULL, 0), 0);
	for (i = 0; i < list.nr && i < NR_FUNCTIONS; i++)
		image->spans[image->nr_spans++] =
			(struct wfpatch_span){ list.patches[i].text_start,
					       list.patches[i].text_end, 0, 0 };
	wf_applied_drop(&list);
}

static uint64_t next_sequence(void)
{
	struct wfpatch_applied *list;
	uint64_t sequence = 1;
	unsigned int nr;

	assert_int_equal(wfpatch_applied(getpid(), &list, &nr, NULL, 0), 0);
	if (nr)
		sequence = list[nr - 1].sequence + 1;
	wfpatch_applied_free(list, nr);
	return sequence;
}

static void write_image(struct wf_image *image, const struct patch *patch, unsigned char *page)
{
	const struct wfpatch_patch_info *info = &patch->file.info;
	struct wf_header *header = (void *)page;
	struct wf_header_function *functions = (void *)(header + 1);
	struct wf_header_write *writes = (void *)(functions + NR_FUNCTIONS);
	uint64_t *replaces = (void *)(writes + NR_FUNCTIONS);
	uint64_t end = (uint64_t)((unsigned char *)(replaces + 1) - page);
	unsigned char *at;
	unsigned int i;
	int32_t jump;

	memcpy(header->magic, WF_HEADER_MAGIC, sizeof(header->magic));
	header->version = WF_HEADER_PLAIN;
	header->sequence = next_sequence();
	header->address = image->address;
	header->len = image->len;
	header->text = TEXT;
	header->text_len = PAGE - TEXT;
	header->functions = (uint64_t)((unsigned char *)functions - page);
	header->writes = (uint64_t)((unsigned char *)writes - page);
	header->nr_functions = header->nr_writes = info->nr_functions;
	header->name = put_text(page, &end, info->name);
	memcpy(header->id, patch->file.id, sizeof(header->id));
	if (patch->replaces) {
		header->nr_replaces = 1;
		header->replaces = (uint64_t)((unsigned char *)replaces - page);
		*replaces = put_text(page, &end, patch->replaces);
	}
	for (i = 0; i < info->nr_functions; i++) {
		at = code + patch->numbers[i] * FUNCTION_SIZE;
		make_function(page + TEXT + i * 16, patch->value + (int)patch->numbers[i]);
		functions[i].name = put_text(page, &end, info->functions[i].name);
		functions[i].new_name = put_text(page, &end, "new");
		writes[i].address = (uintptr_t)at;
		writes[i].function = i;
		writes[i].len = 5;
		old_bytes(patch, at, writes[i].old);
		writes[i].new[0] = 0xe9;
		jump = (int32_t)(image->address + TEXT + i * 16 - writes[i].address - 5);
		memcpy(writes[i].new + 1, &jump, sizeof(jump));

		image->writes[i].address = writes[i].address;
		image->writes[i].len = 5;
		memcpy(image->writes[i].old, writes[i].old, 5);
		memcpy(image->writes[i].new, writes[i].new, 5);
		image->spans[i] = (struct wfpatch_span){ writes[i].address,
							 writes[i].address + FUNCTION_SIZE,
							 WFPATCH_SPAN_ENTRY, 0 };
	}
	assert_true(end < TEXT);
	header->size = (uint32_t)end;
}

int wf_link(pid_t pid, struct wfpatch_patch *file, const char *debug, unsigned int again,
	    struct wf_image **image, char *text, size_t size)
{
	const struct patch *patch = (const struct patch *)file;
	struct wf_image *new = calloc(1, sizeof(*new));
	unsigned char *page;
	void *place;

	(void)pid;
	(void)debug;
	if (!strcmp(file->info.name, "unfit")) {
		free(new);
		return wf_fail(text, size, ENOEXEC, "it does not fit");
	}
	place = mmap(code + (again + 1) * (16UL << 20), 3 * PAGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(place, 3 * PAGE);
	new->address = (uintptr_t)place;
	new->len = 3 * PAGE;
	new->nr_segments = 3;
	new->segments[0] = (struct wf_image_segment){ 0, PAGE, PROT_READ | PROT_EXEC };
	new->segments[1] = (struct wf_image_segment){ PAGE, PAGE, PROT_READ };
	new->segments[2] = (struct wf_image_segment){ 2 * PAGE, PAGE, PROT_READ | PROT_WRITE };
	new->nr_writes = new->nr_spans = file->info.nr_functions;
	new->writes = calloc(new->nr_writes, sizeof(*new->writes));
	new->spans = calloc(new->nr_spans + NR_FUNCTIONS, sizeof(*new->spans));
	page = calloc(1, 3 * PAGE);
	write_image(new, patch, page);
	add_spans(new);
	new->fd = memfd_create("wfpatch:test", MFD_CLOEXEC);
	assert_int_equal(write(new->fd, page, 3 * PAGE), 3 * PAGE);
	free(page);
	*image = new;
	if (before_link)
		before_link();
	return 0;
}

void wf_image_free(struct wf_image *image)
{
	close(image->fd);
	free(image->writes);
	free(image->spans);
	free(image);
}

int wf_points_into(pid_t pid, const struct wf_extent *extent, uint64_t *where)
{
	(void)pid;
	(void)extent;
	nr_asked++;
	*where = pointer;
	return pointer ? 1 : 0;
}

