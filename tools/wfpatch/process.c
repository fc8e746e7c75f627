// SPDX-License-Identifier: GPL-2.0
/* Which processes there are, what they are called, which of them a patch is for. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "applied.h"
#include "image.h"
#include "tool.h"

static int compare(const void *a, const void *b)
{
	const pid_t *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

int process_list(pid_t **pids, unsigned int *nr)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t *bigger, pid;
	char *end;

	*pids = NULL;
	*nr = 0;
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		pid = (pid_t)strtol(entry->d_name, &end, 10);
		if (*end || pid <= 0)
			continue;
		bigger = reallocarray(*pids, *nr + 1UL, sizeof(*bigger));
		if (!bigger) {
			free(*pids);
			*pids = NULL;
			closedir(dir);
			return -ENOMEM;
		}
		*pids = bigger;
		bigger[(*nr)++] = pid;
	}
	closedir(dir);
	if (*nr)
		qsort(*pids, *nr, sizeof(**pids), compare);
	return 0;
}

void process_name(pid_t pid, char *name, size_t size)
{
	char path[64];
	FILE *file;
	size_t len;

	snprintf(name, size, "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (!fgets(name, (int)size, file))
		snprintf(name, size, "?");
	fclose(file);
	len = strlen(name);
	if (len && name[len - 1] == '\n')
		name[len - 1] = '\0';
}

int process_find(const struct wfpatch_patch_info *info, pid_t **pids, unsigned int *nr,
		 unsigned int *unread)
{
	unsigned int all, i, found = 0;
	uint64_t bias;
	int err;

	*unread = 0;
	err = process_list(pids, &all);
	if (err)
		return err;
	for (i = 0; i < all; i++) {
		err = wf_process_find(wf_reader((*pids)[i]), info->build_id, info->build_id_size,
				      &bias, NULL, 0);
		if (!err)
			(*pids)[found++] = (*pids)[i];
		else if (err == -EPERM || err == -EACCES)
			++*unread;
	}
	*nr = found;
	return 0;
}

void note_unread(unsigned int nr)
{
	if (nr)
		complain(0, "note: %u process%s may not be traced by user %u and %s not looked at",
			 nr, nr == 1 ? "" : "es", (unsigned int)geteuid(),
			 nr == 1 ? "was" : "were");
}
