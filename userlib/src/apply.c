// SPDX-License-Identifier: LGPL-2.1-or-later
/* Applying a patch to a process: link, map the image, change the code; or undo what was done of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "internal.h"
#include "applied.h"
#include "header.h"
#include "job.h"

/*
 * The linker finds a free place while the process goes on mapping memory. One that takes every place
 * this often before the image is there does so on purpose.
 */
#define MAX_PLACES 16

/* Its post-apply hook has not run: the time was over, or the command killed. */
static bool is_unfinished(const struct wf_applied *patch)
{
	return patch->hooks.name[WFPATCH_HOOK_POST_APPLY] &&
	       patch->pub.hook_state[WFPATCH_HOOK_POST_APPLY] != WFPATCH_HOOK_DONE;
}

/* *@unfinished: it is applied, but for its post-apply hook. */
static int check_new(const struct wf_job *job, const struct wfpatch_patch_info *info,
		     const struct wf_applied_list *list, const struct wf_applied **unfinished)
{
	unsigned int i;

	for (i = 0; i < list->nr; i++) {
		if (strcmp(list->patches[i].pub.info.id, info->id) != 0 ||
		    wf_applied_unused(&list->patches[i]))
			continue;
		if (is_unfinished(&list->patches[i]))
			*unfinished = &list->patches[i];
		else
			return wf_job_fail(job, -EEXIST,
					   "patch %s is applied to process %d already", info->name,
					   job->pid);
	}
	return 0;
}

/* A patch in front of the one that is taken away would lead to code that is not there any more. */
static int check_replaced(const struct wf_job *job, const struct wfpatch_patch_info *info,
			  const struct wf_applied_list *list)
{
	const struct wf_applied *old, *later;
	unsigned int i, j;

	for (i = 0; i < list->nr; i++) {
		old = &list->patches[i];
		if (!wf_applied_replaced(old, info))
			continue;
		for (j = 0; j < old->nr_writes; j++) {
			/* A later stub for the unwinder goes on to this one, and keeps it. */
			if (old->covered[j] < 0 || old->function[j] == WF_HEADER_NO_FUNCTION)
				continue;
			later = &list->patches[old->covered[j]];
			if (!wf_applied_replaced(later, info))
				return wf_job_fail(job, -EBUSY,
						   "patch %s replaces %s, but %s lies over it: revert that first, or make a patch that replaces both",
						   info->name, old->pub.info.name,
						   later->pub.info.name);
		}
	}
	return 0;
}

/* The write of an applied patch that is in use at an address. */
static const struct wf_image_write *write_now(const struct wf_applied_list *list, uint64_t address)
{
	unsigned int i, j;

	for (i = 0; i < list->nr; i++) {
		for (j = 0; j < list->patches[i].nr_writes; j++) {
			if (list->patches[i].writes[j].address == address &&
			    list->patches[i].active[j])
				return &list->patches[i].writes[j];
		}
	}
	return NULL;
}

static bool writes_at(const struct wf_image *image, uint64_t address)
{
	unsigned int i;

	for (i = 0; i < image->nr_writes; i++) {
		if (image->writes[i].address == address)
			return true;
	}
	return false;
}

/*
 * Nobody is in the new code before it is applied; who has come over, and must go back because another
 * did not come, is in it perhaps.
 */
static int add_new_code(const struct wf_image *image, struct wf_change *change)
{
	const struct wf_image_segment *segment;
	unsigned char *text;
	uint64_t start;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < image->nr_segments; i++) {
		segment = &image->segments[i];
		if (!(segment->prot & PROT_EXEC))
			continue;
		text = mmap(NULL, segment->len, PROT_READ, MAP_PRIVATE, image->fd,
			    (off_t)segment->offset);
		if (text == MAP_FAILED)
			return -errno;
		start = image->address + segment->offset;
		err = wf_change_span(change, start, start + wf_text_len(text, segment->len), 0);
		munmap(text, segment->len);
	}
	return err;
}

/*
 * What the view differs in: the image's writes, and the old bytes where only a replaced patch has
 * others. Threads must be neither in the functions that get a jump nor in code of an earlier patch
 * that is led past.
 */
static int make_change(const struct wfpatch_patch_info *info, const struct wf_image *image,
		       const struct wf_applied_list *list, struct wf_change *change)
{
	const struct wf_applied *patch;
	const struct wf_image_write *write;
	unsigned int i, j;
	bool past;
	int err = 0;

	for (i = 0; !err && i < list->nr; i++) {
		patch = &list->patches[i];
		past = false;
		for (j = 0; !err && j < patch->nr_writes; j++) {
			write = &patch->writes[j];
			if (!patch->active[j])
				continue;
			if (writes_at(image, write->address)) {
				past = true;
				continue;
			}
			if (!wf_applied_replaced(patch, info))
				continue;
			err = wf_change_write(change, write->address, write->old, write->len);
			if (!err)
				err = wf_change_span(change, write->address,
						     write->address + write->len,
						     wf_applied_span_flags(patch, j));
			past = true;
		}
		if (!err && past)
			err = wf_change_span(change, patch->text_start, patch->text_end, 0);
	}
	for (i = 0; !err && i < image->nr_writes; i++)
		err = wf_change_write(change, image->writes[i].address, image->writes[i].new,
				      image->writes[i].len);
	if (!err)
		err = add_new_code(image, change);
	for (i = 0; !err && i < image->nr_spans; i++)
		err = wf_change_span(change, image->spans[i].start, image->spans[i].end,
				     image->spans[i].flags);
	return err;
}

/*
 * The process ran on since the linker looked: it may have unloaded a library and loaded another in its
 * place. The handle reads the memory that it would change.
 */
static int check_unchanged(struct wf_job *job, const struct wfpatch_patch_info *info,
			   const struct wf_image *image, const struct wf_applied_list *list,
			   uint64_t bias)
{
	const struct wf_image_write *write, *now;
	struct wfpatch_seg seg;
	unsigned char bytes[16];
	uint64_t bias_now;
	unsigned int i;
	int err;

	err = wf_process_find(job->reader, info->build_id, info->build_id_size, &bias_now, NULL, 0);
	if (err || bias_now != bias)
		return wf_job_fail(job, err == -ESRCH ? err : -EILSEQ,
				   "process %d has ended, or unloaded %s, while the patch was linked",
				   job->pid, info->target);
	for (i = 0; i < image->nr_writes; i++) {
		write = &image->writes[i];
		seg = (struct wfpatch_seg){ write->address, (uintptr_t)bytes, write->len };
		err = wfpatch_view_readv(job->handle, WFPATCH_BASE_VIEW, &seg, 1);
		if (err && err != -EFAULT)
			return wf_job_fail_step(job, err, "read the code of");
		now = write_now(list, write->address);
		if (err || memcmp(bytes, now ? now->new : write->old, write->len))
			return wf_job_fail(job, -EILSEQ,
					   "the code of process %d at %#llx changed while the patch was linked: try again",
					   job->pid, (unsigned long long)write->address);
	}
	return 0;
}

static int map_image(struct wf_job *job, const struct wf_image *image)
{
	const struct wf_image_segment *segment;
	unsigned int i;
	void *place;
	int err = 0;

	for (i = 0; i < image->nr_segments; i++) {
		segment = &image->segments[i];
		place = (void *)(uintptr_t)(image->address + segment->offset);
		err = WF_RETRY(wfpatch_map(job->handle, image->fd, &place, segment->len,
					   segment->prot, segment->offset, NULL));
		if (err)
			break;
	}
	if (!err)
		return 0;
	while (i--) {
		segment = &image->segments[i];
		place = (void *)(uintptr_t)(image->address + segment->offset);
		WF_RETRY(wfpatch_unmap(job->handle, place, segment->len));
	}
	return err;
}

/* Link, and map the image, until there is a place that the process does not take first. */
static int place_image(struct wf_job *job, struct wfpatch_patch *patch, struct wf_image **image)
{
	bool dry_run = job->o.flags & WFPATCH_APPLY_DRY_RUN;
	unsigned int again;
	int err;

	for (again = 0; again < MAX_PLACES; again++) {
		err = wf_link(job->reader, patch, job->o.debug, again, image, job->o.err,
			      job->o.err_size);
		if (err || dry_run)
			return err;
		err = map_image(job, *image);
		if (!err)
			return 0;
		wf_image_free(*image);
		*image = NULL;
		if (err != -EEXIST)
			break;
	}
	switch (err) {
	case -EEXIST:
		return wf_job_fail(job, -ERANGE,
				   "process %d took each of %d places for the patch before it was mapped: try again",
				   job->pid, MAX_PLACES);
	case -ENOMEM:
		return wf_job_fail(job, err,
				   "no memory for the patch in process %d, or one of its limits is in the way (RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, vm.max_map_count)",
				   job->pid);
	case -EACCES:
	case -EPERM:
		return wf_job_fail(job, -EPERM,
				   "a security module does not let user %u map code into process %d: see its log",
				   (unsigned int)geteuid(), job->pid);
	default:
		return wf_job_fail_step(job, err, "map the patch into");
	}
}

/*
 * A pre-apply hook may have run, or be about to. If it has, and agreed, the post-revert hook undoes what
 * it did. False: something of the patch is still to run, so that it must stay.
 */
static bool undo_hooks(struct wf_job *job, const struct wf_hooks *hooks)
{
	struct wfpatch_apply_opts o = job->o;
	char line[256] = "";
	int result, err = 0;

	/* The line about why nothing was applied is there already. */
	job->o.err = line;
	job->o.err_size = sizeof(line);
	job->o.on_progress = NULL;
	if (job->prepared) {
		err = wf_job_hook(job, hooks, WFPATCH_HOOK_POST_REVERT, &result);
		job->prepared = false;
	}
	if (!err)
		err = wf_hooks_leave(job, hooks);
	job->o = o;
	if (err && err != -ESRCH)
		wf_job_add(job, "; what it mapped stays there, unused: %s", line);
	return !err;
}

static void undo_image(struct wf_job *job, const struct wf_image *image)
{
	struct wf_extent extent = { image->address, image->address + image->len, 0, 0 };
	const struct wf_image_segment *segment;
	uint64_t where;
	unsigned int i;
	int err;

	for (i = 0; i < image->nr_segments; i++) {
		segment = &image->segments[i];
		if (segment->prot & PROT_EXEC) {
			extent.text_start = image->address + segment->offset;
			extent.text_end = extent.text_start + segment->len;
		}
	}

	if (job->stuck)
		return;
	if (job->hooked && !undo_hooks(job, &image->hooks))
		return;
	/* Threads that ran in it may have left pointers to it. */
	if (job->moving || job->hooked)
		err = wf_job_unmap_unused(job, &extent, &where);
	else
		err = WF_RETRY(wfpatch_unmap(job->handle, (void *)(uintptr_t)image->address,
					     image->len));
	if (err > 0)
		wf_job_add(job,
			   "; what it mapped stays there, unused, because the word at %#llx points to it",
			   (unsigned long long)where);
	else if (err && err != -ESRCH)
		wf_job_add(job, "; what it mapped stays there, unused: %s", strerror(-err));
}

static void drop_patch(struct wf_job *job, const struct wf_applied *patch)
{
	struct wf_extent extent = wf_applied_extent(patch);
	uint64_t where;

	wf_job_unmap_unused(job, &extent, &where);
}

/*
 * What leads nowhere any more goes: patches whose place this one took, and what earlier reverts, or a
 * command that was killed, have left. The patch is applied, whether that works or not.
 */
static void unmap_rest(struct wf_job *job, const struct wfpatch_patch_info *info,
		       const struct wf_applied_list *list)
{
	unsigned int i;

	for (i = 0; i < list->nr; i++) {
		const struct wf_applied *patch = &list->patches[i];
		bool replaced = wf_applied_replaced(patch, info);

		/*
		 * Threads have left the code of one that was in use until now. In that of another a hook may
		 * run still, which only a revert waits for.
		 */
		if (wf_applied_has_hooks(patch) && !(replaced && patch->pub.active))
			continue;
		/* Hooks of a patch do not run for one that takes its place: that takes over what they did. */
		if (replaced || wf_applied_unused(patch))
			drop_patch(job, patch);
	}
}

/* Before any thread runs new code. */
static int run_pre_apply(struct wf_job *job, const struct wf_image *image)
{
	int result, err = wf_job_hook(job, &image->hooks, WFPATCH_HOOK_PRE_APPLY, &result);

	if (err)
		return err;
	if (result)
		return wf_job_fail(job, -ECONNREFUSED,
				   "the patch refused: its pre-apply hook returned %d; nothing was changed",
				   result);
	job->prepared = image->hooks.name[WFPATCH_HOOK_PRE_APPLY];
	return 0;
}

/* After every thread has come over for good. The patch stays applied, whatever becomes of it. */
static int run_post_apply(struct wf_job *job, const struct wf_hooks *hooks)
{
	int result, err = wf_job_hook(job, hooks, WFPATCH_HOOK_POST_APPLY, &result);

	if (!err || err == -ESRCH)
		return err;
	wf_job_add(job, "; the patch is applied: apply it again to try that again");
	return err == -ETIMEDOUT || err == -ECANCELED ? -EINPROGRESS : err;
}

static int apply(struct wf_job *job, struct wfpatch_patch *patch, struct wf_applied_list *list)
{
	const struct wfpatch_patch_info *info = wfpatch_patch_info(patch);
	struct wf_change change = { 0 };
	const struct wf_applied *unfinished = NULL;
	struct wf_image *image = NULL;
	uint64_t bias;
	int err;

	err = wf_process_find(job->reader, info->build_id, info->build_id_size, &bias, job->o.err,
			      job->o.err_size);
	if (!err)
		err = check_new(job, info, list, &unfinished);
	if (!err && unfinished)
		return job->o.flags & WFPATCH_APPLY_DRY_RUN ?
			       0 : run_post_apply(job, &unfinished->hooks);
	if (!err)
		err = check_replaced(job, info, list);
	if (!err)
		err = place_image(job, patch, &image);
	if (err || (job->o.flags & WFPATCH_APPLY_DRY_RUN))
		goto free;

	err = make_change(info, image, list, &change);
	if (err)
		wf_job_fail_step(job, err, "plan the change of");
	else
		err = check_unchanged(job, info, image, list, bias);
	if (!err)
		err = run_pre_apply(job, image);
	/* That may have taken long. */
	if (!err && job->prepared)
		err = check_unchanged(job, info, image, list, bias);
	if (!err)
		err = wf_job_change(job, &change);
	if (err) {
		undo_image(job, image);
	} else {
		err = run_post_apply(job, &image->hooks);
		unmap_rest(job, info, list);
	}
free:
	wf_change_free(&change);
	if (image)
		wf_image_free(image);
	return err;
}

int wfpatch_apply(pid_t pid, struct wfpatch_patch *patch, const struct wfpatch_apply_opts *opts)
{
	struct wf_applied_list list = { 0 };
	struct wf_job job;
	int err;

	err = wf_job_start(&job, pid, opts);
	if (err)
		return err;
	err = wf_applied_read(job.reader, &list, job.o.err, job.o.err_size);
	if (!err)
		err = apply(&job, patch, &list);
	wf_applied_drop(&list);
	return wf_job_end(&job, err);
}
