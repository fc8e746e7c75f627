// SPDX-License-Identifier: GPL-2.0
/* The MMU notifier has a callback at every flush of TLBs (6.6). */
#include <linux/mmu_notifier.h>

extern const struct mmu_notifier_ops probe;
const struct mmu_notifier_ops probe = { .arch_invalidate_secondary_tlbs = NULL };
