// SPDX-License-Identifier: GPL-2.0
/*
 * BPF programs that read the current thread's memory, in a system call and in an interrupt: they see
 * the view that the thread is in, or nothing. And programs at functions that the module hooks.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "guest.h"
#include "view.h"

/* What a program has found; a page that it shares with the test. */
struct found {
	uint64_t value;		/* read last */
	uint64_t expected;	/* read last, if the program reads a second word */
	uint64_t runs;
	uint64_t missing;	/* runs in which a read was refused */
	uint64_t right;		/* value is as expected, and that is not 0 */
	uint64_t wrong;		/* it is not */
};

static struct found *found;
static int found_fd;

#define INSN(op, to, from, offset, number)						\
	((struct bpf_insn){ .code = (op), .dst_reg = (to), .src_reg = (from), .off = (offset),	\
			    .imm = (int)(number) })
#define MOVE(to, from)		INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define SET(to, number)		INSN(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, number)
#define LOAD64(to, from, at)	INSN(BPF_LDX | BPF_MEM | BPF_DW, to, from, at, 0)
#define STORE64(to, at, from)	INSN(BPF_STX | BPF_MEM | BPF_DW, to, from, at, 0)
#define ADD(to, number)		INSN(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, number)
#define CALL(helper)		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##helper)
#define JUMP_IF(op, a, number, by) INSN(BPF_JMP | (op) | BPF_K, a, 0, by, number)
#define JUMP_IF_OTHER(a, b, by)	INSN(BPF_JMP | BPF_JNE | BPF_X, a, b, by, 0)
#define EXIT			INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* These are two instructions long. */
#define SET64(to, number)								\
	INSN(BPF_LD | BPF_IMM | BPF_DW, to, 0, 0, (uint32_t)(uintptr_t)(number)),		\
	INSN(0, 0, 0, 0, (uintptr_t)(number) >> 32)
#define SET_FOUND(to)									\
	INSN(BPF_LD | BPF_IMM | BPF_DW, to, BPF_PSEUDO_MAP_VALUE, 0, found_fd), INSN(0, 0, 0, 0, 0)

/* Six instructions: one word of user memory to the stack; r0 is 0, or an error. */
#define READ_WORD(at, address)								\
	MOVE(BPF_REG_1, BPF_REG_10), ADD(BPF_REG_1, at), SET(BPF_REG_2, 8),			\
	SET64(BPF_REG_3, address), CALL(probe_read_user)
#define COUNT(field)									\
	LOAD64(BPF_REG_1, BPF_REG_6, offsetof(struct found, field)), ADD(BPF_REG_1, 1),		\
	STORE64(BPF_REG_6, offsetof(struct found, field), BPF_REG_1)

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static void make_found(void)
{
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = sizeof(*found),
		.max_entries = 1, .map_flags = BPF_F_MMAPABLE,
	};

	found_fd = bpf(BPF_MAP_CREATE, &map);
	if (found_fd < 0)
		skip_test("bpf: no map: %s", last_error());
	found = CHECK_LIBC(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, found_fd, 0));
}

/*
 * Load a program that reads @word, in this thread only, and compares it with @expected; and run it
 * at an event.
 */
static void attach(int type, struct perf_event_attr *event, const uint64_t *word,
		   const uint64_t *expected)
{
	const struct bpf_insn code[] = {
		CALL(get_current_pid_tgid),
		INSN(BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, gettid()),
		SET(BPF_REG_0, 0),
		EXIT,
		SET_FOUND(BPF_REG_6),
		COUNT(runs),
		READ_WORD(-8, word),
		JUMP_IF(BPF_JNE, BPF_REG_0, 0, 21),
		READ_WORD(-16, expected),
		JUMP_IF(BPF_JNE, BPF_REG_0, 0, 14),
		LOAD64(BPF_REG_7, BPF_REG_10, -8),
		LOAD64(BPF_REG_8, BPF_REG_10, -16),
		STORE64(BPF_REG_6, offsetof(struct found, value), BPF_REG_7),
		STORE64(BPF_REG_6, offsetof(struct found, expected), BPF_REG_8),
		JUMP_IF(BPF_JEQ, BPF_REG_8, 0, 12),
		JUMP_IF_OTHER(BPF_REG_7, BPF_REG_8, 4),
		COUNT(right),
		JUMP_IF(BPF_JA, 0, 0, 7),
		COUNT(wrong),
		JUMP_IF(BPF_JA, 0, 0, 3),
		COUNT(missing),
		SET(BPF_REG_0, 0),
		EXIT,
	};
	static char log[16384];
	union bpf_attr program = {
		.prog_type = (uint32_t)type, .insns = (uintptr_t)code,
		.insn_cnt = sizeof(code) / sizeof(code[0]), .license = (uintptr_t)"GPL",
		.log_buf = (uintptr_t)log, .log_size = sizeof(log), .log_level = 1,
	};
	int fd, event_fd;

	fd = bpf(BPF_PROG_LOAD, &program);
	if (fd < 0)
		FAIL("bpf: %s: %s", last_error(),
		     log + (strlen(log) > 300 ? strlen(log) - 300 : 0));
	event_fd = (int)syscall(SYS_perf_event_open, event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (event_fd < 0)
		skip_test("perf_event_open: %s", last_error());
	CHECK_LIBC(ioctl(event_fd, PERF_EVENT_IOC_SET_BPF, fd));
	CHECK_LIBC(ioctl(event_fd, PERF_EVENT_IOC_ENABLE, 0));
}

/* Where the module cannot probe it, reads are refused for threads in views. */
static bool reads_are_possible(void)
{
	return system("grep -q ' nmi_uaccess_okay$' /proc/kallsyms") == 0;
}

static void check_read(uint64_t expected)
{
	uint64_t runs = found->runs, missing = found->missing;

	syscall(SYS_getppid);
	CHECK_EQ(found->runs, runs + 1);
	if (found->missing == missing)
		CHECK_EQ(found->value, expected);
	else if (reads_are_possible() || !current_view())
		FAIL("expected %lu to be read, seen a read that was refused", expected);
}

TEST(a_bpf_program_in_a_system_call_reads_the_view_of_the_thread)
{
	uint64_t *words = (uint64_t *)map_filled(1);
	struct perf_event_attr event = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(event), .disabled = 1,
		.sample_period = 1,
	};
	uint32_t view, child;
	static const char path[] = "/sys/kernel/tracing/events/syscalls/sys_enter_getppid/id";
	char id[32];

	if (file_read(path, id, sizeof(id)) <= 0)
		skip_test("the kernel has no tracepoints at system calls");
	event.config = strtoul(id, NULL, 10);
	make_found();
	STORE(words[0], 100);
	attach(BPF_PROG_TYPE_TRACEPOINT, &event, &words[0], &words[0]);
	check_read(100);
	view = new_view(0);
	put_long(view, words, 200);
	child = new_view(view);
	check_read(100);
	enter(view);
	CHECK_EQ(LOAD(words[0]), 200);
	check_read(200);
	enter(child);
	STORE(words[0], 300);
	check_read(300);
	enter(view);
	check_read(200);
	enter(0);
	check_read(100);
}

/* Interrupted at any place; while @expected is 0 the view may be either. */
TEST(a_bpf_program_in_an_interrupt_reads_the_view_of_the_thread_or_nothing)
{
	uint64_t *words = (uint64_t *)map_filled(2), *expected = (uint64_t *)page_of(words, 1);
	struct perf_event_attr event = {
		.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(event), .sample_period = 100000, .disabled = 1,
	};
	uint64_t in_views = 0, end;
	uint32_t views[3] = { 0, new_view(0), new_view(0) };
	unsigned int i;

	make_found();
	STORE(words[0], 1000);
	put_long(views[1], words, 1001);
	put_long(views[2], words, 1002);
	STORE(expected[0], 0);
	attach(BPF_PROG_TYPE_PERF_EVENT, &event, &words[0], &expected[0]);
	end = now_ms() + 20000;
	for (i = 0; in_views < 3000 && now_ms() < end; i++) {
		uint64_t right;

		STORE(expected[0], 0);
		enter(views[i % 3]);
		/* The page must be in the view's tables: no interrupt can wait for it. */
		CHECK_EQ(LOAD(words[0]), 1000 + i % 3);
		STORE(expected[0], 1000 + i % 3);
		right = LOAD(found->right);
		for (int spin = 0; spin < 20000; spin++)
			__asm__ volatile("" : : : "memory");
		if (i % 3)
			in_views += LOAD(found->right) - right;
	}
	CHECK_EQ(found->wrong, 0);
	if (!found->runs)
		skip_test("no interrupt ran the program");
	printf("# %lu interrupts, %lu reads in views, %lu refused\n", found->runs, in_views,
	       found->missing);
	if (!in_views && reads_are_possible())
		FAIL("expected reads of threads in views, seen none; %lu of %lu were refused",
		     found->missing, found->runs);
}

/* --- programs at hooked functions ---------------------------------------------------------------- */

static int nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

/* A program that counts what passes the function, entering or leaving it, or a negative errno. */
static int count_at(const char *function, enum bpf_attach_type where)
{
	const struct bpf_insn code[] = {
		SET_FOUND(BPF_REG_6),
		COUNT(runs),
		SET(BPF_REG_0, 0),
		EXIT,
	};
	struct bpf_prog_load_opts opts = { .sz = sizeof(opts), .expected_attach_type = where };
	int id, program, link;

	libbpf_set_print(nothing);
	id = libbpf_find_vmlinux_btf_id(function, where);
	if (id <= 0)
		skip_test("no type information about %s that this libbpf can read: %s", function,
			  strerror(-id));
	opts.attach_btf_id = (uint32_t)id;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "wfpatch_test", "GPL", code,
				sizeof(code) / sizeof(code[0]), &opts);
	if (program < 0)
		skip_test("bpf: no program at functions: %s", last_error());
	link = bpf_raw_tracepoint_open(NULL, program);
	close(program);
	return link;
}

/* From 6.0 a program and a redirection can share a function. Before, who comes second is refused. */
static bool functions_are_shared(void)
{
	struct utsname name;

	CHECK_LIBC(uname(&name));
	return atoi(name.release) >= 6;
}

static void check_view_works(bool counted)
{
	uint64_t *words = (uint64_t *)map_filled(1);
	uint64_t runs = LOAD(found->runs);
	uint32_t view = new_view(0);

	put_long(view, words, 200);
	enter(view);
	CHECK_EQ(LOAD(words[0]), 200);
	enter(0);
	CHECK_EQ(LOAD(words[0]), 0);
	delete_view(view);
	if (counted)
		CHECK(LOAD(found->runs) > runs);
}

TEST(bpf_programs_at_hooked_functions_come_first)
{
	int entry, leave;

	WAIT_FOR(!guest_redirects(NULL));
	make_found();
	entry = count_at("handle_mm_fault", BPF_TRACE_FENTRY);
	leave = count_at("handle_mm_fault", BPF_TRACE_FEXIT);
	CHECK_OK(entry);
	CHECK_OK(leave);
	if (functions_are_shared()) {
		check_view_works(true);
	} else {
		CHECK_ERROR(try_create(device, 0, NULL), EIO);
		CHECK_EQ(nr_views(), 0);
	}
	close(leave);
	close(entry);
	WAIT_FOR(try_create(device, 0, NULL) == 0);
}

TEST(bpf_programs_at_hooked_functions_come_second)
{
	uint32_t view = new_view(0);
	int entry, leave;

	make_found();
	/* In this order: the other way round, the kernel itself has it wrong (docs/semantics.md). */
	leave = count_at("handle_mm_fault", BPF_TRACE_FEXIT);
	if (!functions_are_shared()) {
		CHECK_ERROR(leave, EBUSY);
		check_view_works(false);
		return;
	}
	CHECK_OK(leave);
	entry = count_at("handle_mm_fault", BPF_TRACE_FENTRY);
	CHECK_OK(entry);
	check_view_works(true);
	delete_view(view);
	/* The hooks go while the programs stay. */
	WAIT_FOR(!guest_redirects(NULL));
	check_view_works(true);
	close(leave);
	close(entry);
	check_view_works(false);
}
