// SPDX-License-Identifier: GPL-2.0
/*
 * wfpatch: address-space views for live patching. A process gets a second view of its address
 * space in which a few pages differ, and each of its threads moves over by itself.
 */
#define pr_fmt(fmt) "wfpatch: " fmt

#include <linux/module.h>
#include <linux/stringify.h>
#include <linux/utsname.h>
#include "arch/x86/carrier.h"
#include "commit.h"
#include "compat.h"
#include "debug.h"
#include "device.h"
#include "hooks.h"
#include "ksym.h"
#include "map.h"
#include "view.h"
#include "wfpatch.h"

#define WF_VERSION "0.1"

static int __init wf_init(void)
{
	int ret;

	ret = wf_arch_check();
	if (ret)
		return ret;
	ret = wf_ksym_init();
	if (ret)
		return ret;
	ret = wf_commit_init();
	if (ret)
		return ret;
	ret = wf_view_init();
	if (ret)
		return ret;
	ret = wf_map_init();
	if (ret)
		goto out_views;
	ret = wf_hooks_init();
	if (ret)
		goto out_map;
	wf_debug_init();
	ret = wf_device_init();
	if (ret)
		goto out_debug;
	pr_info("version %s on %s%s\n", WF_VERSION, init_utsname()->release,
		WF_TESTED_KERNEL ? "" : ", an untested kernel");
	return 0;

out_debug:
	wf_debug_exit();
	wf_hooks_exit();
out_map:
	wf_map_exit();
out_views:
	wf_view_exit();
	return ret;
}

/* No handle and no view is left: both hold the module, through their process (invariant 7). */
static void __exit wf_exit(void)
{
	wf_device_exit();
	wf_map_exit();
	wf_view_exit();
	wf_hooks_exit();
	mmu_notifier_synchronize();
	rcu_barrier();
	wf_debug_exit();
}

module_init(wf_init);
module_exit(wf_exit);
MODULE_DESCRIPTION("Address-space views for live patching of running processes");
MODULE_AUTHOR("The wfpatch developers");
MODULE_VERSION(WF_VERSION);
MODULE_INFO(api_version, __stringify(WFPATCH_API_VERSION));
MODULE_LICENSE("GPL");
