// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of wfpatch_redirect() against the fake kernel: what is written to the view, and what is
 * refused. Nothing that is written is run here; the tests in the VM do that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "fake.h"

#define WRITES fake_requests(WFPATCH_IOC_VIEW_WRITE)
#define FAR_AWAY ((void *)0x100000000000)

/*
 * Functions of known length. Each is exactly as long as its name says; what comes behind is padding
 * up to 16 bytes, unless it is "tight": then the next function follows at once.
 */
#define FUNCTION(name, align, body)                     \
	".globl " #name "\n.type " #name ", @function\n" \
	".p2align " #align "\n" #name ":\n.cfi_startproc\n" body \
	".cfi_endproc\n.size " #name ", . - " #name "\n"

void long_one(void);
void landing_pad(void);
void three_padded(void);
void four_tight(void);
void ten_tight(void);
void nine_landing_tight(void);
void eight_landing_tight(void);
void behind_it(void);
void no_unwind_tight(void);
void new_one(void);

__asm__(".pushsection .text.functions, \"ax\", @progbits\n"
	FUNCTION(long_one, 4, ".fill 40, 1, 0x51\nret\n")
	FUNCTION(landing_pad, 4, ".byte 0xf3, 0x0f, 0x1e, 0xfa\n.fill 40, 1, 0x52\nret\n")
	FUNCTION(three_padded, 4, "xor %eax, %eax\nret\n")
	".p2align 4\n"
	FUNCTION(four_tight, 4, ".byte 0x90, 0x90, 0x90, 0xc3\n")
	FUNCTION(ten_tight, 0, ".fill 9, 1, 0x53\nret\n")
	FUNCTION(nine_landing_tight, 0, ".byte 0xf3, 0x0f, 0x1e, 0xfa\n.fill 4, 1, 0x54\nret\n")
	FUNCTION(eight_landing_tight, 0, ".byte 0xf3, 0x0f, 0x1e, 0xfa\n.fill 3, 1, 0x57\nret\n")
	FUNCTION(behind_it, 0, ".fill 20, 1, 0x55\nret\n")
	".globl no_unwind_tight\n.type no_unwind_tight, @function\n"
	"no_unwind_tight:\n.fill 20, 1, 0x56\nret\n.size no_unwind_tight, . - no_unwind_tight\n"
	FUNCTION(new_one, 4, "ret\n")
	".popsection\n");

static struct wfpatch *handle;
static unsigned int view;
static char why[256];
static struct wfpatch_redirect_opts opts;

static int setup(void **state)
{
	fake_reset(state);
	handle = fake_open();
	assert_int_equal(wfpatch_view_create(handle, 0, &view), 0);
	memset(why, 'x', sizeof(why));
	opts = (struct wfpatch_redirect_opts){
		.sz = sizeof(opts), .err = why, .err_size = sizeof(why) };
	return 0;
}

static int teardown(void **state)
{
	wfpatch_close(handle);
	return fake_check(state);
}

static int redirect(void *old, const void *new)
{
	return wfpatch_redirect(handle, view, old, new, &opts);
}

/* Refused with @err, for the reason that @text is part of, and nothing is written. */
static void refused(void *old, const void *new, int err, const char *text)
{
	unsigned int writes = WRITES;

	assert_int_equal(redirect(old, new), err);
	if (!strstr(why, text))
		fail_msg("\"%s\" does not say \"%s\"", why, text);
	assert_null(strchr(why, '\n'));
	assert_int_equal(WRITES, writes);
}

/* What the view has at @function, and that it is the base's behind the first @len bytes. */
static void check_code(const void *function, const unsigned char *code, size_t len)
{
	unsigned char seen[64], base[64];

	memcpy(base, function, sizeof(base));
	fake_read_view(view, function, seen, sizeof(seen));
	assert_memory_equal(seen, code, len);
	assert_memory_equal(seen + len, base + len, sizeof(seen) - len);
}

static void near_jump(unsigned char *code, const void *at, const void *to)
{
	int distance = (int)((const char *)to - (const char *)at - 5);

	code[0] = 0xe9;
	memcpy(code + 1, &distance, 4);
}

static void far_jump(unsigned char *code, const void *to)
{
	memcpy(code, "\xff\x25\0\0\0\0", 6);
	memcpy(code + 6, &to, 8);
}

/* A page of code that is nobody's function, at @addr if not NULL. */
static unsigned char *code_page(void *addr, int flags)
{
	unsigned char *page = mmap(addr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				   flags | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(page, MAP_FAILED);
	memset(page, 0xc3, 4096);
	return page;
}

static void a_near_function_takes_a_jump_of_five_bytes(void **state)
{
	unsigned char code[5], before[64];

	(void)state;
	memcpy(before, long_one, sizeof(before));
	near_jump(code, long_one, new_one);
	assert_int_equal(redirect(long_one, new_one), 0);
	check_code(long_one, code, 5);
	assert_memory_equal(before, long_one, sizeof(before));
	assert_string_equal(why, "");
	/* Without options too. */
	assert_int_equal(wfpatch_redirect(handle, view, behind_it, new_one, NULL), 0);
}

static void a_far_function_takes_a_jump_of_fourteen_bytes(void **state)
{
	unsigned char *far = code_page(FAR_AWAY, MAP_PRIVATE), code[14];

	(void)state;
	far_jump(code, far);
	assert_int_equal(redirect(long_one, far), 0);
	check_code(long_one, code, 14);
	munmap(far, 4096);
}

static void a_landing_pad_stays_where_it_is(void **state)
{
	unsigned char *far = code_page(FAR_AWAY, MAP_PRIVATE);
	unsigned char code[18] = { 0xf3, 0x0f, 0x1e, 0xfa };

	(void)state;
	near_jump(code + 4, (char *)landing_pad + 4, new_one);
	assert_int_equal(redirect(landing_pad, new_one), 0);
	check_code(landing_pad, code, 9);
	assert_int_equal(wfpatch_unredirect(handle, view, landing_pad, &opts), 0);
	check_code(landing_pad, code, 4);
	far_jump(code + 4, far);
	assert_int_equal(redirect(landing_pad, far), 0);
	check_code(landing_pad, code, 18);
	munmap(far, 4096);
}

static void the_same_again_is_done_already(void **state)
{
	unsigned char *far = code_page(FAR_AWAY, MAP_PRIVATE);

	(void)state;
	assert_int_equal(redirect(long_one, new_one), 0);
	assert_int_equal(redirect(landing_pad, far), 0);
	assert_int_equal(redirect(long_one, new_one), 0);
	assert_int_equal(redirect(landing_pad, far), 0);
	assert_int_equal(WRITES, 2);
	munmap(far, 4096);
}

static void another_target_is_refused(void **state)
{
	(void)state;
	assert_int_equal(redirect(long_one, new_one), 0);
	refused(long_one, behind_it, -EEXIST, "wfpatch_unredirect() it first");
	assert_int_equal(wfpatch_unredirect(handle, view, long_one, &opts), 0);
	assert_int_equal(redirect(long_one, behind_it), 0);
}

static void a_function_changed_otherwise_is_refused(void **state)
{
	(void)state;
	assert_int_equal(wfpatch_view_write(handle, view, long_one, "\x90", 1), 0);
	refused(long_one, new_one, -EEXIST, "by other means");
	assert_int_equal(wfpatch_view_write(handle, view, (char *)landing_pad + 12, "\x90", 1), 0);
	refused(landing_pad, new_one, -EEXIST, "by other means");
	assert_int_equal(wfpatch_unredirect(handle, view, long_one, &opts), -EEXIST);
	assert_non_null(strstr(why, "by other means"));
}

static void a_short_function_is_refused(void **state)
{
	unsigned char *far = code_page(FAR_AWAY, MAP_PRIVATE);

	(void)state;
	refused(four_tight, new_one, -ERANGE, "room for 4 bytes and the jump takes 5");
	refused(ten_tight, far, -ERANGE, "room for 10 bytes and the jump takes 14");
	refused(nine_landing_tight, far, -ERANGE, "room for 9 bytes and the jump takes 18");
	refused(eight_landing_tight, new_one, -ERANGE, "room for 8 bytes and the jump takes 9");
	assert_int_equal(redirect(ten_tight, new_one), 0);
	assert_int_equal(redirect(nine_landing_tight, new_one), 0);
	munmap(far, 4096);
}

static void padding_is_room_too(void **state)
{
	unsigned char *far = code_page(FAR_AWAY, MAP_PRIVATE), code[14];

	(void)state;
	far_jump(code, far);
	assert_int_equal(redirect(three_padded, far), 0);
	check_code(three_padded, code, 14);
	munmap(far, 4096);
}

/* The size is known from the symbol, which the program exports. */
static void a_function_without_unwind_entry_is_known_by_its_symbol(void **state)
{
	unsigned char *far = code_page(FAR_AWAY, MAP_PRIVATE);

	(void)state;
	assert_int_equal(redirect(no_unwind_tight, far), 0);
	munmap(far, 4096);
}

static void code_of_unknown_size_is_refused_unless_told(void **state)
{
	unsigned char *page = code_page(NULL, MAP_PRIVATE), code[14];

	(void)state;
	refused(page + 100, new_one, -ENODATA, "old_size");
	opts.old_size = 14;
	far_jump(code, new_one);
	assert_int_equal(redirect(page + 100, new_one), 0);
	check_code(page + 100, code, 14);
	/* Not behind the end of the mapping, whatever the size. */
	opts.old_size = 100;
	refused(page + 4092, new_one, -ERANGE, "room for 4 bytes");
	munmap(page, 4096);
}

static void the_middle_of_a_function_is_refused(void **state)
{
	(void)state;
	refused((char *)long_one + 3, new_one, -EINVAL, "not the beginning of a function");
}

static void what_is_not_code_is_refused(void **state)
{
	static int data;

	(void)state;
	refused(&data, new_one, -ENOEXEC, "the old function");
	refused(long_one, &data, -ENOEXEC, "the new function");
	refused((void *)4096, new_one, -EFAULT, "is not mapped");
	refused(long_one, (void *)4096, -EFAULT, "is not mapped");
}

static void a_shared_mapping_is_refused(void **state)
{
	unsigned char *page = code_page(NULL, MAP_SHARED);

	(void)state;
	opts.old_size = 100;
	refused(page, new_one, -EACCES, "shared mapping");
	munmap(page, 4096);
}

static void code_that_cannot_be_read_takes_no_far_jump(void **state)
{
	unsigned char *far = code_page(FAR_AWAY, MAP_PRIVATE), *page = code_page(NULL, MAP_PRIVATE);

	(void)state;
	assert_int_equal(mprotect(page, 4096, PROT_EXEC), 0);
	opts.old_size = 100;
	refused(page, far, -ERANGE, "code that cannot be read");
	assert_int_equal(redirect(page, page + 2048), 0);
	munmap(page, 4096);
	munmap(far, 4096);
}

static void a_new_function_under_the_jump_is_refused(void **state)
{
	(void)state;
	refused(long_one, long_one, -EINVAL, "lies where the jump is written");
	refused(long_one, (char *)long_one + 4, -EINVAL, "lies where the jump is written");
	assert_int_equal(redirect(long_one, (char *)long_one + 5), 0);
}

static void only_views_without_threads_are_changed(void **state)
{
	(void)state;
	fake_add_thread(50, view);
	refused(long_one, new_one, -EBUSY, "1 threads run in view");
	assert_int_equal(wfpatch_unredirect(handle, view, long_one, &opts), -EBUSY);
	assert_int_equal(wfpatch_view_delete(handle, view), 0);
	refused(long_one, new_one, -ENOENT, "there is no view 1");
	view = 0;
	refused(long_one, new_one, -EINVAL, "make a view");
	view = 77;
	refused(long_one, new_one, -ENOENT, "there is no view 77");
}

static void unredirect_puts_the_base_back(void **state)
{
	unsigned char *far = code_page(FAR_AWAY, MAP_PRIVATE);

	(void)state;
	/* A neighbour that is redirected does not matter. */
	assert_int_equal(redirect(ten_tight, new_one), 0);
	assert_int_equal(redirect(nine_landing_tight, new_one), 0);
	assert_int_equal(redirect(behind_it, far), 0);
	assert_int_equal(wfpatch_unredirect(handle, view, ten_tight, &opts), 0);
	assert_int_equal(wfpatch_unredirect(handle, view, nine_landing_tight, NULL), 0);
	assert_int_equal(wfpatch_unredirect(handle, view, behind_it, &opts), 0);
	check_code(ten_tight, (unsigned char *)ten_tight, 10);
	assert_int_equal(wfpatch_unredirect(handle, view, ten_tight, &opts), -ENOENT);
	assert_non_null(strstr(why, "not redirected"));
	assert_int_equal(wfpatch_unredirect(handle, view, (void *)4096, &opts), -EFAULT);
	munmap(far, 4096);
}

static void errors_of_the_kernel_come_with_a_text(void **state)
{
	(void)state;
	fake_fail(WFPATCH_IOC_VIEW_WRITE, ENOSPC, 1);
	assert_int_equal(redirect(long_one, new_one), -ENOSPC);
	assert_non_null(strstr(why, strerror(ENOSPC)));
	fake_fail(WFPATCH_IOC_VIEW_READ, ESRCH, 1);
	assert_int_equal(redirect(four_tight, new_one), -ESRCH);
	assert_non_null(strstr(why, strerror(ESRCH)));
	fake_fail(WFPATCH_IOC_LIST_VIEWS, EPERM, 1);
	refused(long_one, new_one, -EPERM, strerror(EPERM));
	/* Room for a part of it, or for nothing. */
	opts.err_size = 8;
	memset(why, 'x', sizeof(why));
	assert_int_equal(redirect(four_tight, new_one), -ERANGE);
	assert_int_equal(strlen(why), 7);
	assert_int_equal(why[8], 'x');
	opts.err_size = 0;
	assert_int_equal(redirect(four_tight, new_one), -ERANGE);
	assert_int_equal(strlen(why), 7);
}

static void options_are_checked(void **state)
{
	(void)state;
	opts.sz = 3;
	assert_int_equal(redirect(long_one, new_one), -EINVAL);
	assert_int_equal(wfpatch_unredirect(handle, view, long_one, &opts), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_near_function_takes_a_jump_of_five_bytes),
		TEST(a_far_function_takes_a_jump_of_fourteen_bytes),
		TEST(a_landing_pad_stays_where_it_is),
		TEST(the_same_again_is_done_already),
		TEST(another_target_is_refused),
		TEST(a_function_changed_otherwise_is_refused),
		TEST(a_short_function_is_refused),
		TEST(padding_is_room_too),
		TEST(a_function_without_unwind_entry_is_known_by_its_symbol),
		TEST(code_of_unknown_size_is_refused_unless_told),
		TEST(the_middle_of_a_function_is_refused),
		TEST(what_is_not_code_is_refused),
		TEST(a_shared_mapping_is_refused),
		TEST(code_that_cannot_be_read_takes_no_far_jump),
		TEST(a_new_function_under_the_jump_is_refused),
		TEST(only_views_without_threads_are_changed),
		TEST(unredirect_puts_the_base_back),
		TEST(errors_of_the_kernel_come_with_a_text),
		TEST(options_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
