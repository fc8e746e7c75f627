// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the linker: programs of every kind are patched with inject.h, and compute something else
 * from then on. link_refuse_test.c has what is refused.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>
#include "inject.h"
#include "programs.h"

static const char *const all_functions[] = {
	"plain",
	"data",
	"target.c:same=same_new",
	"target_other.c:same=other_same_new",
	"imports",
	"address",
	"choose",
	"recursive",
	"looped",
	"padded",
	"landing",
	"split",
	NULL,
};

struct expected {
	const char *name;
	int n, before, after;
};

static const struct expected expected[] = {
	{ "plain", 1, 2, 1 + 101 + 1000 + 30 + 19 },
	{ "plain", 2, 3, 2 + 102 + 2000 + 40 + 19 },
	{ "data", 5, 5 + 2000 + 1000 + 3000 + 4000 + 4, 5 + 2001 + 1001 + 3001 + 3 },
	{ "same", 3, 30, 3000 + 2001 },
	{ "other_same", 3, 307, 30000 + 7 },
	{ "imports", 50, 2, 2 + 50 + 1 + 400 },
	{ "address", 1, 2, 101 },
	{ "choose", 2, 2, -5 },
	{ "choose", 3, 3, 1001 },
	{ "choose", 4, 4, 2 },
	{ "choose", 8, 8, 8 + 2001 },
	{ "recursive", 10, 55, 55 + 88 },
	{ "looped", 9, 6, 59 },
	{ "padded", 9, 9, 69 },
	{ "landing", 9, 16, 79 },
	{ "split", 9, 9, 89 },
	{ "number", 1, 130, 130 },
};

static void compare(struct target *target, bool patched)
{
	unsigned int i;
	int seen, wanted;

	for (i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		wanted = patched ? expected[i].after : expected[i].before;
		seen = ask(target, expected[i].name, expected[i].n);
		if (seen != wanted)
			fail_msg("%s(%d) %s: expected %d, seen %d", expected[i].name, expected[i].n,
				 patched ? "patched" : "not patched", wanted, seen);
	}
}

static void build_program(const char *flags)
{
	run("gcc -O2 -g %s -Wl,--build-id -o target $S/target.c $S/target_other.c $S/target_run.c",
	    flags);
}

/* The functions in a library that the program is linked with. */
static void build_library(void)
{
	run("gcc -O2 -g -fPIC -shared -Wl,--build-id -o libtarget.so $S/target.c $S/target_other.c");
	run("gcc -O2 -o target $S/target_run.c -L. -ltarget -Wl,-rpath,%s", dir);
}

static void build_fix(const char *flags)
{
	run("gcc -O2 %s -c -o fix.o $S/fix.c", flags);
}

/* Patch what was built, and see that all of it works. @binary has the functions. */
static void patch_built(const char *binary)
{
	struct wf_image *image;
	struct target target;

	start(&target, in_dir("target"));
	compare(&target, false);
	image = patch_now(&target, in_dir(binary), all_functions);
	compare(&target, true);
	/* What the patch changed in the program's own data stays. */
	take_out(target.pid, image);
	assert_int_equal(ask(&target, "plain", 1), 2);
	assert_int_equal(ask(&target, "choose", 3), 3);
	stop(&target);
	wf_image_free(image);
}

static void patch_all(const char *program_flags, const char *patch_flags)
{
	build_program(program_flags);
	build_fix(patch_flags);
	patch_built("target");
}

static void position_independent_program(void **state)
{
	(void)state;
	patch_all("-fPIE -pie", "-fPIC");
}

static void position_independent_program_bound_at_start(void **state)
{
	(void)state;
	patch_all("-fPIE -pie -Wl,-z,now -fcf-protection -fno-plt", "-fPIC -fno-plt");
}

static void position_independent_program_and_patch_like_it(void **state)
{
	(void)state;
	patch_all("-fPIE -pie", "-fPIE");
}

static void fixed_program(void **state)
{
	(void)state;
	patch_all("-fno-pie -no-pie", "-fPIC");
}

static void fixed_program_and_patch_like_it(void **state)
{
	(void)state;
	patch_all("-fno-pie -no-pie", "-fno-pie");
}

static void static_program(void **state)
{
	(void)state;
	patch_all("-fno-pie -static -Wl,-u,qsort,-u,isalpha,-u,atoi,-u,strrchr", "-fno-pie");
}

static void static_position_independent_program(void **state)
{
	(void)state;
	patch_all("-fPIE -static-pie -Wl,-u,qsort,-u,isalpha,-u,atoi,-u,strrchr", "-fPIE");
}

static void library_of_a_program(void **state)
{
	(void)state;
	build_library();
	build_fix("-fPIC");
	patch_built("libtarget.so");
}

static void library_of_a_program_with_fixed_tls(void **state)
{
	(void)state;
	build_library();
	build_fix("-fPIC -ftls-model=initial-exec");
	patch_built("libtarget.so");
}

static void library_that_was_loaded_later(void **state)
{
	(void)state;
	build_library();
	run("gcc -O2 -DLIBRARY='\"%s/libtarget.so\"' -o target $S/target_dlopen.c", dir);
	build_fix("-fPIC");
	patch_built("libtarget.so");
}

static void a_program_that_the_dynamic_linker_was_told_to_run(void **state)
{
	struct wf_image *image;
	struct target target;

	(void)state;
	build_program("-fPIE -pie");
	build_fix("-fPIC");
	run("printf '#!/bin/sh\\nexec /lib64/ld-linux-x86-64.so.2 %s/target\\n' >start && "
	    "chmod +x start",
	    dir);
	start(&target, in_dir("start"));
	image = patch_now(&target, in_dir("target"), all_functions);
	compare(&target, true);
	stop(&target);
	wf_image_free(image);
}

static void a_function_of_libc(void **state)
{
	static const char *const functions[] = { "a64l=new_a64l", NULL };
	const char *libc = "/lib/x86_64-linux-gnu/libc.so.6";
	struct wf_image *image;
	struct target target;

	(void)state;
	build_program("-fPIE -pie");
	run("printf 'extern unsigned long strlen(const char *);\n"
	    "long new_a64l(const char *s) { return (long)strlen(s) * 100; }\n' >one.c");
	run("gcc -O2 -fPIC -c -o fix.o one.c");
	start(&target, in_dir("target"));
	assert_int_equal(ask(&target, "number", 1), 130);
	image = patch_now(&target, libc, functions);
	assert_int_equal(ask(&target, "number", 1), 201);
	stop(&target);
	wf_image_free(image);
}

/* --- unwinding -------------------------------------------------------------------------------- */

static const char *const unwound_functions[] = { "between", "catches", "waits", "traced", NULL };

static void unwind_through(const char *program_flags, const char *patch_flags)
{
	struct wf_image *image;
	struct target target;
	int frames, turn;

	run("g++ -O2 -pthread %s -Wl,--build-id -o unwind $S/unwind.cc", program_flags);
	run("g++ -O2 %s -c -o fix.o $S/unwind_fix.cc", patch_flags);
	start(&target, in_dir("unwind"));
	assert_int_equal(ask(&target, "throws", 1), 42 + 1000);
	/* As deep as after it: the new frame is in the old one's place. */
	frames = ask(&target, "traced", 0) - 1;
	for (turn = 0; turn < 2; turn++) {
		image = patch_now(&target, in_dir("unwind"), unwound_functions);
		assert_int_equal(ask(&target, "throws", 0), 2);
		assert_int_equal(ask(&target, "throws", 1), 42 + 3000);
		assert_int_equal(ask(&target, "throws", 2), 3 + 3000);
		assert_int_equal(ask(&target, "throws", 3), 53 + 3000);
		assert_int_equal(ask(&target, "catches", 1), 101);
		assert_int_equal(ask(&target, "catches", 2), 102);
		assert_int_equal(ask(&target, "catches", 3), 103);
		assert_int_equal(ask(&target, "catches", 4), 104);
		assert_int_equal(ask(&target, "cancels", 0), 10008);
		assert_int_equal(ask(&target, "traced", 0), frames + 1000);
		take_out(target.pid, image);
		wf_image_free(image);
		assert_int_equal(ask(&target, "throws", 2), 3 + 1000);
		assert_int_equal(ask(&target, "cancels", 0), 10006);
		assert_int_equal(ask(&target, "traced", 0), frames + 1);
	}
	stop(&target);
}

static void exceptions_cancellation_and_backtraces_pass(void **state)
{
	(void)state;
	unwind_through("-fPIE -pie", "-fPIC");
}

static void the_same_bound_at_start(void **state)
{
	(void)state;
	unwind_through("-fPIE -pie -Wl,-z,now", "-fPIC");
}

static void the_same_in_a_fixed_program(void **state)
{
	(void)state;
	unwind_through("-fno-pie -no-pie", "-fPIC");
}

static void the_same_with_libgcc_in_the_program(void **state)
{
	(void)state;
	unwind_through("-fPIE -pie -static-libgcc -static-libstdc++", "-fPIC");
}

static void the_same_with_entries_that_begin_with_a_landing_pad(void **state)
{
	(void)state;
	unwind_through("-fPIE -pie -static-libgcc -static-libstdc++ -fcf-protection -Wl,-z,lazy "
		       "-Wl,-z,ibtplt",
		       "-fPIC");
}

/* One after the other, each with a part of the functions; taken out in the other order. */
static void several_patches_are_unwound(const char *flags)
{
	static const char *const first[] = { "between", "waits", NULL };
	static const char *const second[] = { "catches", "traced", NULL };
	struct wf_image *images[2];
	struct target target;
	int frames;

	run("g++ -O2 -pthread %s -Wl,--build-id -o unwind $S/unwind.cc", flags);
	run("g++ -O2 -fPIC -c -o fix.o $S/unwind_fix.cc");
	start(&target, in_dir("unwind"));
	frames = ask(&target, "traced", 0) - 1;
	images[0] = patch_now(&target, in_dir("unwind"), first);
	images[1] = patch_now(&target, in_dir("unwind"), second);
	assert_int_equal(ask(&target, "throws", 2), 3 + 3000);
	assert_int_equal(ask(&target, "catches", 2), 102);
	assert_int_equal(ask(&target, "cancels", 0), 10008);
	assert_int_equal(ask(&target, "traced", 0), frames + 1000);
	take_out(target.pid, images[1]);
	assert_int_equal(ask(&target, "throws", 3), 53 + 3000);
	assert_int_equal(ask(&target, "cancels", 0), 10008);
	assert_int_equal(ask(&target, "traced", 0), frames + 1);
	take_out(target.pid, images[0]);
	assert_int_equal(ask(&target, "throws", 3), 53 + 1000);
	assert_int_equal(ask(&target, "cancels", 0), 10006);
	stop(&target);
	wf_image_free(images[0]);
	wf_image_free(images[1]);
}

/* The earlier one is gone then: nothing of the later one may lead there. */
static void a_patch_in_place_of_another_is_unwound(void **state)
{
	static const char *const first[] = { "between", "waits", "catches", "traced", NULL };
	static const char *const replaces[] = { "fix" };
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = first, .name = "next",
		     .replaces = replaces, .nr_replaces = 1);
	struct wfpatch_patch *patch;
	struct wf_image *images[2];
	struct target target;
	char err[512];

	(void)state;
	run("g++ -O2 -pthread -fPIE -pie -Wl,--build-id -o unwind $S/unwind.cc");
	run("g++ -O2 -fPIC -c -o fix.o $S/unwind_fix.cc");
	start(&target, in_dir("unwind"));
	images[0] = patch_now(&target, in_dir("unwind"), first);
	opts.object = in_dir("fix.o");
	opts.target = in_dir("unwind");
	patch = pack_with(&opts, 0, err, sizeof(err));
	images[1] = link_ok(&target, patch);
	inject(target.pid, images[1]);
	unmap(target.pid, images[0]);
	assert_int_equal(ask(&target, "throws", 2), 3 + 3000);
	assert_int_equal(ask(&target, "cancels", 0), 10008);
	take_out(target.pid, images[1]);
	assert_int_equal(ask(&target, "throws", 2), 3 + 1000);
	assert_int_equal(ask(&target, "cancels", 0), 10006);
	stop(&target);
	wf_image_free(images[0]);
	wf_image_free(images[1]);
	wfpatch_patch_close(patch);
}

static void several_patches_in_a_program(void **state)
{
	(void)state;
	several_patches_are_unwound("-fPIE -pie");
}

static void several_patches_in_a_program_bound_at_start(void **state)
{
	(void)state;
	several_patches_are_unwound("-fPIE -pie -static-libgcc -Wl,-z,now");
}

static void several_patches_in_a_static_program(void **state)
{
	(void)state;
	several_patches_are_unwound("-static");
}

static void the_same_in_a_static_program(void **state)
{
	(void)state;
	unwind_through("-fno-pie -static", "-fno-pie");
}

static void a_libgcc_that_is_loaded_later_finds_the_frames(void **state)
{
	static const char *const functions[] = { "waits", "traced", NULL };
	struct wf_image *image;
	struct target target;

	(void)state;
	run("gcc -O2 -pthread -fPIE -pie -Wl,--build-id -o late $S/unwind_late.c");
	run("gcc -O2 -fPIC -c -o fix.o $S/unwind_late_fix.c");
	start(&target, in_dir("late"));
	assert_int_equal(ask(&target, "loaded", 0), 0);
	image = patch_now(&target, in_dir("late"), functions);
	assert_int_equal(ask(&target, "cancels", 0), 10008);
	assert_true(ask(&target, "loaded", 0) > 0);
	/* depth, traced, main, two of libc, _start */
	assert_in_range(ask(&target, "traced", 0), 1005, 1010);
	stop(&target);
	wf_image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(position_independent_program),
		cmocka_unit_test(position_independent_program_bound_at_start),
		cmocka_unit_test(position_independent_program_and_patch_like_it),
		cmocka_unit_test(fixed_program),
		cmocka_unit_test(fixed_program_and_patch_like_it),
		cmocka_unit_test(static_program),
		cmocka_unit_test(static_position_independent_program),
		cmocka_unit_test(library_of_a_program),
		cmocka_unit_test(library_of_a_program_with_fixed_tls),
		cmocka_unit_test(library_that_was_loaded_later),
		cmocka_unit_test(a_program_that_the_dynamic_linker_was_told_to_run),
		cmocka_unit_test(a_function_of_libc),
		cmocka_unit_test(exceptions_cancellation_and_backtraces_pass),
		cmocka_unit_test(the_same_bound_at_start),
		cmocka_unit_test(the_same_in_a_fixed_program),
		cmocka_unit_test(the_same_with_libgcc_in_the_program),
		cmocka_unit_test(the_same_with_entries_that_begin_with_a_landing_pad),
		cmocka_unit_test(the_same_in_a_static_program),
		cmocka_unit_test(a_patch_in_place_of_another_is_unwound),
		cmocka_unit_test(several_patches_in_a_program),
		cmocka_unit_test(several_patches_in_a_program_bound_at_start),
		cmocka_unit_test(several_patches_in_a_static_program),
		cmocka_unit_test(a_libgcc_that_is_loaded_later_finds_the_frames),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
