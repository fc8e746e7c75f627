/* SPDX-License-Identifier: GPL-2.0 */
/* Counters of a process, shown in debugfs: wfpatch/TGID, a "name value" on each line. */
#ifndef WF_DEBUG_H
#define WF_DEBUG_H

#include <linux/atomic.h>

struct wf_process;

#define WF_COUNTERS(X)										\
	X(created) X(deleted) X(freed) X(migrations) X(overlay_pages_made) X(cow_copies)	\
	X(faults) X(syncs) X(revalidations) X(hooks_lost)

struct wf_counters {
#define WF_COUNTER_FIELD(name) atomic_long_t name;
	WF_COUNTERS(WF_COUNTER_FIELD)
#undef WF_COUNTER_FIELD
};

#define wf_count(process, name) atomic_long_inc(&(process)->counters.name)

void wf_debug_init(void);
void wf_debug_exit(void);
void wf_debug_add(struct wf_process *p, pid_t tgid);
void wf_debug_remove(struct wf_process *p);

#endif
