// SPDX-License-Identifier: GPL-2.0
/*
 * Linked into the shared object of a fix: the functions that take the place of those of the same
 * name in the running program. Everything else in the object is there only to be called by them.
 */
#include "patcher.h"

const char *const patcher_fixed_functions[] = { FIXED_FUNCTIONS, NULL };
