// SPDX-License-Identifier: GPL-2.0
/*
 * A macro of the program's own with __LINE__.
 * verdict: nothing to patch
 * lines: f
 */
void log_it(const char *file, int line, const char *what);
#define LOG(what) log_it("here.c", __LINE__, what)
#ifdef NEW
#line 5200
#else
#line 5100
#endif
void f(int x)
{
	if (x > 3)
		LOG("many");
	LOG("done");
}
