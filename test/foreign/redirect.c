// SPDX-License-Identifier: GPL-2.0
/* A kprobe with a post-handler: the kernel takes it for one that may redirect the function. */
#include <linux/kprobes.h>
#include <linux/module.h>

static int before(struct kprobe *probe, struct pt_regs *regs)
{
	return 0;
}

static void after(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name = "handle_mm_fault",
	.pre_handler = before,
	.post_handler = after,
};

static int __init redirect_init(void)
{
	return register_kprobe(&probe);
}

static void __exit redirect_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(redirect_init);
module_exit(redirect_exit);
MODULE_DESCRIPTION("A kprobe that may redirect handle_mm_fault()");
MODULE_LICENSE("GPL");
