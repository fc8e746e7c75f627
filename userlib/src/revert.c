// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Taking an applied patch back: the old bytes become the base again, and the image is unmapped when
 * nothing leads to it any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"
#include "applied.h"
#include "header.h"
#include "job.h"

int wf_job_unmap_unused(struct wf_job *job, const struct wf_extent *extent, uint64_t *where)
{
	int err = wf_points_into(job->reader, extent, where);

	if (err)
		return err;
	return WF_RETRY(wfpatch_unmap(job->handle, (void *)(uintptr_t)extent->start,
				      extent->end - extent->start));
}

/* By id, or by name: then the last one of that name, which is the one that can be reverted first. */
static struct wf_applied *find(const struct wf_applied_list *list, const char *id)
{
	struct wf_applied *found = NULL, *patch;
	unsigned int i;

	for (i = 0; i < list->nr; i++) {
		patch = &list->patches[i];
		if (strcmp(patch->pub.info.id, id) && strcmp(patch->pub.info.name, id))
			continue;
		/* One that a revert has left is meant only if there is no other. */
		if (!found || !wf_applied_unused(patch) || wf_applied_unused(found))
			found = patch;
	}
	return found;
}

static int check_uncovered(const struct wf_job *job, const struct wf_applied_list *list,
			   const struct wf_applied *patch)
{
	const struct wfpatch_patch_info *info = &patch->pub.info;
	const char *name;
	unsigned int i;

	for (i = 0; i < patch->nr_writes; i++) {
		/* A later image's stub for the unwinder goes on to this one's: that one stays. */
		if (patch->active[i] || patch->function[i] == WF_HEADER_NO_FUNCTION)
			continue;
		name = info->functions[patch->function[i]].name;
		if (patch->covered[i] >= 0)
			return wf_job_fail(job, -EBUSY,
					   "the later patch %s has taken over %s, which %s replaces: revert that first",
					   list->patches[patch->covered[i]].pub.info.name, name,
					   info->name);
		return wf_job_fail(job, -EILSEQ,
				   "the entry of %s in process %d is not as patch %s left it: something else has changed it",
				   name, job->pid, info->name);
	}
	return 0;
}

/*
 * Threads must have left the image, and its jumps' places. The rest of the old functions is no span:
 * every thread left them when the patch was applied, and no way has led into them since but their
 * entries, which lead to the image.
 */
static int make_change(const struct wf_applied *patch, struct wf_change *change)
{
	const struct wf_image_write *write;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < patch->nr_writes; i++) {
		write = &patch->writes[i];
		if (!patch->active[i])
			continue;
		err = wf_change_write(change, write->address, write->old, write->len);
		if (!err)
			err = wf_change_span(change, write->address, write->address + write->len,
					     wf_applied_span_flags(patch, i));
	}
	return err ? err : wf_change_span(change, patch->text_start, patch->text_end, 0);
}

/* Is the code still as the patch left it? The handle reads the memory that it would change. */
static int check_still(struct wf_job *job, const struct wf_applied *patch)
{
	const struct wf_image_write *write;
	unsigned char bytes[sizeof(write->new)] = { 0 };
	struct wfpatch_seg seg;
	unsigned int i;
	int err;

	for (i = 0; i < patch->nr_writes; i++) {
		write = &patch->writes[i];
		if (!patch->active[i])
			continue;
		seg = (struct wfpatch_seg){ write->address, (uintptr_t)bytes, write->len };
		err = wfpatch_view_readv(job->handle, WFPATCH_BASE_VIEW, &seg, 1);
		if (err && err != -EFAULT)
			return wf_job_fail_step(job, err, "read the code of");
		if (err || memcmp(bytes, write->new, write->len))
			return wf_job_fail(job, -EILSEQ,
					   "the code of process %d at %#llx changed while the pre-revert hook of patch %s was waited for: try again",
					   job->pid, (unsigned long long)write->address,
					   patch->pub.info.name);
	}
	return 0;
}

/* Before any thread goes back. */
static int run_pre_revert(struct wf_job *job, const struct wf_applied *patch)
{
	const unsigned int hook = WFPATCH_HOOK_PRE_REVERT;
	int result, err = 0;

	/* It has refused before: it is asked again. */
	if (patch->pub.hook_state[hook] == WFPATCH_HOOK_DONE && patch->pub.hook_result[hook])
		err = wf_hook_forget(job, &patch->hooks, hook);
	if (!err)
		err = wf_job_hook(job, &patch->hooks, hook, &result);
	if (!err && result)
		return wf_job_fail(job, -ECONNREFUSED,
				   "patch %s refused: its pre-revert hook returned %d; nothing was changed",
				   patch->pub.info.name, result);
	/* That may have taken long: another patch may lie over this one, or the library may be gone. */
	return err || !patch->hooks.name[hook] ? err : check_still(job, patch);
}

/* When nobody runs the patch any more. It stays mapped until that has run. */
static int run_post_revert(struct wf_job *job, const struct wf_applied *patch)
{
	int result, err;

	if (!wf_applied_owes(patch))
		return 0;
	err = wf_job_hook(job, &patch->hooks, WFPATCH_HOOK_POST_REVERT, &result);
	if (!err)
		return wf_hooks_leave(job, &patch->hooks);
	if (err == -ESRCH)
		return err;
	wf_job_add(job, "; the patch is reverted: revert it again to try that again");
	return err == -ETIMEDOUT || err == -ECANCELED ? -EINPROGRESS : err;
}

/*
 * Of a command that was killed, or did not wait for it, a hook may run still, or a thread be about to be
 * sent there. Nothing in memory need show that. A transition takes the place of what sends one, and waits.
 */
static int settle_hooks(struct wf_job *job, struct wf_applied *patch)
{
	int err;

	if (!wf_applied_has_hooks(patch))
		return 0;
	err = wf_hooks_leave(job, &patch->hooks);
	if (err)
		return err;
	err = wf_applied_reread(job->reader, patch);
	return err ? wf_job_fail_step(job, err, "read a patch of") : 0;
}

/* It is reverted already, but the image is there. */
static int drop_unused(struct wf_job *job, struct wf_applied *patch)
{
	struct wf_extent extent = wf_applied_extent(patch);
	uint64_t where;
	int err;

	if (job->o.flags & WFPATCH_APPLY_DRY_RUN) {
		err = wf_points_into(job->reader, &extent, &where);
	} else {
		/* Threads may still be on their way back from it. */
		err = wf_job_alone(job);
		if (!err)
			err = settle_hooks(job, patch);
		if (!err)
			err = run_post_revert(job, patch);
		if (err)
			return err;
		err = wf_job_unmap_unused(job, &extent, &where);
	}
	if (err > 0)
		return wf_job_fail(job, -EBUSY,
				   "patch %s is reverted already; its memory stays because the word at %#llx of process %d points to it",
				   patch->pub.info.name, (unsigned long long)where, job->pid);
	return err ? wf_job_fail_step(job, err, "unmap the patch from") : 0;
}

static int revert(struct wf_job *job, const struct wf_applied_list *list,
		  const struct wf_applied *patch)
{
	struct wf_extent extent = wf_applied_extent(patch);
	struct wf_change change = { 0 };
	uint64_t where;
	int err;

	err = check_uncovered(job, list, patch);
	if (err || (job->o.flags & WFPATCH_APPLY_DRY_RUN))
		return err;
	err = make_change(patch, &change);
	if (err)
		wf_job_fail_step(job, err, "plan the change of");
	else
		err = run_pre_revert(job, patch);
	if (!err)
		err = wf_job_change(job, &change);
	wf_change_free(&change);
	if (!err)
		err = run_post_revert(job, patch);
	/* What cannot be unmapped is harmless: nothing leads there, and wfpatch_applied() shows it. */
	if (!err)
		wf_job_unmap_unused(job, &extent, &where);
	return err;
}

int wfpatch_revert(pid_t pid, const char *id, const struct wfpatch_apply_opts *opts)
{
	struct wf_applied_list list = { 0 };
	struct wf_applied *patch;
	struct wf_job job;
	int err;

	err = wf_job_start(&job, pid, opts);
	if (err)
		return err;
	err = wf_applied_read(job.reader, &list, job.o.err, job.o.err_size);
	if (err)
		goto end;
	patch = find(&list, id);
	if (!patch)
		err = wf_job_fail(&job, -ENOENT,
				  "no patch %s is applied to process %d: see 'wfpatch status'", id,
				  pid);
	else if (wf_applied_unused(patch))
		err = drop_unused(&job, patch);
	else
		err = revert(&job, &list, patch);
end:
	wf_applied_drop(&list);
	return wf_job_end(&job, err);
}
