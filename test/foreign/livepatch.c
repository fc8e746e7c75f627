// SPDX-License-Identifier: GPL-2.0
/* A livepatch of a function that wfpatch redirects, and that nobody needs. */
#include <linux/errno.h>
#include <linux/livepatch.h>
#include <linux/module.h>

static long no_modify_ldt(const struct pt_regs *regs)
{
	return -ENOSYS;
}

static struct klp_func funcs[] = {
	{ .old_name = "__x64_sys_modify_ldt", .new_func = no_modify_ldt },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = funcs },
	{ }
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init patch_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit patch_exit(void)
{
}

module_init(patch_init);
module_exit(patch_exit);
MODULE_DESCRIPTION("Replaces modify_ldt()");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
