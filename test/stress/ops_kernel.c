// SPDX-License-Identifier: GPL-2.0
/*
 * Steps in which the kernel reads and writes a worker's memory: through pipes in the view of the
 * thread, through /proc/self/mem in the base, and as a mapped file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stress.h"

#define FILE_FIRST 64 /* the shared window in the arena */
#define FILE_PAGES 32

static void put_through_pipe(struct worker *w, unsigned int page, uint32_t value, void *pipe_ends)
{
	uint64_t word = page_word(w, page, value);
	int *fds = pipe_ends;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		void *to = (void *)(page_address(w, page) + page_offset(page, i));

		if (write(fds[1], &word, sizeof(word)) != sizeof(word) ||
		    read(fds[0], to, sizeof(word)) != sizeof(word))
			mismatch(w, "a pipe does not carry a word", (unsigned long)to, word,
				 (uint64_t)-errno);
	}
}

/* write(2) and read(2) see the view of the thread that calls them. */
void op_pipe(struct worker *w)
{
	struct range range = pick_range(w, KIND_DATA | KIND_PRIVATE_FILE, 6);
	int fds[2];
	unsigned int i;
	uint64_t seen, expected;

	remember(w, range.first, range.nr);
	if (!tolerate(w, RESULT(pipe2(fds, O_CLOEXEC)), "pipe failed", ENFILE))
		return;
	for (i = range.first; i < range.first + range.nr; i++) {
		uint64_t cell = cell_visible(w, w->slot, i);
		void *from = (void *)(page_address(w, i) + page_offset(i, 2));

		expected = page_word(w, i, cell_value(cell));
		if (write(fds[1], from, sizeof(seen)) != sizeof(seen) ||
		    read(fds[0], &seen, sizeof(seen)) != sizeof(seen))
			mismatch(w, "a pipe does not carry a word", (unsigned long)from, expected,
				 (uint64_t)-errno);
		if (cell & CELL_UNCERTAIN ? !word_plausible(w, i, seen) : seen != expected)
			mismatch(w, "write(2) reads wrong data", (unsigned long)from, expected,
				 seen);
		page_store_by(w, i, ++w->value, put_through_pipe, fds);
	}
	w->touched = range;
	close(fds[0]);
	close(fds[1]);
}

static long read_base(unsigned long addr, uint64_t *word, bool by_process_vm)
{
	struct iovec local = { word, sizeof(*word) }, remote = { (void *)addr, sizeof(*word) };
	long got;
	int fd;

	if (by_process_vm)
		return RESULT(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = RESULT(pread(fd, word, sizeof(*word), (off_t)addr));
	close(fd);
	return got;
}

static long write_base(unsigned long addr, uint64_t word)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	long put;

	if (fd < 0)
		return -errno;
	put = RESULT(pwrite(fd, &word, sizeof(word), (off_t)addr));
	close(fd);
	return put;
}

/* /proc/self/mem and process_vm_readv(2) act on the base, wherever the thread runs. */
void op_base_read(struct worker *w)
{
	struct range range = pick_range(w, KIND_DATA | KIND_PRIVATE_FILE, 8);
	_Atomic uint64_t *cell;
	unsigned int i, k;
	uint64_t expected, seen;

	remember(w, range.first, range.nr);
	w->touched = range;
	for (i = range.first; i < range.first + range.nr; i++) {
		unsigned long addr = page_address(w, i) + page_offset(i, i % 3);

		cell = cell_of(&slots[0], w->nr, i);
		expected = page_word(w, i, cell_value(*cell));
		if (!tolerate(w, read_base(addr, &seen, below(w, 2)), "reading the base failed",
			      ENFILE))
			return;
		if (seen != expected)
			mismatch(w, "the base shows wrong data", addr, expected, seen);
		if (below(w, 2))
			continue;
		w->value++;
		atomic_fetch_or(cell, CELL_CHANGING);
		for (k = 0; k < 3; k++) {
			long error;

			addr = page_address(w, i) + page_offset(i, k);
			do
				error = write_base(addr, page_word(w, i, w->value));
			while (error == -ENOMEM || error == -ENFILE);
			tolerate(w, error, "writing the base failed", 0);
		}
		*cell = (*cell & (CELL_PRESENT | CELL_PINNED)) | w->value;
	}
}

static off_t file_offset(struct worker *w, unsigned int i)
{
	return (off_t)(w->nr * 64 + i) * (off_t)PAGE + page_offset(FILE_FIRST + i, 0);
}

static _Atomic uint64_t *file_word(struct worker *w, unsigned int i)
{
	return (_Atomic uint64_t *)(page_address(w, FILE_FIRST + i) +
				    page_offset(FILE_FIRST + i, 0));
}

static void check_in_file(struct worker *w, unsigned int i)
{
	uint64_t expected = page_word(w, FILE_FIRST + i, w->file_value[i]), seen = 0;

	if (pread(data_file, &seen, sizeof(seen), file_offset(w, i)) != sizeof(seen) ||
	    seen != expected)
		mismatch(w, "wrong data in the file", (unsigned long)file_word(w, i), expected,
			 seen);
}

/* The shared mapping and the file show the same in every view. */
void file_check(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < FILE_PAGES; i++) {
		uint64_t expected = page_word(w, FILE_FIRST + i, w->file_value[i]);

		if (*file_word(w, i) != expected)
			mismatch(w, "wrong data in a shared mapping",
				 (unsigned long)file_word(w, i), expected, *file_word(w, i));
		check_in_file(w, i);
	}
}

/* The private window's part of the file has a word in each page, as a value of 0 says. */
void file_init(struct worker *w)
{
	unsigned int i, k;
	uint64_t word;

	for (i = 0; i < 2 * FILE_PAGES; i++) {
		unsigned int page = FILE_FIRST + i;

		for (k = 0; k < 3; k++) {
			off_t at = (off_t)(w->nr * 64 + i) * (off_t)PAGE + page_offset(page, k);

			word = page_word(w, page, 0);
			if (pwrite(data_file, &word, sizeof(word), at) != sizeof(word))
				fatal("writing the file of data", -1);
		}
	}
}

void op_file_store(struct worker *w)
{
	unsigned int times = 1 + below(w, 8), i, k;

	for (k = 0; k < times; k++) {
		i = below(w, FILE_PAGES);
		w->file_value[i] = ++w->value;
		*file_word(w, i) = page_word(w, FILE_FIRST + i, w->value);
		remember(w, FILE_FIRST + i, w->value);
		check_in_file(w, i);
	}
	if (!below(w, 3))
		tolerate(w,
			 RESULT(msync((void *)page_address(w, FILE_FIRST), FILE_PAGES * PAGE,
				      below(w, 2) ? MS_SYNC : MS_ASYNC)),
			 "msync failed", EIO);
	if (!below(w, 4))
		madvise((void *)page_address(w, FILE_FIRST), FILE_PAGES * PAGE,
			below(w, 2) ? MADV_DONTNEED : MADV_PAGEOUT);
	file_check(w);
	if (shall_break(w, BREAK_FILE) && pwrite(data_file, "\1", 1, file_offset(w, 3)) != 1)
		fatal("writing the file of data", -1);
}

void op_file_write(struct worker *w)
{
	unsigned int i = below(w, FILE_PAGES);
	uint64_t word;

	w->file_value[i] = ++w->value;
	word = page_word(w, FILE_FIRST + i, w->value);
	remember(w, FILE_FIRST + i, w->value);
	if (pwrite(data_file, &word, sizeof(word), file_offset(w, i)) != sizeof(word))
		mismatch(w, "pwrite failed", 0, 0, (uint64_t)-errno);
	file_check(w);
}

/* Write everything back and have the pages read anew: what was not known as dirty would be lost. */
void op_file_remap(struct worker *w)
{
	struct range window = { FILE_FIRST, FILE_PAGES };
	void *start = (void *)page_address(w, FILE_FIRST);
	bool unmap = below(w, 2);

	if (!tolerate(w, RESULT(msync(start, FILE_PAGES * PAGE, MS_SYNC)), "msync failed", EIO))
		return;
	if (unmap && !tolerate(w, RESULT(munmap(start, FILE_PAGES * PAGE)), "munmap failed", 0))
		return;
	posix_fadvise(data_file, (off_t)w->nr * 64 * (off_t)PAGE, FILE_PAGES * PAGE,
		      POSIX_FADV_DONTNEED);
	map_range(w, window, 0);
	file_check(w);
}

/* Clears accessed or soft-dirty bits of the whole process, which write-protects its pages. */
void op_clear_refs(struct worker *w)
{
	static const char *const what[] = { "1", "2", "3", "4" };
	unsigned int chosen = below(w, 4);
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	remember(w, chosen, 0);
	if (fd < 0)
		return;
	/* Not every kernel can do each of them; what counts is that nothing changes. */
	tolerate(w, RESULT(write(fd, what[chosen], 1)), "clear_refs failed", EINVAL);
	close(fd);
}
