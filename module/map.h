/* SPDX-License-Identifier: GPL-2.0 */
/* Mapping patch images into a process and unmapping them. */
#ifndef WF_MAP_H
#define WF_MAP_H

#include "attach.h"
#include "wfpatch.h"

int wf_map_init(void);
void wf_map_exit(void);

int wf_map(struct wf_target *target, struct wfpatch_map *map);
int wf_unmap(struct wf_target *target, u64 addr, u64 len);
void wf_map_undo(struct wf_target *target, struct wfpatch_map *map);

#endif
