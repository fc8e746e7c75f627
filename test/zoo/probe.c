// SPDX-License-Identifier: GPL-2.0
/* Reads and writes the state of a program of the zoo, and looks at its process from outside. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "zoo.h"

#define FIELD(name) { #name, offsetof(struct zoo, name) }
static const struct field {
	const char *name;
	size_t offset;
} fields[] = {
	FIELD(pid), FIELD(ready), FIELD(stop), FIELD(expect), FIELD(old_answers),
	FIELD(new_answers), FIELD(mixed), FIELD(stale), FIELD(interrupted), FIELD(errors),
	FIELD(inside), FIELD(wake), FIELD(woken), FIELD(threads), FIELD(go), FIELD(rounds),
	FIELD(refuse), FIELD(nap), FIELD(hooked),
};

#define NR_FIELDS (sizeof(fields) / sizeof(fields[0]))

static int usage(void)
{
	fprintf(stderr,
		"usage: probe new STATE              an empty state\n"
		"       probe show STATE             all of it\n"
		"       probe get STATE FIELD\n"
		"       probe set STATE FIELD NUMBER\n"
		"       probe wait STATE FIELD NUMBER SECONDS   until it is at least that\n"
		"       probe text PID               a checksum of its code, without images of patches\n"
		"       probe maps PID               its mappings but stacks and heap\n"
		"       probe switches PID           context switches of its threads named 'asleep'\n");
	return 2;
}

static struct zoo *map_state(const char *path, int flags)
{
	int fd = open(path, O_RDWR | flags, 0600);
	struct zoo *zoo;

	if (fd < 0 || ftruncate(fd, sizeof(*zoo))) {
		perror(path);
		exit(2);
	}
	zoo = mmap(NULL, sizeof(*zoo), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (zoo == MAP_FAILED) {
		perror(path);
		exit(2);
	}
	return zoo;
}

static uint64_t *find_field(struct zoo *zoo, const char *name)
{
	size_t i;

	for (i = 0; i < NR_FIELDS; i++) {
		if (!strcmp(fields[i].name, name))
			return (uint64_t *)((char *)zoo + fields[i].offset);
	}
	fprintf(stderr, "probe: no field %s\n", name);
	exit(2);
}

static int show(struct zoo *zoo)
{
	size_t i;

	for (i = 0; i < NR_FIELDS; i++) {
		uint64_t value = *find_field(zoo, fields[i].name);

		if (value)
			printf("%s=%" PRIu64 " ", fields[i].name, value);
	}
	printf("text='%.*s'\n", (int)sizeof(zoo->text), zoo->text);
	return 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static int wait_for(const uint64_t *field, uint64_t number, double seconds)
{
	double end = now() + seconds;

	while (__atomic_load_n(field, __ATOMIC_SEQ_CST) < number) {
		if (now() > end)
			return 1;
		usleep(5000);
	}
	return 0;
}

/* FNV-1a */
static uint64_t hash(uint64_t sum, const void *bytes, size_t size)
{
	const unsigned char *byte = (const unsigned char *)bytes;

	while (size--)
		sum = (sum ^ *byte++) * 0x100000001b3;
	return sum;
}

static int for_mappings(const char *pid, void (*function)(const char *line, int mem))
{
	char path[300], *line = NULL;
	struct dirent *entry;
	FILE *maps = NULL;
	size_t size = 0;
	ssize_t got = -1;
	DIR *tasks;
	int mem = -1;

	/* A thread group's leader that has ended has no mappings any more. */
	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	tasks = opendir(path);
	while (tasks && got <= 0 && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		if (maps)
			fclose(maps);
		snprintf(path, sizeof(path), "/proc/%s/task/%s/maps", pid, entry->d_name);
		maps = fopen(path, "r");
		got = maps ? getline(&line, &size, maps) : -1;
		if (got <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task/%s/mem", pid, entry->d_name);
		mem = open(path, O_RDONLY);
	}
	if (tasks)
		closedir(tasks);
	if (got <= 0 || mem < 0) {
		fprintf(stderr, "probe: cannot read the memory of %s\n", pid);
		return 1;
	}
	do {
		function(line, mem);
	} while (getline(&line, &size, maps) > 0);
	free(line);
	fclose(maps);
	close(mem);
	return 0;
}

static uint64_t text_sum = 0xcbf29ce484222325;

static void add_text(const char *line, int mem)
{
	uint64_t start, end;
	char access[5];
	char page[4096];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, access) != 3)
		return;
	/* Images of patches are not the program's. */
	if (access[2] != 'x' || strstr(line, "[vsyscall]") || strstr(line, "wfpatch:"))
		return;
	text_sum = hash(text_sum, &start, sizeof(start));
	for (; start < end; start += sizeof(page)) {
		if (pread(mem, page, sizeof(page), start) != sizeof(page))
			memset(page, 0, sizeof(page));
		text_sum = hash(text_sum, page, sizeof(page));
	}
}

/* Mappings of files, which come and go only when code does. */
static void print_mapping(const char *line, int mem)
{
	const char *path = strchr(line, '/');

	(void)mem;
	if (path || strstr(line, "xp "))
		printf("%.*s %s", (int)strcspn(line + strcspn(line, " ") + 1, " ") +
		       (int)strcspn(line, " ") + 1, line, path ? path : "-\n");
}

static int print_switches(const char *pid)
{
	char path[300], line[256];
	uint64_t total = 0, number;
	struct dirent *entry;
	DIR *tasks;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return 1;
	while ((entry = readdir(tasks))) {
		bool asleep = false;

		snprintf(path, sizeof(path), "/proc/%s/task/%s/status", pid, entry->d_name);
		file = fopen(path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			asleep |= !strcmp(line, "Name:\tasleep\n");
			if (asleep && (sscanf(line, "voluntary_ctxt_switches: %" SCNu64,
					      &number) == 1 ||
				       sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64,
					      &number) == 1))
				total += number;
		}
		if (file)
			fclose(file);
	}
	closedir(tasks);
	printf("%" PRIu64 "\n", total);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	struct zoo *zoo;
	int err;

	if (!strcmp(what, "switches"))
		return print_switches(argv[2]);
	if (!strcmp(what, "maps"))
		return for_mappings(argv[2], print_mapping);
	if (!strcmp(what, "text")) {
		err = for_mappings(argv[2], add_text);
		printf("%016" PRIx64 "\n", text_sum);
		return err;
	}
	if (!strcmp(what, "new")) {
		zoo = map_state(argv[2], O_CREAT | O_TRUNC);
		return 0;
	}
	zoo = argc > 2 ? map_state(argv[2], 0) : NULL;
	if (!strcmp(what, "show"))
		return show(zoo);
	if (!strcmp(what, "get") && argc == 4) {
		printf("%" PRIu64 "\n", *find_field(zoo, argv[3]));
		return 0;
	}
	if (!strcmp(what, "set") && argc == 5) {
		__atomic_store_n(find_field(zoo, argv[3]), strtoull(argv[4], NULL, 0),
				 __ATOMIC_SEQ_CST);
		return 0;
	}
	if (!strcmp(what, "wait") && argc == 6)
		return wait_for(find_field(zoo, argv[3]), strtoull(argv[4], NULL, 0),
				atof(argv[5]));
	return usage();
}
