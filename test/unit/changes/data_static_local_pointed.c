// SPDX-License-Identifier: GPL-2.0
/*
 * A function's own variable that only another of its variables leads to: the debug information does not
 * say where it is.
 * verdict: can be patched
 * replaced: f
 */
extern char **environ;
long convert(const char *text);

long f(const char *text)
{
	static char zone[] = "TZ=GMT0";
	static char *zone_list[] = { zone, 0 };
	char **saved = environ;
	long value;

	environ = zone_list;
	value = convert(text);
	environ = saved;
#ifdef NEW
	return value < 0 ? 0 : value;
#else
	return value;
#endif
}
