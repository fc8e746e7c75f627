// SPDX-License-Identifier: GPL-2.0
/* See findings.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "findings.h"
#include "unit.h"

/* What cannot be right whatever the user knows is not to be allowed. */
static const struct {
	const char *name;
	bool may_be_allowed;
} kinds[FINDING_KINDS] = {
	[FINDING_FILE] = { "file", false },
	[FINDING_COMPILER] = { "compiler", true },
	[FINDING_LTO] = { "lto", false },
	[FINDING_LAYOUT] = { "layout", true },
	[FINDING_SIGNATURE] = { "signature", true },
	[FINDING_DATA] = { "data", true },
	[FINDING_SIZE] = { "size", false },
	[FINDING_CONSTRUCTOR] = { "constructor", true },
	[FINDING_TLS] = { "tls", false },
	[FINDING_ASSEMBLY] = { "assembly", false },
	[FINDING_VERSION] = { "version", true },
	[FINDING_AMBIGUOUS] = { "ambiguous", false },
	[FINDING_VTABLE] = { "vtable", false },
	[FINDING_SHORT] = { "short", false },
	[FINDING_QUIESCENCE] = { "quiescence", true },
	[FINDING_TARGET] = { "target", false },
};

const char *finding_name(enum finding_kind kind)
{
	return kinds[kind].name;
}

int finding_kind(const char *name)
{
	int i;

	for (i = 0; i < FINDING_KINDS; i++) {
		if (!strcmp(kinds[i].name, name))
			return i;
	}
	return -1;
}

bool finding_may_be_allowed(enum finding_kind kind)
{
	return kinds[kind].may_be_allowed;
}

void found(struct findings *findings, enum finding_kind kind, const char *place,
	   const char *way_out, const char *reason, ...)
{
	struct finding *finding;
	char *line = NULL;
	va_list args;
	size_t i;

	va_start(args, reason);
	if (vasprintf(&line, reason, args) < 0)
		line = NULL;
	va_end(args);
	line = line ? line : text("out of memory");
	for (i = 0; i < findings->nr; i++) {
		finding = &findings->list[i];
		if (finding->kind == kind && !strcmp(finding->place, place) &&
		    !strcmp(finding->reason, line)) {
			free(line);
			return;
		}
	}
	findings->list = enlarge(findings->list, findings->nr + 1, sizeof(*findings->list));
	finding = &findings->list[findings->nr++];
	finding->kind = kind;
	finding->place = text("%s", place);
	finding->reason = line;
	finding->way_out = text("%s", way_out);
	finding->allowed = kinds[kind].may_be_allowed && (findings->allowed & (1U << kind));
}

size_t findings_refused(const struct findings *findings)
{
	size_t i, nr = 0;

	for (i = 0; i < findings->nr; i++)
		nr += !findings->list[i].allowed;
	return nr;
}

void findings_free(struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->nr; i++) {
		free(findings->list[i].place);
		free(findings->list[i].reason);
		free(findings->list[i].way_out);
	}
	free(findings->list);
	findings->list = NULL;
	findings->nr = 0;
}
