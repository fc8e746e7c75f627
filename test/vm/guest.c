// SPDX-License-Identifier: GPL-2.0
/* Settings of the machine and control groups for the tests; see guest.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"
#include "harness.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define CGROUP		CGROUP_ROOT "/wfpatch-test"
#define MAX_SETTINGS	16

/* What to put back; shared with the processes of the test. */
static struct changes {
	unsigned int nr;
	bool cgroup;
	struct setting {
		char path[120];
		char value[120];
	} settings[MAX_SETTINGS];
} *changes;

bool guest_init(void)
{
	changes = mmap(NULL, sizeof(*changes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	return changes != MAP_FAILED;
}

void guest_restore(void)
{
	int tries;

	while (changes->nr) {
		changes->nr--;
		file_write(changes->settings[changes->nr].path,
			   changes->settings[changes->nr].value);
	}
	/* What was killed in it may need a moment to be gone. */
	for (tries = 0; changes->cgroup && tries < 500; tries++) {
		file_write(CGROUP "/cgroup.kill", "1");
		if (!rmdir(CGROUP) || errno == ENOENT)
			changes->cgroup = false;
		else
			sleep_ms(10);
	}
	changes->cgroup = false;
}

/* Files that offer a choice mark the chosen word with brackets. */
static void setting_value(char *text)
{
	char *start = strchr(text, '['), *end = start ? strchr(start, ']') : NULL;

	text[strcspn(text, "\n")] = 0;
	if (!end)
		return;
	*end = 0;
	memmove(text, start + 1, (size_t)(end - start));
}

bool guest_set(const char *path, const char *value)
{
	struct setting *setting = &changes->settings[changes->nr];

	if (changes->nr == MAX_SETTINGS)
		FAIL("more than %d settings", MAX_SETTINGS);
	if (file_read(path, setting->value, sizeof(setting->value)) < 0)
		return false;
	setting_value(setting->value);
	snprintf(setting->path, sizeof(setting->path), "%s", path);
	changes->nr++;
	return file_write(path, value);
}

void guest_need(const char *path, const char *value)
{
	if (!guest_set(path, value))
		skip_test("%s cannot be set to %s here", path, value);
}

void cgroup_enter(void)
{
	char pid[16];

	file_write(CGROUP_ROOT "/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755))
		skip_test("no control group can be made: %s", last_error());
	changes->cgroup = true;
	if (access(CGROUP "/memory.current", R_OK))
		skip_test("control groups do not count memory here");
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (!file_write(CGROUP "/cgroup.procs", pid))
		skip_test("the control group cannot be entered: %s", last_error());
}

bool cgroup_set(const char *file, const char *value)
{
	char path[120];

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	return file_write(path, value);
}

long cgroup_number(const char *file)
{
	char path[120], text[64];

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	return file_read(path, text, sizeof(text)) < 0 ? -1 : strtol(text, NULL, 10);
}

long cgroup_value(const char *file, const char *key)
{
	char path[120];

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	return file_value(path, key);
}

void become_nobody(void)
{
	CHECK_LIBC(setgroups(0, NULL));
	CHECK_LIBC(setgid(65534));
	CHECK_LIBC(setuid(65534));
}
