// SPDX-License-Identifier: GPL-2.0
/* Settings of the machine and control groups for the tests; see guest.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "guest.h"
#include "harness.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define CGROUP		CGROUP_ROOT "/wfpatch-test"
#define MAX_SETTINGS	16

#define DISK_DIR	"/tmp/wfpatch-disk"
#define ZRAM_CONTROL	"/sys/class/zram-control/"
#define TRACING		"/sys/kernel/tracing/"

/* What to put back, the last first; shared with the processes of the test. */
static struct changes {
	unsigned int nr;
	bool cgroup;
	struct setting {
		enum { WRITE, SWAP, MOUNT } kind;
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

/* Pages on their way to the disk may hold it for a moment. */
static void unmount(const char *path)
{
	int tries;

	for (tries = 0; tries < 100 && umount(path) && errno == EBUSY; tries++)
		sleep_ms(20);
}

void guest_restore(void)
{
	int tries;

	while (changes->nr) {
		struct setting *setting = &changes->settings[--changes->nr];

		if (setting->kind == SWAP)
			swapoff(setting->path);
		else if (setting->kind == MOUNT)
			unmount(setting->path);
		else
			file_write(setting->path, setting->value);
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

static void remember(int kind, const char *path, const char *value)
{
	struct setting *setting = &changes->settings[changes->nr];

	if (changes->nr == MAX_SETTINGS)
		FAIL("more than %d settings", MAX_SETTINGS);
	setting->kind = kind;
	snprintf(setting->path, sizeof(setting->path), "%s", path);
	snprintf(setting->value, sizeof(setting->value), "%s", value);
	changes->nr++;
}

bool guest_set(const char *path, const char *value)
{
	char old[120];

	if (file_read(path, old, sizeof(old)) < 0)
		return false;
	setting_value(old);
	remember(WRITE, path, old);
	return file_write(path, value);
}

void guest_undo(const char *path, const char *value)
{
	remember(WRITE, path, value);
}

void guest_need(const char *path, const char *value)
{
	if (!guest_set(path, value))
		skip_test("%s cannot be set to %s here", path, value);
}

void guest_run_on(pid_t tid, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CHECK_LIBC(sched_setaffinity(tid, sizeof(one), &one));
}

void guest_need_two_processors(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip_test("the machine has one processor");
}

bool guest_redirects(const char *function)
{
	size_t length = function ? strlen(function) : 0;
	static char text[1 << 16];
	char *line, *rest = text;

	if (file_read(TRACING "enabled_functions", text, sizeof(text)) < 0)
		skip_test("the kernel does not list hooked functions");
	/* "name (users) R I ...": registers are saved, the instruction pointer may be changed. */
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, " I ") &&
		    (!function || (!strncmp(line, function, length) && line[length] == ' ')))
			return true;
	return false;
}

void guest_count_calls(const char *function)
{
	char line[128];

	snprintf(line, sizeof(line), "p:wftest/calls %s", function);
	if (!file_write(TRACING "kprobe_events", line))
		skip_test("calls of %s cannot be counted", function);
	guest_undo(TRACING "kprobe_events", "-:wftest/calls");
	guest_need(TRACING "events/wftest/calls/enable", "1");
}

long guest_calls(void)
{
	FILE *profile = fopen(TRACING "kprobe_profile", "re");
	char line[128];
	long n = -1;

	if (!profile)
		return -1;
	while (fgets(line, sizeof(line), profile))
		sscanf(line, " calls %ld", &n);
	fclose(profile);
	return n;
}

/* A disk in compressed memory. Leaves its path in @path. */
static void make_disk(char *path, size_t size, const char *bytes)
{
	char number[16], file[64];

	if (file_read(ZRAM_CONTROL "hot_add", number, sizeof(number)) <= 0)
		skip_test("the kernel has no zram");
	number[strcspn(number, "\n")] = 0;
	guest_undo(ZRAM_CONTROL "hot_remove", number);
	snprintf(file, sizeof(file), "/sys/block/zram%s/disksize", number);
	if (!file_write(file, bytes))
		skip_test("%s cannot be set: %s", file, last_error());
	snprintf(path, size, "/dev/zram%s", number);
}

static void run_command(const char *command, const char *path)
{
	char line[120];

	snprintf(line, sizeof(line), "%s %s >/dev/null 2>&1", command, path);
	if (system(line))
		skip_test("this failed: %s", line);
}

void guest_swap(void)
{
	char path[32];

	make_disk(path, sizeof(path), "256M");
	run_command("mkswap", path);
	if (swapon(path, 0))
		skip_test("no swap on %s: %s", path, last_error());
	remember(SWAP, path, "");
}

const char *guest_filesystem(void)
{
	char path[32];

	make_disk(path, sizeof(path), "64M");
	run_command("mke2fs -F -b 4096", path);
	mkdir(DISK_DIR, 0700);
	if (mount(path, DISK_DIR, "ext4", 0, NULL))
		skip_test("%s cannot be mounted: %s", path, last_error());
	remember(MOUNT, DISK_DIR, "");
	return DISK_DIR;
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
