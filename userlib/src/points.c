// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Does anything in a process's memory point into a range? Asked before code is unmapped that was in
 * use: a callback, a jump buffer's return address, a string or an unwinder's list may lead there.
 *
 * Aligned words of all memory that the process can have written are read, while it runs; a pointer
 * that moves meanwhile may be missed, which is why all is read twice. Pages that do not exist are
 * not looked at: reading them would make them.
 *
 * Stacks are full of return addresses of calls that are over, into code that has just been in use. What
 * is below the stack pointer of a sleeping thread does not count, nor what is on a stack that no thread
 * has. Where the stack pointer of a running thread is cannot be told; but a transition has found no word
 * on its stack that leads into the code, and calls of that are over since: on the stack of any thread,
 * only words that point into the range's data count.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "internal.h"
#include "applied.h"
#include "header.h"

#define CHUNK_PAGES 64
/* What x86-64's functions may use below their stack pointer. */
#define RED_ZONE 128
/* Bytes of a control block in which the thread's number is. */
#define CONTROL_BLOCK 2048
/* The end of a thread's stack, in which its control block is looked for. */
#define STACK_TOP_PAGES 16
/* Words of stacks that are in use may be overwritten a moment later: how long that is waited for. */
#define TRY_FOR_MS 1000
#define TRY_MS 40
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_SWAPPED (1ULL << 62)

struct thread {
	uint32_t tid;
	uint64_t sp; /* 0 if it runs */
};

struct search {
	pid_t pid;
	int pagemap;
	const struct wf_extent *extent;
	uint64_t where;
	uint64_t left; /* pages of the mapping at hand that are still to come */
	struct thread *threads;
	unsigned int nr_threads;
};

/* One mapping of /proc/PID/smaps. */
struct mapping {
	uint64_t start;
	uint64_t end;
	bool writable;
	bool private;
	bool stack;	     /* of the first thread */
	bool image;	     /* of a patch */
	uint64_t resident;   /* pages, swapped ones included */
	uint64_t anonymous;  /* the same, of those that are not a file's */
	uint64_t stack_start; /* 0 if it is none */
	uint64_t stack_end;
	uint64_t skip_end; /* words from @stack_start to here do not count */
};

/* 1 if one of the words is what is looked for. */
static int search_page(struct search *s, const struct mapping *m, uint64_t addr,
		       const uint64_t *words)
{
	const struct wf_extent *x = s->extent;
	uint64_t at, any = 0;
	size_t i;

	for (i = 0; i < WF_PAGE_SIZE / sizeof(*words); i++) {
		any |= words[i];
		if (words[i] < x->start || words[i] >= x->end)
			continue;
		at = addr + i * sizeof(*words);
		if (at >= m->stack_start && at < m->stack_end &&
		    (at < m->skip_end || (words[i] >= x->text_start && words[i] < x->text_end)))
			continue;
		s->where = at;
		return 1;
	}
	/* One that was only read from is not among those that the kernel counts. */
	if (any && s->left)
		s->left--;
	return 0;
}

/* Pages that are unmapped or cannot be read meanwhile hold nothing that the process can use. */
static int search_pages(struct search *s, const struct mapping *m, uint64_t addr, unsigned int nr)
{
	static const size_t words = WF_PAGE_SIZE / sizeof(uint64_t);
	uint64_t data[CHUNK_PAGES * WF_PAGE_SIZE / sizeof(uint64_t)];
	struct iovec local = { data, nr * (size_t)WF_PAGE_SIZE };
	struct iovec remote = { (void *)(uintptr_t)addr, local.iov_len };
	ssize_t done = process_vm_readv(s->pid, &local, 1, &remote, 1, 0);
	unsigned int i;
	int found = 0;

	if (done == (ssize_t)local.iov_len) {
		for (i = 0; !found && i < nr; i++)
			found = search_page(s, m, addr + i * (uint64_t)WF_PAGE_SIZE,
					    data + i * words);
		return found;
	}
	if (done < 0 && (errno == ESRCH || errno == EPERM || errno == ENOMEM))
		return -errno;
	if (nr == 1)
		return 0;
	for (i = 0; i < nr; i++) {
		found = search_pages(s, m, addr + i * (uint64_t)WF_PAGE_SIZE, 1);
		if (found)
			return found;
	}
	return 0;
}

/* A patch's data may point to another patch's before anybody has used them: then they are in its file. */
static int search_image(struct search *s, const struct mapping *m)
{
	unsigned int nr;
	uint64_t addr;
	int found;

	for (addr = m->start; addr < m->end; addr += nr * (uint64_t)WF_PAGE_SIZE) {
		nr = CHUNK_PAGES;
		if (nr > (m->end - addr) / WF_PAGE_SIZE)
			nr = (m->end - addr) / WF_PAGE_SIZE;
		found = search_pages(s, m, addr, nr);
		if (found)
			return found;
	}
	return 0;
}

static int search_mapping(struct search *s, const struct mapping *m)
{
	uint64_t entries[CHUNK_PAGES], page;
	unsigned int nr, i, first;
	ssize_t len;
	int found;

	/* The rest of a large empty mapping need not be gone through. */
	s->left = m->resident;
	for (page = m->start / WF_PAGE_SIZE; s->left && page < m->end / WF_PAGE_SIZE; page += nr) {
		len = pread(s->pagemap, entries, sizeof(entries),
			    (off_t)(page * sizeof(entries[0])));
		if (len < 0)
			return -errno;
		nr = len / sizeof(entries[0]);
		if (!nr)
			return 0;
		if (nr > m->end / WF_PAGE_SIZE - page)
			nr = m->end / WF_PAGE_SIZE - page;
		for (i = 0; i < nr; i++) {
			first = i;
			while (i < nr && (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)))
				i++;
			if (i == first)
				continue;
			found = search_pages(s, m, (page + first) * WF_PAGE_SIZE, i - first);
			if (found)
				return found;
		}
	}
	return 0;
}

/* --- stacks ----------------------------------------------------------------------------------- */

/* Where a thread's stack pointer is while it sleeps in the kernel; 0 if it runs. */
static uint64_t stack_pointer(pid_t pid, const char *tid)
{
	unsigned long long words[9];
	char path[64], line[256] = "", *word, *rest = line;
	unsigned int nr = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/syscall", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	if (!isdigit(line[0]) && line[0] != '-')
		return 0;
	/* The call and its six arguments, or -1; stack pointer; instruction pointer. */
	while (nr < 9 && (word = strsep(&rest, "\n ")) && *word)
		words[nr++] = strtoull(word, NULL, 0);
	return nr >= 3 ? words[nr - 2] : 0;
}

static int add_thread(struct search *s, const char *tid)
{
	struct thread *bigger = reallocarray(s->threads, s->nr_threads + 1UL, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	s->threads = bigger;
	s->threads[s->nr_threads++] = (struct thread){
		.tid = (uint32_t)strtoul(tid, NULL, 10),
		.sp = stack_pointer(s->pid, tid),
	};
	return 0;
}

static int read_threads(struct search *s)
{
	struct dirent *entry;
	char path[64];
	int err = 0;
	DIR *dir;

	s->nr_threads = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", s->pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (entry = readdir(dir))) {
		if (isdigit(entry->d_name[0]))
			err = add_thread(s, entry->d_name);
	}
	closedir(dir);
	return err;
}

/* Is a control block that of a thread that there is? It has the thread's number in it. */
static bool is_alive(const struct search *s, const uint64_t *block, size_t nr)
{
	size_t bytes = nr * sizeof(*block), i;
	unsigned int j;
	uint32_t tid;

	if (bytes > CONTROL_BLOCK)
		bytes = CONTROL_BLOCK;
	for (i = 0; i < bytes; i += sizeof(tid)) {
		memcpy(&tid, (const char *)block + i, sizeof(tid));
		for (j = 0; tid && j < s->nr_threads; j++) {
			if (s->threads[j].tid == tid)
				return true;
		}
	}
	return false;
}

/* How many of the last pages of a mapping are there; to read others would make them. */
static unsigned int present_at_end(const struct search *s, const struct mapping *m)
{
	uint64_t entries[STACK_TOP_PAGES], pages = (m->end - m->start) / WF_PAGE_SIZE;
	unsigned int nr = pages < STACK_TOP_PAGES ? (unsigned int)pages : STACK_TOP_PAGES, i;
	size_t len = nr * sizeof(entries[0]);

	if (pread(s->pagemap, entries, len,
		  (off_t)((m->end / WF_PAGE_SIZE - nr) * sizeof(entries[0]))) != (ssize_t)len)
		return 0;
	for (i = nr; i && entries[i - 1] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED); i--)
		;
	return nr - i;
}

/*
 * The stack of a thread, if a library for threads has made it: set m->stack_start and, if no thread has
 * it, m->skip_end.
 *
 * A thread's control block, at the end of its stack, begins with its own address and has that a second
 * time two words on. Somewhere in it glibc and musl keep where the stack begins, and behind that its
 * size: no other two words there are on page borders and enclose the block. The stacks of threads that
 * have ended are kept for others.
 */
static void find_stack(const struct search *s, struct mapping *m)
{
	uint64_t data[STACK_TOP_PAGES * WF_PAGE_SIZE / sizeof(uint64_t)], from = m->end, at;
	struct iovec local = { data, 0 }, remote;
	size_t i, j, nr;

	from -= present_at_end(s, m) * (uint64_t)WF_PAGE_SIZE;
	if (from == m->end)
		return;
	remote = (struct iovec){ (void *)(uintptr_t)from, m->end - from };
	local.iov_len = remote.iov_len;
	if (process_vm_readv(s->pid, &local, 1, &remote, 1, 0) != (ssize_t)remote.iov_len)
		return;
	nr = remote.iov_len / sizeof(uint64_t);
	for (i = 0; i + 2 < nr; i++) {
		at = from + i * sizeof(uint64_t);
		if (data[i] != at || data[i + 2] != at)
			continue;
		for (j = i + 3; j + 1 < nr; j++) {
			if (data[j] % WF_PAGE_SIZE || !data[j + 1] || data[j + 1] % WF_PAGE_SIZE ||
			    data[j] >= at || data[j + 1] <= at - data[j] ||
			    data[j + 1] > m->end - data[j])
				continue;
			m->stack_start = data[j];
			m->stack_end = at;
			if (!is_alive(s, data + i, nr - i))
				m->skip_end = at;
			return;
		}
	}
}

/* The part of a stack below its thread's stack pointer is not in use. */
static void skip_unused_stack(const struct search *s, struct mapping *m)
{
	uint64_t lowest = 0;
	unsigned int i;

	if (m->stack) {
		m->stack_start = m->start;
		m->stack_end = m->end;
	} else {
		find_stack(s, m);
	}
	for (i = 0; m->stack_start && i < s->nr_threads; i++) {
		if (s->threads[i].sp >= m->stack_start && s->threads[i].sp < m->stack_end &&
		    (!lowest || s->threads[i].sp < lowest))
			lowest = s->threads[i].sp;
	}
	if (lowest && lowest - m->stack_start >= RED_ZONE)
		m->skip_end = lowest - RED_ZONE;
}

/*
 * What the process may have written: writable memory, and private memory that is not a file's any
 * more, as tables that were protected after they were filled. The range itself does not count.
 */
static bool worth_it(const struct search *s, const struct mapping *m)
{
	if (m->start < s->extent->end && m->end > s->extent->start)
		return false;
	if (m->image && m->writable)
		return true;
	return m->resident && (m->writable || (m->private && m->anonymous));
}

static int search_one(struct search *s, struct mapping *m)
{
	if (!worth_it(s, m))
		return 0;
	if (m->image && m->writable)
		return search_image(s, m);
	skip_unused_stack(s, m);
	return search_mapping(s, m);
}

static int search_once(struct search *s)
{
	struct mapping m = { 0 };
	unsigned long long start, end, kb;
	char path[64], line[4352], perms[5];
	bool any = false;
	int found;
	FILE *file;

	found = read_threads(s);
	if (found)
		return found;
	snprintf(path, sizeof(path), "/proc/%d/smaps", s->pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx %4s", &start, &end, perms) == 3) {
			if (any)
				found = search_one(s, &m);
			m = (struct mapping){ .start = start, .end = end };
			m.writable = perms[1] == 'w';
			m.private = perms[3] == 'p';
			m.stack = strstr(line, " [stack]");
			m.image = strstr(line, "/memfd:" WF_HEADER_NAME);
			any = true;
		} else if (sscanf(line, "Rss: %llu", &kb) == 1) {
			m.resident += kb * 1024 / WF_PAGE_SIZE;
		} else if (sscanf(line, "Swap: %llu", &kb) == 1) {
			m.resident += kb * 1024 / WF_PAGE_SIZE;
			m.anonymous += kb * 1024 / WF_PAGE_SIZE;
		} else if (sscanf(line, "Anonymous: %llu", &kb) == 1) {
			m.anonymous += kb * 1024 / WF_PAGE_SIZE;
		}
	}
	if (!found && any)
		found = search_one(s, &m);
	if (!found && ferror(file))
		found = -EIO;
	fclose(file);
	/* A process that ends has no memory to show. */
	return found || any ? found : -ESRCH;
}

int wf_points_into(pid_t pid, const struct wf_extent *extent, uint64_t *where)
{
	struct timespec nap = { 0, TRY_MS * 1000000L };
	struct search s = { .pid = pid, .extent = extent };
	int64_t last = wf_now_ms() + TRY_FOR_MS;
	unsigned int clean = 0;
	char path[64];
	int found;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	s.pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (s.pagemap < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	for (;;) {
		found = search_once(&s);
		if (found < 0)
			break;
		clean = found ? 0 : clean + 1;
		if (clean == 2 || (found && wf_now_ms() >= last))
			break;
		if (found)
			nanosleep(&nap, NULL);
	}
	close(s.pagemap);
	free(s.threads);
	if (found > 0)
		*where = s.where;
	return found;
}
