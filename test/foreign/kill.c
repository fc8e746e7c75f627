// SPDX-License-Identifier: GPL-2.0
/* Shuts ftrace down, as the kernel does when it finds a fault in it. There is no way back. */
#include <linux/kprobes.h>
#include <linux/module.h>

static int __init kill_init(void)
{
	struct kprobe probe = { .symbol_name = "ftrace_kill", .flags = KPROBE_FLAG_DISABLED };
	void (*ftrace_kill_it)(void);
	int ret = register_kprobe(&probe);

	if (ret)
		return ret;
	unregister_kprobe(&probe);
	/* A probe lies behind a landing pad, if there is one. */
	ftrace_kill_it = (void *)((unsigned long)probe.addr & ~4UL);
	ftrace_kill_it();
	return 0;
}

static void __exit kill_exit(void)
{
}

module_init(kill_init);
module_exit(kill_exit);
MODULE_DESCRIPTION("Shuts ftrace down");
MODULE_LICENSE("GPL");
