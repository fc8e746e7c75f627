// SPDX-License-Identifier: GPL-2.0
/* Tests of what libwfpatch knows about machine code: jumps, padding, and how long functions are. */
#include <dlfcn.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "internal.h"

#define HERE 0x7f0012345000UL

static void a_jump_reaches_two_gigabytes_each_way_and_no_byte_more(void **state)
{
	(void)state;
	assert_int_equal(wf_jump_size(HERE, HERE + 5 + INT32_MAX), WF_JUMP_NEAR);
	assert_int_equal(wf_jump_size(HERE, HERE + 5 + INT32_MAX + 1UL), WF_JUMP_FAR);
	assert_int_equal(wf_jump_size(HERE, HERE + 5 - 0x80000000UL), WF_JUMP_NEAR);
	assert_int_equal(wf_jump_size(HERE, HERE + 5 - 0x80000001UL), WF_JUMP_FAR);
	assert_int_equal(wf_jump_size(HERE, 0x400000), WF_JUMP_FAR);
	assert_int_equal(wf_jump_size(0x400000, HERE), WF_JUMP_FAR);
}

static void jumps_are_encoded_as_the_processor_wants_them(void **state)
{
	static const unsigned char forward[] = { 0xe9, 0xfb, 0x0f, 0x00, 0x00 };
	static const unsigned char back[] = { 0xe9, 0xfb, 0xef, 0xff, 0xff };
	static const unsigned char furthest[] = { 0xe9, 0xff, 0xff, 0xff, 0x7f };
	static const unsigned char far[] = { 0xff, 0x25, 0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44,
					     0x33, 0, 0 };
	unsigned char code[WF_JUMP_FAR];

	(void)state;
	assert_int_equal(wf_jump_encode(code, HERE, HERE + 0x1000), 5);
	assert_memory_equal(code, forward, 5);
	assert_int_equal(wf_jump_encode(code, HERE, HERE - 0x1000), 5);
	assert_memory_equal(code, back, 5);
	assert_int_equal(wf_jump_encode(code, HERE, HERE + 5 + INT32_MAX), 5);
	assert_memory_equal(code, furthest, 5);
	assert_int_equal(wf_jump_encode(code, HERE, 0x334455667788), 14);
	assert_memory_equal(code, far, 14);
}

static void jumps_are_recognised_and_nothing_else(void **state)
{
	static const uintptr_t targets[] = { HERE + 5,	 HERE + 0x1000, HERE - 0x1000,
					     0x12345678, HERE + 5 + INT32_MAX, UINTPTR_MAX };
	unsigned char code[WF_JUMP_FAR];
	uintptr_t to;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		len = wf_jump_encode(code, HERE, targets[i]);
		assert_int_equal(wf_jump_decode(code, len, HERE, &to), len);
		assert_int_equal(to, targets[i]);
		assert_int_equal(wf_jump_decode(code, len - 1, HERE, &to), 0);
	}
	assert_int_equal(wf_jump_decode((unsigned char *)"\xe8\0\0\0\0", 5, HERE, &to), 0);
	assert_int_equal(wf_jump_decode((unsigned char *)"\xff\x25\1\0\0\0\0\0\0\0\0\0\0\0", 14,
					HERE, &to), 0);
	assert_int_equal(wf_endbr_size((unsigned char *)"\xf3\x0f\x1e\xfa", 4), 4);
	assert_int_equal(wf_endbr_size((unsigned char *)"\xf3\x0f\x1e\xfb", 4), 0);
	assert_int_equal(wf_endbr_size((unsigned char *)"\xf3\x0f\x1e\xfa", 3), 0);
}

/* What the assembler fills with, for every length, and code behind it. */
extern const unsigned char padding_begin[], padding_end[];

#define PAD(size) ".nops " #size "\npush %rbp\n"

__asm__(".pushsection .text.padding, \"ax\", @progbits\n"
	"padding_begin:\n"
	PAD(1) PAD(2) PAD(3) PAD(4) PAD(5) PAD(6) PAD(7) PAD(8) PAD(9) PAD(10) PAD(11) PAD(12)
	PAD(13) PAD(14) PAD(15)
	"padding_end:\n"
	".popsection\n");

static void padding_is_told_from_code(void **state)
{
	const unsigned char *code = padding_begin;
	size_t size;

	(void)state;
	for (size = 1; size <= 15; size++) {
		assert_int_equal(wf_padding_len(code, 16), size);
		/* No-operations that are cut are none. */
		assert_true(wf_padding_len(code, size - 1) < size);
		code += size + 1;
	}
	assert_ptr_equal(code, padding_end);
	assert_int_equal(wf_padding_len((unsigned char *)"\xcc\xcc\xcc\xc3", 4), 3);
	assert_int_equal(wf_padding_len((unsigned char *)"\xf3\x0f\x1e\xfa", 4), 0);
	assert_int_equal(wf_padding_len((unsigned char *)"\0\0\0\0", 4), 0);
	assert_int_equal(wf_padding_len((unsigned char *)"\x0f\x1f\xc0\x90", 4), 0);
	assert_int_equal(wf_padding_len((unsigned char *)"\x66\x66", 2), 0);
}

struct count {
	unsigned int same, shorter, other;
};

/* The functions that a library exports, by its symbol table in memory. */
static void compare(const struct link_map *map, struct count *count)
{
	const Elf64_Sym *symbols = NULL, *symbol;
	const Elf64_Dyn *entry;
	const char *strings = NULL;
	struct wf_function function, inside;
	uintptr_t start, end;

	for (entry = map->l_ld; entry->d_tag; entry++) {
		if (entry->d_tag == DT_SYMTAB)
			symbols = (void *)entry->d_un.d_ptr;
		else if (entry->d_tag == DT_STRTAB)
			strings = (void *)entry->d_un.d_ptr;
	}
	/* Linkers put the strings behind the symbols. */
	for (symbol = symbols; (const char *)symbol < strings; symbol++) {
		if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || !symbol->st_shndx ||
		    symbol->st_size < 16)
			continue;
		start = map->l_addr + symbol->st_value;
		assert_true(wf_function_find(start, &function));
		if (function.start != start)
			count->other++;
		else if (function.size == symbol->st_size)
			count->same++;
		else if (function.size < symbol->st_size)
			count->shorter++;
		else
			count->other++;
		end = function.start + function.size;
		assert_in_range(function.limit, end, (end + 15) & -16UL);
		/* From inside, the same is found. */
		assert_true(wf_function_find(end - 1, &inside));
		assert_memory_equal(&inside, &function, sizeof(inside));
	}
}

static void unwind_tables_and_symbols_say_the_same(void **state)
{
	static const char *const libraries[] = { "libc.so.6", "libm.so.6", "libcmocka.so.0" };
	struct count count;
	struct link_map *map;
	size_t i;
	void *handle;

	(void)state;
	for (i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
		handle = dlopen(libraries[i], RTLD_NOW);
		assert_non_null(handle);
		assert_int_equal(dlinfo(handle, RTLD_DI_LINKMAP, &map), 0);
		memset(&count, 0, sizeof(count));
		compare(map, &count);
		print_message("# %s: %u the same, %u shorter, %u otherwise\n", libraries[i],
			      count.same, count.shorter, count.other);
		/* Hand-written assembly has entries for parts of a function; never is one too long. */
		assert_true(count.same > 30);
		assert_true(count.same > 20 * (count.shorter + count.other));
		dlclose(handle);
	}
}

static void what_is_no_function_is_unknown(void **state)
{
	struct wf_function function;
	void *memory = malloc(100);

	(void)state;
	assert_false(wf_function_find((uintptr_t)memory, &function));
	assert_false(wf_function_find(16, &function));
	assert_false(wf_function_find((uintptr_t)&stdout, &function));
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jump_reaches_two_gigabytes_each_way_and_no_byte_more),
		cmocka_unit_test(jumps_are_encoded_as_the_processor_wants_them),
		cmocka_unit_test(jumps_are_recognised_and_nothing_else),
		cmocka_unit_test(padding_is_told_from_code),
		cmocka_unit_test(unwind_tables_and_symbols_say_the_same),
		cmocka_unit_test(what_is_no_function_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
