// SPDX-License-Identifier: GPL-2.0
/* Tests of patch files: what was packed is read again, and damaged files are refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "patch.h"
#include "programs.h"
#include "symbols.h"

static const char *const replace[] = { "split=f", NULL };

static void build(void)
{
	run("gcc -O2 -g -fPIE -pie -Wl,--build-id -o target $S/target.c $S/target_other.c $S/target_run.c");
	run("printf 'extern int counter; int f(int n) { return n + counter; }\\n' >one.c");
	run("gcc -O2 -fPIC -c -o fix.o one.c");
}

/* What a command prints. */
static void output_of(const char *command, char *text, size_t size)
{
	FILE *pipe = popen(command, "r");

	assert_non_null(pipe);
	assert_non_null(fgets(text, (int)size, pipe));
	assert_int_equal(pclose(pipe), 0);
}

static void a_patch_file_says_what_it_was_made_with(void **state)
{
	static const char *const cves[] = { "CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003" };
	static const char *const replaces[] = { "first", "second" };
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = replace, .name = "name",
		     .version = "1.0~rc1", .description = "two\nlines",
		     .author = "Who <who@example>", .cves = cves, .nr_cves = 3,
		     .replaces = replaces, .nr_replaces = 2);
	const struct wfpatch_patch_info *info;
	struct wfpatch_patch *patch;
	char err[512], command[512], line[512];
	unsigned char hash[32];
	unsigned long address, size;
	unsigned int i;

	(void)state;
	build();
	opts.object = in_dir("fix.o");
	opts.target = in_dir("target");
	patch = pack_with(&opts, 0, err, sizeof(err));
	info = wfpatch_patch_info(patch);
	assert_string_equal(info->name, "name");
	assert_string_equal(info->version, "1.0~rc1");
	assert_string_equal(info->description, "two\nlines");
	assert_string_equal(info->author, "Who <who@example>");
	assert_string_equal(info->target, "target");
	assert_int_equal(info->nr_cves, 3);
	assert_string_equal(info->cves[0], "CVE-2026-0001");
	assert_string_equal(info->cves[2], "CVE-2026-0003");
	assert_int_equal(info->nr_replaces, 2);
	assert_string_equal(info->replaces[1], "second");
	assert_int_equal(info->nr_functions, 1);
	assert_string_equal(info->functions[0].name, "split");
	assert_string_equal(info->functions[0].new_name, "f");

	/* The same as other tools say. */
	snprintf(command, sizeof(command), "sha256sum <%s", in_dir("fix.wfp"));
	output_of(command, line, sizeof(line));
	assert_memory_equal(line, info->id, 64);
	assert_int_equal(strlen(info->id), 64);
	snprintf(command, sizeof(command), "nm -S %s | grep ' T split$'", in_dir("target"));
	output_of(command, line, sizeof(line));
	assert_int_equal(sscanf(line, "%lx %lx", &address, &size), 2);
	assert_int_equal(info->functions[0].address, address);
	assert_int_equal(info->functions[0].size, size);
	/* In this program code is as far into the file as into memory. */
	snprintf(command, sizeof(command), "tail -c +%lu %s | head -c %lu | sha256sum", address + 1,
		 in_dir("target"), size);
	output_of(command, line, sizeof(line));
	for (i = 0; i < sizeof(hash); i++)
		assert_int_equal(sscanf(line + 2UL * i, "%2hhx", &hash[i]), 1);
	assert_memory_equal(hash, info->functions[0].hash, sizeof(hash));
	snprintf(command, sizeof(command), "readelf -n %s | sed -n 's/.*Build ID: //p'",
		 in_dir("target"));
	output_of(command, line, sizeof(line));
	for (i = 0; i < info->build_id_size; i++) {
		assert_int_equal(sscanf(line + 2UL * i, "%2hhx", &hash[0]), 1);
		assert_int_equal(hash[0], info->build_id[i]);
	}
	/* It is still an object that linkers and others take. */
	run("ld -r -o again.o fix.wfp && objdump -d fix.wfp | grep -q '<f>:'");
	wfpatch_patch_close(patch);
}

static void what_is_left_out_is_empty_and_the_name_that_of_the_file(void **state)
{
	const struct wfpatch_patch_info *info;
	struct wfpatch_patch *patch;

	(void)state;
	build();
	patch = pack(in_dir("fix.o"), in_dir("target"), replace);
	info = wfpatch_patch_info(patch);
	assert_string_equal(info->name, "fix");
	assert_string_equal(info->version, "");
	assert_string_equal(info->description, "");
	assert_string_equal(info->author, "");
	assert_int_equal(info->nr_cves, 0);
	assert_int_equal(info->nr_replaces, 0);
	wfpatch_patch_close(patch);
}

static void hooks_are_found_by_their_names(void **state)
{
	static const char *const points[] = { "target_main" };
	WFPATCH_OPTS(wfpatch_pack_opts, opts, .replace = replace, .hook_points = points,
		     .nr_hook_points = 1);
	const struct wfpatch_patch_info *info;
	struct wfpatch_patch *patch;
	char err[512];

	(void)state;
	build();
	run("printf '#include <wfpatch/patch.h>\nint f(int n) { return n; }\nstatic int pre(void) { return f(1); }\nstatic void post(void) { }\nWFPATCH_PRE_APPLY(pre);\nWFPATCH_POST_REVERT(post);\n' >hooks.c");
	run("gcc -O2 -fPIC -I$S/../../../userlib/include -c -o hooks.o hooks.c");
	opts.object = in_dir("hooks.o");
	opts.target = in_dir("target");
	patch = pack_with(&opts, 0, err, sizeof(err));
	info = wfpatch_patch_info(patch);
	assert_string_equal(info->hooks[WFPATCH_HOOK_PRE_APPLY], "wfpatch_pre_apply");
	assert_null(info->hooks[WFPATCH_HOOK_POST_APPLY]);
	assert_null(info->hooks[WFPATCH_HOOK_PRE_REVERT]);
	assert_string_equal(info->hooks[WFPATCH_HOOK_POST_REVERT], "wfpatch_post_revert");
	assert_int_equal(info->nr_hook_points, 1);
	assert_string_equal(info->hook_points[0], "target_main");
	wfpatch_patch_close(patch);
	/* A point without a hook would do nothing. */
	opts.object = in_dir("fix.o");
	assert_null(pack_with(&opts, -ENOENT, err, sizeof(err)));
	assert_non_null(strstr(err, "no hook that could run at 'target_main'"));
}

/* A file's bytes; free them. */
static unsigned char *slurp(const char *name, size_t *size)
{
	FILE *file = fopen(in_dir(name), "r");
	unsigned char *data;
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	*size = (size_t)st.st_size;
	data = malloc(*size);
	assert_int_equal(fread(data, 1, *size, file), *size);
	fclose(file);
	return data;
}

static void spill(const char *name, const unsigned char *data, size_t size)
{
	FILE *file = fopen(in_dir(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static int try_open(const char *name, char *err, size_t size)
{
	struct wfpatch_patch *patch;
	int ret;

	*err = 0;
	ret = wfpatch_patch_open(&patch, in_dir(name), err, size);
	if (ret) {
		assert_null(patch);
		assert_true(*err && !strchr(err, '\n'));
	}
	wfpatch_patch_close(patch);
	return ret;
}

static void other_files_are_refused(void **state)
{
	char err[512];

	(void)state;
	build();
	assert_int_equal(try_open("fix.o", err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "it has no section .note.wfpatch; make one with wfpatch pack"));
	assert_int_equal(try_open("target", err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "not an x86-64 relocatable ELF object"));
	assert_int_equal(try_open("one.c", err, sizeof(err)), -EINVAL);
	assert_int_equal(try_open("nothing", err, sizeof(err)), -ENOENT);
	assert_int_equal(try_open("", err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "not a regular file"));
}

static void a_newer_format_is_refused(void **state)
{
	static const unsigned char format[] = "wfpatch\0\1\0\0";
	struct wfpatch_patch *patch;
	unsigned char *data, *version;
	char err[512];
	size_t size;

	(void)state;
	build();
	patch = pack(in_dir("fix.o"), in_dir("target"), replace);
	wfpatch_patch_close(patch);
	data = slurp("fix.wfp", &size);
	version = memmem(data, size, format, sizeof(format));
	assert_non_null(version);
	version[8] = 3;
	spill("newer.wfp", data, size);
	assert_int_equal(try_open("newer.wfp", err, sizeof(err)), -EPROTONOSUPPORT);
	assert_non_null(strstr(err, "patch format 3; this program knows 2"));
	free(data);
}

static void damaged_files_do_no_harm(void **state)
{
	static const unsigned char values[] = { 0, 0x7f, 0xff };
	unsigned int refused = 0, i;
	struct wfpatch_patch *patch;
	unsigned char *data, kept;
	size_t size, at;
	char err[512];

	(void)state;
	build();
	patch = pack(in_dir("fix.o"), in_dir("target"), replace);
	wfpatch_patch_close(patch);
	data = slurp("fix.wfp", &size);
	for (at = 0; at < size; at++) {
		spill("bad.wfp", data, at);
		if (!try_open("bad.wfp", err, sizeof(err)))
			fail_msg("a file that is cut at %zu of %zu bytes was taken", at, size);
	}
	for (at = 0; at < size; at++) {
		kept = data[at];
		for (i = 0; i < sizeof(values); i++) {
			data[at] = values[i];
			spill("bad.wfp", data, size);
			refused += !!try_open("bad.wfp", err, sizeof(err));
		}
		data[at] = kept;
	}
	/* Most bytes are code and texts, of which each is as good as another. */
	assert_in_range(refused, 100, size * sizeof(values) - 100);
	free(data);
}

/* As packages with symbols install them. */
static void symbols_are_found_by_build_id(void **state)
{
	struct wf_error error = { NULL, 0 };
	const struct wf_symbol *symbol;
	struct wf_symbols symbols;
	int err;

	(void)state;
	build();
	run("strip -o stripped target; id=$(readelf -n target | sed -n 's/.*Build ID: //p'); "
	    "d=root/usr/lib/debug/.build-id/$(echo $id | cut -c1-2); mkdir -p $d && "
	    "objcopy --only-keep-debug target $d/$(echo $id | cut -c3-).debug");
	err = wf_symbols_open(&symbols, in_dir("stripped"), "/bin/stripped", dir, NULL, &error);
	assert_int_equal(err, 0);
	assert_false(symbols.full);
	assert_int_equal(wf_symbols_find(&symbols, "split", true, &symbol), -ENOENT);
	wf_symbols_close(&symbols);
	assert_int_equal(wf_symbols_open(&symbols, in_dir("stripped"), "/bin/stripped",
					 in_dir("root"), NULL, &error),
			 0);
	assert_true(symbols.full);
	assert_int_equal(wf_symbols_find(&symbols, "split", true, &symbol), 0);
	assert_int_equal(wf_symbols_find(&symbols, "target_other.c:same", true, &symbol), 0);
	assert_string_equal(symbol->file, "target_other.c");
	assert_int_equal(wf_symbols_find(&symbols, "same", true, &symbol), -ENOTUNIQ);
	wf_symbols_close(&symbols);
}

static void hashes_are_those_of_the_standard(void **state)
{
	static const unsigned char abc[] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
		0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
		0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
	};
	unsigned char hash[32];

	(void)state;
	wf_sha256("abc", 3, hash);
	assert_memory_equal(hash, abc, sizeof(abc));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_patch_file_says_what_it_was_made_with),
		cmocka_unit_test(what_is_left_out_is_empty_and_the_name_that_of_the_file),
		cmocka_unit_test(hooks_are_found_by_their_names),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(a_newer_format_is_refused),
		cmocka_unit_test(damaged_files_do_no_harm),
		cmocka_unit_test(symbols_are_found_by_build_id),
		cmocka_unit_test(hashes_are_those_of_the_standard),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
