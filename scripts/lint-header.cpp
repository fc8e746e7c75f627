// SPDX-License-Identifier: GPL-2.0
/*
 * The library's header in C++, for scripts/lint: every call that the library exports is named here,
 * and every inline and macro used. exported.inc is made from userlib/libwfpatch.map. Run without
 * the device, it checks that the calls do what they promise there.
 */
#include <cerrno>
#include <cstddef>
#include <wfpatch.h>
#include <wfpatch/apply.h>
#include <wfpatch/patch.h>

namespace {

typedef void (*any_function)();

#define EXPORTED(name) reinterpret_cast<any_function>(&name),
const any_function exported[] = {
#include "exported.inc"
};

WFPATCH_REPLACEABLE int version(int n)
{
	return n + 1;
}

struct worker {
	int turns;
	worker() : turns(0) {}
	/* A point in an inline member, of which each file that includes this would have a copy. */
	void turn()
	{
		wfpatch_quiesce();
		turns = version(turns);
	}
};

template <typename Work> void repeat(int n, Work work)
{
	for (; n > 0; n--) {
		wfpatch_quiesce();
		work();
	}
}

extern "C" int ignore_event(const struct wfpatch_event *, void *)
{
	return 0;
}

} // namespace

/* With other linkage than the inline that it calls. */
inline void global_point()
{
	wfpatch_quiesce();
}

int use_header()
{
	struct wfpatch_open_opts opts = wfpatch_open_opts();
	struct wfpatch_wait_opts wait = wfpatch_wait_opts();
	struct wfpatch *handle = NULL;
	worker w;

	opts.sz = sizeof(opts);
	opts.path = "/nonexistent";
	wait.sz = sizeof(wait);
	wait.on_event = ignore_event;
	if (wfpatch_open(&handle, &opts) != -ENOENT || handle)
		return 1;
	wfpatch_close(handle);
#if __cplusplus >= 202002L
	/* C++ has had names in initializers since then. */
	WFPATCH_OPTS(wfpatch_open_opts, named, .path = "/nonexistent", .flags = 0, .reserved = 0,
		     .message = nullptr, .message_size = 0);
	if (wfpatch_open(&handle, &named) != -ENOENT || named.sz != opts.sz)
		return 2;
#endif
	repeat(3, [&w]() { w.turn(); });
	global_point();
	for (std::size_t i = 0; i < sizeof(exported) / sizeof(exported[0]); i++)
		if (!exported[i])
			return 3;
	return w.turns == 3 && !wfpatch_status_page.status.seq ? 0 : 4;
}

/* A shared library has the inlines, too. */
#ifndef NO_MAIN
int main()
{
	return use_header();
}
#endif
