// SPDX-License-Identifier: GPL-2.0
/*
 * Compares what a process executes with the files that it says it executes: for each executable
 * mapping of a file, or of FILE alone, a line with the number of bytes that differ, and the path. The
 * exit status is 1 if any byte differs, or if there is executable memory that belongs to no file (the
 * vdso's apart), which is always looked for.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mapping {
	uint64_t start, end, offset;
	char rights[8], path[512];
};

static void *read_at(const char *path, uint64_t at, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data = malloc(len);
	size_t done = 0;

	if (fd < 0 || !data) {
		perror(path);
		exit(2);
	}
	while (done < len) {
		ssize_t got = pread(fd, data + done, len - done, (off_t)(at + done));

		if (got < 0) {
			perror(path);
			exit(2);
		}
		/* The last page of a file goes on with zeroes. */
		if (!got)
			memset(data + done, 0, len - done);
		done += got ? (size_t)got : len - done;
	}
	close(fd);
	return data;
}

static size_t differing(const char *memory_path, const struct mapping *mapping)
{
	size_t len = mapping->end - mapping->start, nr = 0;
	char *memory = read_at(memory_path, mapping->start, len);
	char *file = read_at(mapping->path, mapping->offset, len);

	if (memcmp(memory, file, len))
		for (size_t i = 0; i < len; i++)
			nr += memory[i] != file[i];
	free(memory);
	free(file);
	return nr;
}

int main(int argc, char **argv)
{
	char path[64], memory_path[64], line[1024];
	int fields, status = 0;
	FILE *maps;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: codecheck PID [FILE]\n");
		return 2;
	}
	snprintf(path, sizeof(path), "/proc/%.20s/maps", argv[1]);
	snprintf(memory_path, sizeof(memory_path), "/proc/%.20s/mem", argv[1]);
	maps = fopen(path, "r");
	if (!maps) {
		perror(path);
		return 2;
	}
	while (fgets(line, sizeof(line), maps)) {
		struct mapping mapping = { 0 };

		fields = sscanf(line, "%lx-%lx %7s %lx %*s %*s %511[^\n]", &mapping.start,
				&mapping.end, mapping.rights, &mapping.offset, mapping.path);
		if (fields < 4) {
			fprintf(stderr, "codecheck: %s has a strange line: %s", path, line);
			return 2;
		}
		if (!strchr(mapping.rights, 'x') || !strcmp(mapping.path, "[vdso]") ||
		    !strcmp(mapping.path, "[vsyscall]"))
			continue;
		if (mapping.path[0] != '/' || !strncmp(mapping.path, "/memfd:", 7)) {
			printf("foreign %s\n", *mapping.path ? mapping.path : "anonymous");
			status = 1;
		} else if (argc == 2 || !strcmp(mapping.path, argv[2])) {
			size_t nr = differing(memory_path, &mapping);

			printf("%zu %s\n", nr, mapping.path);
			if (nr)
				status = 1;
		}
	}
	fclose(maps);
	return status;
}
