// SPDX-License-Identifier: GPL-2.0
/* Tests of rebuilt.c: a program that was linked once more is the same, has the same code, or is another. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "programs.h"
#include "symbols.h"
#include "../../tools/compare/rebuilt.h"

#define PROGRAM "static int grow(int n) { return n * %d; } " \
		"int main(int argc, char **argv) { (void)argv; return grow(argc); }"

/* Without debug information; @number is in its code. */
static void build(const char *name, int number, const char *options)
{
	run("printf '" PROGRAM "' >%s.c", number, name);
	/* The same name for the linker's symbol of the file. */
	run("mkdir -p build-%s && cp %s.c build-%s/program.c && cd build-%s && "
	    "gcc -O1 -fno-inline %s -o ../%s program.c", name, name, name, name, options, name);
}

static void expect(const char *stock, const char *again, enum rebuilt expected, const char *said)
{
	char one[256], *why;

	snprintf(one, sizeof(one), "%s", in_dir(stock));
	assert_int_equal(rebuilt_compare(one, in_dir(again), &why), expected);
	if (!said) {
		assert_null(why);
		return;
	}
	assert_non_null(why);
	if (!strstr(why, said))
		fail_msg("expected '%s', seen '%s'", said, why);
	free(why);
}

static void the_same_build_id_is_the_same_program(void **state)
{
	(void)state;
	build("stock", 3, "");
	build("again", 3, "");
	run("strip stock");
	expect("stock", "again", REBUILT_SAME, NULL);
}

static void another_build_id_may_have_the_same_code(void **state)
{
	(void)state;
	build("stock", 3, "-Wl,--build-id=0x0123456789abcdef");
	build("again", 3, "-g -Wl,--build-id=0x9876543210fedcba");
	run("strip stock");
	expect("stock", "again", REBUILT_SAME_CODE, NULL);
	/* Code that differs is found by its section and place. */
	build("again", 5, "-g -Wl,--build-id=0x9876543210fedcba");
	expect("stock", "again", REBUILT_OTHER, "section .text differs at offset 0x");
}

/* The place that is told is that of the first byte, whatever else differs behind it. */
static void the_first_difference_is_told(void **state)
{
	struct wf_elf elf;
	Elf_Scn *section = NULL;
	GElf_Shdr frames;
	char line[128];
	size_t strings;

	(void)state;
	build("stock", 3, "-Wl,--build-id=0x01");
	build("again", 3, "-Wl,--build-id=0x02");
	assert_int_equal(wf_elf_open(&elf, in_dir("again")), 0);
	assert_int_equal(elf_getshdrstrndx(elf.elf, &strings), 0);
	while ((section = elf_nextscn(elf.elf, section))) {
		assert_non_null(gelf_getshdr(section, &frames));
		if (!strcmp(elf_strptr(elf.elf, strings, frames.sh_name), ".eh_frame"))
			break;
	}
	assert_non_null(section);
	snprintf(line, sizeof(line), "section .eh_frame differs at offset 0x9 (address 0x%lx)",
		 (unsigned long)frames.sh_addr + 9);
	run("printf '\\377' | dd of=again bs=1 seek=%lu conv=notrunc status=none",
	    (unsigned long)frames.sh_offset + 9);
	run("printf '\\377' | dd of=again bs=1 seek=%lu conv=notrunc status=none",
	    (unsigned long)frames.sh_offset + 20);
	wf_elf_close(&elf);
	expect("stock", "again", REBUILT_OTHER, line);
}

static void what_has_more_or_less_is_another(void **state)
{
	(void)state;
	build("stock", 3, "-Wl,--build-id=0x01");
	build("again", 3, "-Wl,--build-id=0x02 -fno-pie -no-pie");
	expect("stock", "again", REBUILT_OTHER, "");
	build("again", 3, "-Wl,--build-id=none");
	expect("stock", "again", REBUILT_OTHER, "");
	build("again", 3, "-Wl,--build-id=0x02");
	run("printf 'xx' >more && objcopy --add-section .more=more "
	    "--set-section-flags .more=alloc,readonly again bigger 2>more.log");
	expect("stock", "bigger", REBUILT_OTHER, "the rebuild has one more section, .more");
	expect("bigger", "stock", REBUILT_OTHER, "there is no section .more in the rebuild");
}

static void what_cannot_be_read_is_told(void **state)
{
	(void)state;
	build("stock", 3, "");
	run("echo text >text");
	expect("stock", "text", REBUILT_UNREADABLE, "text is not an x86-64 ELF file");
	expect("text", "stock", REBUILT_UNREADABLE, "text is not an x86-64 ELF file");
	expect("stock", "nothing", REBUILT_UNREADABLE, "No such file or directory");
}

/* Symbols are taken from a file with the target's build-id only: the copy is one. */
static void a_copy_has_the_symbols(void **state)
{
	char stock[256], again[256], copy[256];
	const struct wf_symbol *symbol;
	struct wf_error error = { 0 };
	struct wf_symbols symbols;

	(void)state;
	build("stock", 3, "-Wl,--build-id=0x0123456789abcdef");
	build("again", 3, "-g -Wl,--build-id=0x9876543210fedcba");
	run("nm again | sed -n 's/^\\([0-9a-f]*\\) t grow$/\\1/p' >address; strip stock");
	snprintf(stock, sizeof(stock), "%s", in_dir("stock"));
	snprintf(again, sizeof(again), "%s", in_dir("again"));
	snprintf(copy, sizeof(copy), "%s", in_dir("copy"));
	assert_true(wf_symbols_open(&symbols, stock, stock, "", again, &error) < 0);
	assert_int_equal(rebuilt_copy(stock, again, copy), 0);
	assert_int_equal(wf_symbols_open(&symbols, stock, stock, "", copy, &error), 0);
	assert_int_equal(wf_symbols_find(&symbols, "program.c:grow", true, &symbol), 0);
	run("[ $((0x$(cat address))) = %lu ]", (unsigned long)symbol->value);
	wf_symbols_close(&symbols);
	expect("stock", "copy", REBUILT_SAME, NULL);
	/* Nothing else is different from what it was made of. */
	run("[ \"$(cmp -l again copy | wc -l)\" -le 8 ]");
	/* An id of another size has no room. */
	build("again", 3, "-g -Wl,--build-id=0x98765432");
	assert_int_equal(rebuilt_copy(stock, again, copy), -ENOEXEC);
	assert_int_equal(access(copy, F_OK), -1);
}

static void the_compiler_is_told_if_the_program_does(void **state)
{
	char *compiler;

	(void)state;
	build("stock", 3, "");
	compiler = rebuilt_compiler(in_dir("stock"));
	assert_non_null(compiler);
	assert_non_null(strstr(compiler, "GCC: ("));
	free(compiler);
	run("strip --remove-section=.comment stock");
	assert_null(rebuilt_compiler(in_dir("stock")));
	assert_null(rebuilt_compiler(in_dir("nothing")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_build_id_is_the_same_program),
		cmocka_unit_test(another_build_id_may_have_the_same_code),
		cmocka_unit_test(the_first_difference_is_told),
		cmocka_unit_test(what_has_more_or_less_is_another),
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(a_copy_has_the_symbols),
		cmocka_unit_test(the_compiler_is_told_if_the_program_does),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
