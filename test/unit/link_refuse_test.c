// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what cannot be packed or linked, each with its message; of programs without symbols; of
 * patches on top of others; and of what the linker tells of old code.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "inject.h"
#include "programs.h"

static const char *const plain[] = { "plain", NULL };

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(in_dir(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void compile(const char *text, const char *flags)
{
	write_file("one.c", text);
	run("gcc -O2 -fPIC %s -c -o fix.o one.c", flags);
}

static void build_program(void)
{
	run("gcc -O2 -g -fPIE -pie -Wl,--build-id -o target $S/target.c $S/target_other.c $S/target_run.c");
}

static void build_library(void)
{
	run("gcc -O2 -g -fPIC -shared -Wl,--build-id -o libtarget.so $S/target.c $S/target_other.c");
	run("gcc -O2 -o target $S/target_run.c -L. -ltarget -Wl,-rpath,%s", dir);
}

static void expect_message(const char *message, const char *wanted)
{
	if (!strstr(message, wanted) || strchr(message, '\n'))
		fail_msg("expected one line with \"%s\", seen \"%s\"", wanted, message);
}

/* --- packing ---------------------------------------------------------------------------------- */

struct refusal {
	const char *source;
	const char *flags;
	const char *replace;
	int error;
	const char *message;
};

static const struct refusal not_packed[] = {
	{ "int f(int n) { return n; }", "", "nothing=f", ENOENT, "has no function 'nothing'" },
	{ "int f(int n) { return n; }", "", "counter=f", ENOENT, "has no function 'counter'" },
	{ "int f(int n) { return n; }", "", "plain", ENOENT, "fix.o has no function 'plain'" },
	{ "int f(int n) { return n; }", "", "same=f", ENOTUNIQ,
	  "has several 'same', in target.c, target_other.c: say which" },
	{ "int f(int n) { return n; }", "", "elsewhere.c:same=f", ENOENT,
	  "has no function 'elsewhere.c:same'" },
	{ "int f(int n) { return n; }", "", "neighbour=f", ENOEXEC,
	  "'neighbour' has 1 bytes, too few for the jump to its new code, and 'follower' follows" },
	{ "int counter; int plain(int n) { return n + counter++; }", "", "plain", EEXIST,
	  "defines 'counter', which" },
	{ "extern int hidden; int plain(int n) { return n + hidden; }", "", "plain", ENOTUNIQ,
	  "wfpatch.local.file_c.hidden" },
	{ "extern int x __asm__(\"wfpatch.local.target_c.nothing\"); int plain(int n) { return n + x; }",
	  "", "plain", ENOENT, "has nothing that 'wfpatch.local.target_c.nothing' may mean" },
	{ "int fresh; int plain(int n) { return n + fresh++; }", "-fcommon", "plain", ENOEXEC,
	  "common symbol 'fresh': compile with -fno-common" },
	{ "static __thread int own; int plain(int n) { return n + own++; }", "", "plain", ENOEXEC,
	  "defines thread-local variables" },
	{ "int x; __attribute__((constructor)) static void c(void) { x = 1; }"
	  "int plain(int n) { return n + x; }",
	  "", "plain", ENOEXEC, "in .init_array that would have to run first" },
	{ "static int a(void) { return 1; } static void *choose(void) { return a; }"
	  "int own(void) __attribute__((ifunc(\"choose\"))); int plain(int n) { return n + own(); }",
	  "", "plain", ENOEXEC, "defines the indirect function 'own'" },
	{ "extern __thread int per_thread; int plain(int n) { return n + per_thread; }",
	  "-mtls-dialect=gnu2", "plain", ENOEXEC, "TLS descriptors for 'per_thread'" },
	{ "extern int counter; int plain(int n) { return n + counter; }", "-mcmodel=large", "plain",
	  ENOEXEC, "-mcmodel=large" },
};

static void what_cannot_be_packed_is_refused_with_its_reason(void **state)
{
	const char *replace[2] = { NULL, NULL };
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = replace);
	unsigned int i;
	char err[512];

	(void)state;
	build_program();
	for (i = 0; i < sizeof(not_packed) / sizeof(*not_packed); i++) {
		compile(not_packed[i].source, not_packed[i].flags);
		replace[0] = not_packed[i].replace;
		opts.object = in_dir("fix.o");
		opts.target = in_dir("target");
		pack_with(&opts, -not_packed[i].error, err, sizeof(err));
		expect_message(err, not_packed[i].message);
	}
	/* Nothing is left of a file that was not finished. */
	run("! ls fix.wfp* 2>/dev/null");
}

static void files_of_the_wrong_kind_are_refused(void **state)
{
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = plain);
	char err[512];

	(void)state;
	build_program();
	run("gcc -O2 -Wl,--build-id=none -o no_id $S/target.c $S/target_other.c $S/target_run.c");
	compile("int plain(int n) { return n; }", "");
	opts.object = in_dir("target");
	opts.target = in_dir("target");
	pack_with(&opts, -ENOEXEC, err, sizeof(err));
	expect_message(err, "is not an x86-64 relocatable ELF object");
	opts.object = in_dir("one.c");
	pack_with(&opts, -ENOEXEC, err, sizeof(err));
	expect_message(err, "is not an x86-64 relocatable ELF object");
	opts.object = in_dir("nothing");
	pack_with(&opts, -ENOENT, err, sizeof(err));
	expect_message(err, "cannot open");
	opts.object = in_dir("fix.o");
	opts.target = in_dir("no_id");
	pack_with(&opts, -ENOEXEC, err, sizeof(err));
	expect_message(err, "has no build-id: link it with -Wl,--build-id");
	opts.target = in_dir("one.c");
	pack_with(&opts, -ENOEXEC, err, sizeof(err));
	expect_message(err, "is not an x86-64 ELF file");
	/* Which nobody ever writes to. */
	run("rm -f pipe && mkfifo pipe");
	opts.target = in_dir("pipe");
	pack_with(&opts, -ENOEXEC, err, sizeof(err));
	expect_message(err, "is not an x86-64 ELF file");
	opts.target = in_dir("target");
	opts.debug = in_dir("no_id");
	pack_with(&opts, -EINVAL, err, sizeof(err));
	expect_message(err, "another build-id");
	opts.debug = NULL;
	opts.name = "a/b";
	pack_with(&opts, -EINVAL, err, sizeof(err));
	expect_message(err, "no usable name");
}

/* As if the compiler had made a variant of a function for callers that always pass the same. */
static const char variants[] =
	"__attribute__((noipa)) int variant(int n, int m) { return n + m; }\n"
	"int constant(int n) __asm__(\"variant.constprop.0\");\n"
	"__attribute__((noipa)) int constant(int n) { return n * n * n + 7; }\n"
	"int main(void) { return variant(1, 2) + constant(1); }\n";

static void variants_of_a_function_are_not_forgotten(void **state)
{
	static const char *const one[] = { "variant", NULL };
	static const char *const both[] = { "variant", "variant.constprop.0=other", NULL };
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = one);
	struct wfpatch_patch *patch;
	char err[512];

	(void)state;
	write_file("variants.c", variants);
	run("gcc -O2 -Wl,--build-id -o variants variants.c");
	compile("int variant(int n, int m) { return n + m; } int other(int n) { return n; }", "");
	opts.object = in_dir("fix.o");
	opts.target = in_dir("variants");
	pack_with(&opts, -ENOEXEC, err, sizeof(err));
	expect_message(err, "also has 'variant.constprop.0'");
	opts.flags = WFPATCH_PACK_LEAVE_VARIANTS;
	patch = pack_with(&opts, 0, err, sizeof(err));
	wfpatch_patch_close(patch);
	patch = pack(in_dir("fix.o"), in_dir("variants"), both);
	assert_int_equal(wfpatch_patch_info(patch)->nr_functions, 2);
	wfpatch_patch_close(patch);
}

/* --- linking ---------------------------------------------------------------------------------- */

static void link_fails(pid_t pid, struct wfpatch_patch *patch, unsigned int again, int error,
		       const char *message)
{
	struct wf_image *image;
	char err[512] = "";
	int ret;

	ret = wf_link(pid, patch, NULL, again, &image, err, sizeof(err));
	if (ret != -error)
		fail_msg("linking: expected %d, seen %d: %s", -error, ret, err);
	assert_null(image);
	expect_message(err, message);
}

static const struct refusal not_linked[] = {
	{ "int f(int n) { return n; }", "", "tiny=f", ENOEXEC,
	  "'tiny' has 1 bytes, too few for the jump" },
	{ "int gone(int n); int plain(int n) { return gone(n); }", "", "plain", ENOEXEC,
	  "uses 'gone', which neither the target nor any library in process" },
	/* A static function of the program, or that of libc? */
	{ "int ffs(int n); int plain(int n) { return ffs(n); }", "-fno-builtin", "plain", ENOEXEC,
	  "'ffs' is static in the target, and" },
	/* Data of libc, as if it were near. */
	{ "extern int daylight; int plain(int n) { return n + daylight; }", "-fPIE", "plain",
	  ENOEXEC, "to 'daylight' in .text+0x2: out of reach; compile with -fPIC" },
	{ "extern __thread int counter; int plain(int n) { return n + counter; }", "", "plain",
	  ENOEXEC, "no thread-local variable of that name" },
	{ "extern int per_thread; int plain(int n) { return n + per_thread; }", "", "plain",
	  ENOEXEC, "is a thread-local variable in the target" },
	{ "static int own[9]; int plain(int n) { return n + own[n]++; }", "-fno-pic", "plain",
	  ERANGE, "not position-independent: compile with -fPIC" },
};

static void what_cannot_be_linked_is_refused_with_its_reason(void **state)
{
	const char *replace[2] = { NULL, NULL };
	struct wfpatch_patch *patch;
	struct target target;
	unsigned int i;

	(void)state;
	build_program();
	start(&target, in_dir("target"));
	for (i = 0; i < sizeof(not_linked) / sizeof(*not_linked); i++) {
		compile(not_linked[i].source, not_linked[i].flags);
		replace[0] = not_linked[i].replace;
		patch = pack(in_dir("fix.o"), in_dir("target"), replace);
		link_fails(target.pid, patch, 0, not_linked[i].error, not_linked[i].message);
		wfpatch_patch_close(patch);
	}
	assert_int_equal(ask(&target, "plain", 1), 2);
	stop(&target);
}

static int ask_patched(struct target *target, const char *source, const char *const *replace,
		       const char *name)
{
	struct wf_image *image;
	int result;

	compile(source, "-fno-builtin");
	image = patch_now(target, in_dir("target"), replace);
	result = ask(target, name, 8);
	take_out(target->pid, image);
	wf_image_free(image);
	return result;
}

static void a_name_of_the_program_and_of_a_library_can_mean_each(void **state)
{
	static const char *const same[] = { "target.c:same", NULL };
	struct target target;

	(void)state;
	build_program();
	start(&target, in_dir("target"));
	assert_int_equal(ask_patched(&target,
				     "int f(int n) __asm__(\"wfpatch.local.target_c.ffs\");"
				     "int plain(int n) { return f(n); }",
				     plain, "plain"),
			 5008);
	assert_int_equal(ask_patched(&target,
				     "int f(int n) __asm__(\"wfpatch.import.ffs\");"
				     "int plain(int n) { return f(n); }",
				     plain, "plain"),
			 4);
	/* In the file of a static function that is replaced, there is no doubt. */
	assert_int_equal(ask_patched(&target,
				     "int ffs(int n); extern int hidden;"
				     "int same(int n) { return ffs(n) + hidden; }",
				     same, "same"),
			 7008);
	stop(&target);
}

static void another_build_and_no_process_are_refused(void **state)
{
	struct wfpatch_patch *patch;
	struct target target;

	(void)state;
	build_program();
	compile("int plain(int n) { return n; }", "");
	patch = pack(in_dir("fix.o"), in_dir("target"), plain);
	run("gcc -O1 -g -fPIE -pie -Wl,--build-id -o target $S/target.c $S/target_other.c $S/target_run.c");
	start(&target, in_dir("target"));
	link_fails(target.pid, patch, 0, ENOENT, "does not map the target that the patch is for");
	/* Not a process: the highest number that there is belongs to none. */
	link_fails(4194304, patch, 0, ESRCH, "there is no process 4194304");
	stop(&target);
	wfpatch_patch_close(patch);
}

static void old_code_that_has_changed_is_refused(void **state)
{
	static const char *const functions[] = { "split", NULL };
	struct wfpatch_patch *patch;
	struct wf_image *image, breakpoint = { .fd = -1 };
	struct wf_image_write write = { .len = 1, .new = { 0xcc } };
	struct target target;

	(void)state;
	build_program();
	compile("int split(int n) { return n; }", "");
	patch = pack(in_dir("fix.o"), in_dir("target"), functions);
	start(&target, in_dir("target"));
	image = link_ok(&target, patch);
	/* Function and cold part, each with a breakpoint at its last byte. */
	assert_int_equal(image->nr_spans, 2);
	breakpoint.writes = &write;
	breakpoint.nr_writes = 1;
	write.address = image->spans[0].end - 1;
	poke(target.pid, &breakpoint);
	link_fails(target.pid, patch, 0, EILSEQ, "the code of 'split' in process");
	unpoke(target.pid, &breakpoint);
	write.address = image->spans[1].end - 1;
	poke(target.pid, &breakpoint);
	link_fails(target.pid, patch, 0, EILSEQ, "the code of 'split.cold' in process");
	unpoke(target.pid, &breakpoint);
	wf_image_free(image);
	wf_image_free(link_ok(&target, patch));
	stop(&target);
	wfpatch_patch_close(patch);
}

static void a_loaded_library_has_no_fixed_tls(void **state)
{
	static const char *const functions[] = { "data", NULL };
	struct wfpatch_patch *patch;
	struct target target;

	(void)state;
	run("gcc -O2 -g -fPIC -shared -Wl,--build-id -o libtarget.so $S/target.c $S/target_other.c");
	run("gcc -O2 -DLIBRARY='\"%s/libtarget.so\"' -o target $S/target_dlopen.c", dir);
	compile("extern __thread int per_thread; int data(int n) { return n + per_thread; }",
		"-ftls-model=initial-exec");
	patch = pack(in_dir("fix.o"), in_dir("libtarget.so"), functions);
	start(&target, in_dir("target"));
	link_fails(target.pid, patch, 0, ENOEXEC, "its place differs between threads");
	stop(&target);
	wfpatch_patch_close(patch);
}

static void writable_code_is_refused(void **state)
{
	struct wfpatch_patch *patch;
	struct target target;

	(void)state;
	build_program();
	compile("int plain(int n) { return n; }", "");
	patch = pack(in_dir("fix.o"), in_dir("target"), plain);
	start(&target, in_dir("target"));
	assert_int_equal(ask(&target, "writable", 0), 0);
	link_fails(target.pid, patch, 0, ENOEXEC, "can write: it cannot be patched in a view");
	stop(&target);
	wfpatch_patch_close(patch);
}

/* --- places ----------------------------------------------------------------------------------- */

static void another_place_is_found_again_and_again(void **state)
{
	struct wf_image *image;
	struct wfpatch_patch *patch;
	struct target target;
	uint64_t seen[3];
	unsigned int i;
	char err[512];

	(void)state;
	build_program();
	compile("int plain(int n) { return n; }", "");
	patch = pack(in_dir("fix.o"), in_dir("target"), plain);
	start(&target, in_dir("target"));
	for (i = 0; i < 2; i++) {
		assert_int_equal(wf_link(target.pid, patch, NULL, i, &image, err, sizeof(err)), 0);
		seen[i] = image->address;
		wf_image_free(image);
	}
	assert_true(seen[0] != seen[1]);
	link_fails(target.pid, patch, 100000, ERANGE, "no room for");
	stop(&target);
	wfpatch_patch_close(patch);
}

/* --- symbols ---------------------------------------------------------------------------------- */

static const char uses_local[] =
	"extern int helper(int n); int plain(int n) { return helper(n) * 2; }";

/* The program runs without symbols; @pack_debug is where they are when the patch is made. */
static void patch_stripped(const char *pack_debug)
{
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = plain);
	struct wfpatch_patch *patch;
	struct wf_image *image;
	struct target target;
	char err[512];

	compile(uses_local, "");
	start(&target, in_dir("stripped"));
	opts.object = in_dir("fix.o");
	opts.target = in_dir("stripped");
	opts.debug = pack_debug;
	patch = pack_with(&opts, 0, err, sizeof(err));
	image = link_ok(&target, patch);
	inject(target.pid, image);
	assert_int_equal(ask(&target, "plain", 1), 4002);
	stop(&target);
	wf_image_free(image);
	wfpatch_patch_close(patch);
}

static void stripped_program_with_its_symbols_elsewhere(void **state)
{
	(void)state;
	build_program();
	run("strip -o stripped target");
	/* The program as it was before. */
	patch_stripped(in_dir("target"));
	run("objcopy --only-keep-debug target separate.debug");
	patch_stripped(in_dir("separate.debug"));
	/* Beside it, by the name that it has itself. */
	run("objcopy --add-gnu-debuglink=separate.debug stripped");
	patch_stripped(NULL);
	run("mkdir .debug && mv separate.debug .debug");
	patch_stripped(NULL);
	run("rm -r .debug");
}

static void stripped_program_without_symbols(void **state)
{
	static const char *const exported[] = { "plain", NULL };
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = exported);
	struct wfpatch_patch *patch;
	struct wf_image *image;
	struct target target;
	char err[512];

	(void)state;
	run("gcc -O2 -g -fPIE -pie -rdynamic -Wl,--build-id -o target $S/target.c $S/target_other.c $S/target_run.c");
	run("strip -o stripped target");
	compile(uses_local, "");
	opts.object = in_dir("fix.o");
	opts.target = in_dir("stripped");
	opts.replace = (const char *const[]){ "split.cold=plain", NULL };
	pack_with(&opts, -ENOENT, err, sizeof(err));
	expect_message(err,
		       "among its dynamic symbols, and no others: give a file with its symbols");
	/* What it exports can be replaced; what the patch uses is looked for when it is applied. */
	opts.replace = exported;
	patch = pack_with(&opts, 0, err, sizeof(err));
	start(&target, in_dir("stripped"));
	link_fails(target.pid, patch, 0, ENOEXEC, "uses 'helper', which neither");
	assert_int_equal(wf_link(target.pid, patch, in_dir("target"), 0, &image, err, sizeof(err)),
			 0);
	inject(target.pid, image);
	assert_int_equal(ask(&target, "plain", 1), 4002);
	wf_image_free(image);
	stop(&target);
	wfpatch_patch_close(patch);
}

static void a_file_that_was_replaced_or_deleted_is_not_believed(void **state)
{
	struct wf_image *image;
	struct target target;

	(void)state;
	build_program();
	compile(uses_local, "");
	run("cp target older");
	start(&target, in_dir("target"));
	run("rm target; gcc -O1 -o target -Wl,--build-id $S/target.c $S/target_other.c $S/target_run.c");
	image = patch_now(&target, in_dir("older"), plain);
	assert_int_equal(ask(&target, "plain", 1), 4002);
	stop(&target);
	wf_image_free(image);
}

/* --- what the linker tells -------------------------------------------------------------------- */

static void traps_are_set_only_where_they_mean_a_call(void **state)
{
	static const struct {
		const char *name;
		unsigned int flags, spans;
	} functions[] = {
		{ "plain=f", WFPATCH_SPAN_ENTRY, 1 },
		{ "looped=f", 0, 1 },
		{ "split=f", WFPATCH_SPAN_ENTRY, 2 },
		{ "landing=f", WFPATCH_SPAN_ENTRY, 1 },
	};
	const char *replace[2] = { NULL, NULL };
	struct wfpatch_patch *patch;
	const struct wfpatch_patch_function *function;
	struct wf_image *image;
	struct target target;
	uint64_t bias;
	unsigned int i;

	(void)state;
	build_program();
	/* No frame: nothing for the unwinder. */
	compile("int f(int n) { return n; }", "-fno-asynchronous-unwind-tables");
	start(&target, in_dir("target"));
	for (i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		replace[0] = functions[i].name;
		patch = pack(in_dir("fix.o"), in_dir("target"), replace);
		image = link_ok(&target, patch);
		function = wfpatch_patch_info(patch)->functions;
		assert_int_equal(wf_process_find(target.pid, wfpatch_patch_info(patch)->build_id,
						 wfpatch_patch_info(patch)->build_id_size, &bias,
						 NULL, 0),
				 0);
		assert_int_equal(image->nr_spans, functions[i].spans);
		assert_int_equal(image->spans[0].flags, functions[i].flags);
		assert_int_equal(image->spans[0].start, bias + function->address);
		assert_int_equal(image->spans[0].end, bias + function->address + function->size);
		assert_int_equal(image->nr_writes, 1);
		assert_int_equal(image->writes[0].address,
				 bias + function->address +
					 (strstr(functions[i].name, "landing") ? 4 : 0));
		assert_int_equal(image->writes[0].len, 5);
		/* The cold part is code that nothing calls. */
		if (functions[i].spans > 1)
			assert_int_equal(image->spans[1].flags, 0);
		wf_image_free(image);
		wfpatch_patch_close(patch);
	}
	stop(&target);
}

/* Two functions: may the second be entered with a trap there? */
static unsigned int second_flags(struct target *target, const char *binary, const char *first,
				 const char *second)
{
	const char *const replace[] = { first, second, NULL };
	struct wfpatch_patch *patch = pack(in_dir("fix.o"), in_dir(binary), replace);
	struct wf_image *image = link_ok(target, patch);
	unsigned int flags = image->spans[1].flags;

	wf_image_free(image);
	wfpatch_patch_close(patch);
	return flags;
}

static void a_function_that_another_one_jumps_to_gets_no_trap(void **state)
{
	struct target target;

	(void)state;
	compile("int f(int n) { return n; }", "");
	build_program();
	start(&target, in_dir("target"));
	assert_int_equal(second_flags(&target, "target", "plain=f", "recursive=f"),
			 WFPATCH_SPAN_ENTRY);
	assert_int_equal(second_flags(&target, "target", "tail=f", "recursive=f"), 0);
	assert_int_equal(second_flags(&target, "target", "tail=f", "address=f"),
			 WFPATCH_SPAN_ENTRY);
	assert_int_equal(second_flags(&target, "target", "pointer_tail=f", "address=f"), 0);
	assert_int_equal(second_flags(&target, "target", "slot_tail=f", "address=f"), 0);
	stop(&target);

	build_library();
	start(&target, in_dir("target"));
	assert_int_equal(second_flags(&target, "libtarget.so", "plain=f", "recursive=f"),
			 WFPATCH_SPAN_ENTRY);
	/* Not bound yet, then bound. */
	assert_int_equal(second_flags(&target, "libtarget.so", "far_tail=f", "recursive=f"), 0);
	assert_int_equal(ask(&target, "far_tail", 7), 55);
	assert_int_equal(second_flags(&target, "libtarget.so", "far_tail=f", "recursive=f"), 0);
	stop(&target);
}

static void code_of_an_earlier_patch_is_old_code_too(void **state)
{
	static const char *const one[] = { "plain", NULL };
	static const char *const both[] = { "plain", "recursive", NULL };
	struct wf_image *first, *second;
	struct wfpatch_patch *patch;
	struct target target;

	(void)state;
	build_program();
	start(&target, in_dir("target"));
	compile("int recursive(int n); int plain(int n) { return recursive(n + 1); }", "");
	first = patch_now(&target, in_dir("target"), one);
	assert_int_equal(ask(&target, "plain", 9), 55);
	compile("int recursive(int n) { return n; } int plain(int n) { return n; }", "");
	patch = pack(in_dir("fix.o"), in_dir("target"), both);
	second = link_ok(&target, patch);
	assert_int_equal(second->spans[0].flags, WFPATCH_SPAN_ENTRY);
	assert_int_equal(second->spans[1].flags, 0);
	stop(&target);
	wf_image_free(first);
	wf_image_free(second);
	wfpatch_patch_close(patch);
}

static void patches_lie_on_top_of_each_other(void **state)
{
	struct wf_image *first, *second;
	struct wfpatch_patch *patch;
	struct target target;

	(void)state;
	build_program();
	start(&target, in_dir("target"));
	compile("int plain(int n) { return n + 10; }", "");
	first = patch_now(&target, in_dir("target"), plain);
	assert_int_equal(ask(&target, "plain", 1), 11);
	patch = pack(in_dir("fix.o"), in_dir("target"), plain);
	link_fails(target.pid, patch, 0, EEXIST, "is applied to process");
	wfpatch_patch_close(patch);

	compile("int plain(int n) { return n + 20; }", "");
	second = patch_now(&target, in_dir("target"), plain);
	assert_int_equal(ask(&target, "plain", 1), 21);
	assert_memory_equal(second->writes[0].old, first->writes[0].new, 5);
	assert_int_equal(second->spans[0].flags, WFPATCH_SPAN_ENTRY);
	/* Threads must not be in what the first led to, either. */
	assert_true(second->spans[second->nr_spans - 1].start > first->address &&
		    second->spans[second->nr_spans - 1].end <= first->address + first->len);
	take_out(target.pid, second);
	assert_int_equal(ask(&target, "plain", 1), 11);
	take_out(target.pid, first);
	assert_int_equal(ask(&target, "plain", 1), 2);
	stop(&target);
	wf_image_free(first);
	wf_image_free(second);
}

static void a_patch_takes_the_place_of_another(void **state)
{
	static const char *const replaces[] = { "fix" };
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = plain, .name = "next",
		     .replaces = replaces, .nr_replaces = 1);
	struct wf_image *first, *second;
	struct wfpatch_patch *patch;
	struct target target;
	unsigned int i;
	char err[512];

	(void)state;
	build_program();
	start(&target, in_dir("target"));
	compile("int plain(int n) { return n + 10; }", "");
	first = patch_now(&target, in_dir("target"), plain);
	compile("int plain(int n) { return n + 20; }", "");
	opts.object = in_dir("fix.o");
	opts.target = in_dir("target");
	patch = pack_with(&opts, 0, err, sizeof(err));
	second = link_ok(&target, patch);
	/* What a revert of the second puts back is what was before the first, everywhere. */
	assert_int_equal(first->nr_writes, second->nr_writes);
	for (i = 0; i < first->nr_writes; i++)
		assert_memory_equal(first->writes[i].old, second->writes[i].old,
				    first->writes[i].len);
	inject(target.pid, second);
	assert_int_equal(ask(&target, "plain", 1), 21);
	take_out(target.pid, second);
	assert_int_equal(ask(&target, "plain", 1), 2);
	stop(&target);
	wf_image_free(first);
	wf_image_free(second);
	wfpatch_patch_close(patch);
}

static void the_process_says_what_is_applied(void **state)
{
	static const char *const cves[] = { "CVE-2026-0001", "CVE-2026-0002" };
	static const char *const functions[] = { "plain", "split=plain", NULL };
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = functions, .name = "a-name_1.0+x",
		     .version = "1.2", .description = "what it does", .author = "who", .cves = cves,
		     .nr_cves = 2);
	struct wfpatch_applied *list;
	struct wfpatch_patch *patch;
	struct wf_image *image;
	struct target target;
	unsigned int nr;
	char err[512];

	(void)state;
	build_program();
	compile("int plain(int n) { return n; }", "");
	opts.object = in_dir("fix.o");
	opts.target = in_dir("target");
	patch = pack_with(&opts, 0, err, sizeof(err));
	start(&target, in_dir("target"));
	image = link_ok(&target, patch);
	inject(target.pid, image);
	assert_int_equal(wfpatch_applied(target.pid, &list, &nr, err, sizeof(err)), 0);
	assert_int_equal(nr, 1);
	assert_string_equal(list[0].info.name, "a-name_1.0+x");
	assert_string_equal(list[0].info.version, "1.2");
	assert_string_equal(list[0].info.description, "what it does");
	assert_string_equal(list[0].info.author, "who");
	assert_string_equal(list[0].info.target, "target");
	assert_int_equal(list[0].info.nr_cves, 2);
	assert_string_equal(list[0].info.cves[1], "CVE-2026-0002");
	assert_string_equal(list[0].info.id, wfpatch_patch_info(patch)->id);
	assert_int_equal(list[0].info.nr_functions, 2);
	assert_string_equal(list[0].info.functions[1].name, "split");
	assert_string_equal(list[0].info.functions[1].new_name, "plain");
	assert_int_equal(list[0].active, 2);
	assert_int_equal(list[0].sequence, 1);
	assert_int_equal(list[0].start, image->address);
	assert_int_equal(list[0].end, image->address + image->len);
	wfpatch_applied_free(list, nr);
	stop(&target);
	wf_image_free(image);
	wfpatch_patch_close(patch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_packed_is_refused_with_its_reason),
		cmocka_unit_test(files_of_the_wrong_kind_are_refused),
		cmocka_unit_test(variants_of_a_function_are_not_forgotten),
		cmocka_unit_test(what_cannot_be_linked_is_refused_with_its_reason),
		cmocka_unit_test(a_name_of_the_program_and_of_a_library_can_mean_each),
		cmocka_unit_test(another_build_and_no_process_are_refused),
		cmocka_unit_test(old_code_that_has_changed_is_refused),
		cmocka_unit_test(a_loaded_library_has_no_fixed_tls),
		cmocka_unit_test(writable_code_is_refused),
		cmocka_unit_test(another_place_is_found_again_and_again),
		cmocka_unit_test(stripped_program_with_its_symbols_elsewhere),
		cmocka_unit_test(stripped_program_without_symbols),
		cmocka_unit_test(a_file_that_was_replaced_or_deleted_is_not_believed),
		cmocka_unit_test(traps_are_set_only_where_they_mean_a_call),
		cmocka_unit_test(a_function_that_another_one_jumps_to_gets_no_trap),
		cmocka_unit_test(code_of_an_earlier_patch_is_old_code_too),
		cmocka_unit_test(patches_lie_on_top_of_each_other),
		cmocka_unit_test(a_patch_takes_the_place_of_another),
		cmocka_unit_test(the_process_says_what_is_applied),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
