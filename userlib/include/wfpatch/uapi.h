/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* In the source tree only; installed, this name is a copy of uapi/wfpatch.h itself. */
#include "../../../uapi/wfpatch.h"
