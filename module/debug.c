// SPDX-License-Identifier: GPL-2.0
/* The debugfs file of each process. */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include "debug.h"
#include "view.h"

static struct dentry *wf_debug_root;

static int wf_debug_show(struct seq_file *file, void *unused)
{
	struct wf_process *p = file->private;
	unsigned long overlays = 0, tables = 0, threads = 0;
	unsigned int views = 0;
	struct wf_view *view;

	mutex_lock(&p->mutex);
	list_for_each_entry(view, &p->list, list) {
		views++;
		threads += READ_ONCE(view->nr_threads);
		overlays += READ_ONCE(view->nr_overlays);
		tables += view->nr_tables;
	}
	mutex_unlock(&p->mutex);

	seq_printf(file, "views %u\nthreads %lu\noverlays %lu\ntables %lu\n", views, threads,
		   overlays, tables);
#define WF_COUNTER_SHOW(name)	\
	seq_printf(file, "%s %ld\n", #name, atomic_long_read(&p->counters.name));
	WF_COUNTERS(WF_COUNTER_SHOW)
#undef WF_COUNTER_SHOW
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(wf_debug);

/*
 * Without debugfs there is just no file. A process that has called exec and kept its handle is two
 * here; the second gets a number behind its id. The caller holds a lock against others.
 */
void wf_debug_add(struct wf_process *p, pid_t tgid)
{
	struct dentry *taken;
	unsigned int again;
	char name[32];

	snprintf(name, sizeof(name), "%d", tgid);
	for (again = 2; (taken = debugfs_lookup(name, wf_debug_root)); again++) {
		dput(taken);
		snprintf(name, sizeof(name), "%d.%u", tgid, again);
	}
	p->dentry = debugfs_create_file(name, 0400, wf_debug_root, p, &wf_debug_fops);
}

void wf_debug_remove(struct wf_process *p)
{
	debugfs_remove(p->dentry);
}

void wf_debug_init(void)
{
	wf_debug_root = debugfs_create_dir("wfpatch", NULL);
}

void wf_debug_exit(void)
{
	debugfs_remove(wf_debug_root);
}
