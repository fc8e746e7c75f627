/* SPDX-License-Identifier: GPL-2.0 */
/* Making a view the base. */
#ifndef WF_COMMIT_H
#define WF_COMMIT_H

#include "process.h"

int wf_commit_init(void);
int wf_view_commit(struct wf_process *p, u32 id);

#endif
