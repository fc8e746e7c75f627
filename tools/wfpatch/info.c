// SPDX-License-Identifier: GPL-2.0
/* What a patch file contains, and making one. */
#include <string.h>
#include "tool.h"

static int show(const struct options *o, const char *path)
{
	struct wfpatch_patch *patch;
	char line[512] = "";
	int err;

	err = wfpatch_patch_open(&patch, path, line, sizeof(line));
	if (err)
		return complain(STATUS_USAGE, "%s", *line ? line : strerror(-err));
	err = STATUS_DONE;
	if (o->json)
		err = put_json(json_info(wfpatch_patch_info(patch)));
	else if (!o->quiet)
		put_info(wfpatch_patch_info(patch));
	wfpatch_patch_close(patch);
	return err;
}

int cmd_info(const struct options *o)
{
	return show(o, o->args[0]);
}

int cmd_pack(const struct options *o)
{
	char line[512] = "";
	struct wfpatch_pack_opts opts = {
		.sz = sizeof(opts),
		.object = o->args[0],
		.target = o->target,
		.debug = o->debug,
		.replace = o->replace.list,
		.nr_replace = o->replace.nr,
		.name = o->name,
		.version = o->version,
		.description = o->description,
		.author = o->author,
		.cves = o->cves.list,
		.nr_cves = o->cves.nr,
		.replaces = o->replaces.list,
		.nr_replaces = o->replaces.nr,
		.flags = o->leave_variants ? WFPATCH_PACK_LEAVE_VARIANTS : 0,
		.output = o->output,
		.hook_points = o->hook_points.list,
		.nr_hook_points = o->hook_points.nr,
	};
	int err;

	if (!o->target)
		return complain(STATUS_USAGE,
				"which program or library is it for? give --target FILE");
	if (!o->replace.nr)
		return complain(STATUS_USAGE, "which function? give --replace OLD[=NEW]");
	if (!o->output)
		return complain(STATUS_USAGE, "where to? give --output FILE");
	err = wfpatch_pack(&opts, line, sizeof(line));
	if (err)
		return complain(STATUS_USAGE, "%s", *line ? line : strerror(-err));
	if (o->json)
		return show(o, o->output);
	return STATUS_DONE;
}
