// SPDX-License-Identifier: GPL-2.0
/* Names as compilers make them, and memory: see unit.h. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "unit.h"

/* A tool that has no memory left can do nothing better than to say so. */
static void *have(void *memory)
{
	if (!memory) {
		fputs("wfpatch: out of memory\n", stderr);
		exit(8);
	}
	return memory;
}

void *allocate(size_t nr, size_t size)
{
	return have(calloc(nr ? nr : 1, size));
}

void *enlarge(void *array, size_t nr, size_t size)
{
	return have(reallocarray(array, nr, size));
}

char *text(const char *format, ...)
{
	va_list args;
	char *line;
	int len;

	va_start(args, format);
	len = vasprintf(&line, format, args);
	va_end(args);
	return have(len < 0 ? NULL : line);
}

bool is_cxx_local(const char *name)
{
	return !strncmp(name, "_ZZ", 3) || !strncmp(name, "_ZGVZ", 5);
}

/* Where the number ends a name as "_ZZ1fiE5count_0" or "_ZZ1fiE5count__10_"; its end if it has none. */
static size_t cxx_number(const char *name)
{
	size_t len = strlen(name), at = len;

	if (at > 1 && name[at - 1] == '_')
		at--;
	while (at && isdigit((unsigned char)name[at - 1]))
		at--;
	if (!at || name[at - 1] != '_' || at == len)
		return len;
	at--;
	return at && name[len - 1] == '_' && name[at - 1] == '_' ? at - 1 : at;
}

size_t base_name(const char *name, char *base, size_t size)
{
	size_t len = 0, digits;

	if (is_cxx_local(name)) {
		len = cxx_number(name);
		len = len < size ? len : size - 1;
		memcpy(base, name, len);
		base[len] = 0;
		return len;
	}

	while (*name && len + 1 < size) {
		digits = *name == '.' ? strspn(name + 1, "0123456789") : 0;
		if (digits && (!name[1 + digits] || name[1 + digits] == '.'))
			name += 1 + digits;
		else
			base[len++] = *name++;
	}
	base[len] = 0;
	return len;
}

bool same_base(const char *one, const char *other)
{
	char first[BASE_MAX], second[BASE_MAX];

	base_name(one, first, sizeof(first));
	base_name(other, second, sizeof(second));
	return !strcmp(first, second);
}

size_t piece_of(const char *name)
{
	const char *found = strstr(name, ".cold");

	if (!found || found == name || (found[5] && found[5] != '.'))
		return 0;
	return (size_t)(found - name);
}
