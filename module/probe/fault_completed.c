// SPDX-License-Identifier: GPL-2.0
/* A fault handler can say that nothing is left to do, with the lock dropped (6.0). */
#include <linux/mm_types.h>

enum { PROBE = VM_FAULT_COMPLETED };
