/* SPDX-License-Identifier: GPL-2.0 */
/* What stands in the way of a patch: each with its place, the reason, and a way out. */
#ifndef FINDINGS_H
#define FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

enum finding_kind {
	FINDING_FILE,        /* not an object that can be compared */
	FINDING_COMPILER,    /* old and new were built by different compilers or with other options */
	FINDING_LTO,         /* there is no code in the object yet */
	FINDING_LAYOUT,      /* a type that live objects may have is laid out differently */
	FINDING_SIGNATURE,   /* a function with callers that stay takes or returns something else */
	FINDING_DATA,        /* a variable that exists begins with another value */
	FINDING_SIZE,        /* a variable that exists has another size */
	FINDING_CONSTRUCTOR, /* code that runs when a program starts is new or changed */
	FINDING_TLS,         /* thread-local variables are new or changed */
	FINDING_ASSEMBLY,    /* a section that only its author understands has changed */
	FINDING_VERSION,     /* the versions of symbols have changed */
	FINDING_AMBIGUOUS,   /* it cannot be told which variable of the old program is meant */
	FINDING_VTABLE,      /* a table of virtual functions that live objects use has changed */
	FINDING_SHORT,       /* no room for the jump */
	FINDING_QUIESCENCE,  /* threads never leave the function */
	FINDING_TARGET,      /* the old objects are not what the target was made of */
	FINDING_KINDS,
};

/* What --allow and JSON call it. */
const char *finding_name(enum finding_kind kind);
/* Its number, or -1. */
int finding_kind(const char *name);
/* May the user say that it is all right? */
bool finding_may_be_allowed(enum finding_kind kind);

struct finding {
	enum finding_kind kind;
	char *place;   /* file, function or variable */
	char *reason;  /* what was found */
	char *way_out; /* what to do */
	bool allowed;
};

struct findings {
	struct finding *list;
	size_t nr;
	unsigned int allowed; /* bits of kinds */
};

/* Note one; @way_out may have no directives. The same twice is noted once. */
void found(struct findings *findings, enum finding_kind kind, const char *place,
	   const char *way_out, const char *reason, ...) __attribute__((format(printf, 5, 6)));
/* How many of them are not allowed. */
size_t findings_refused(const struct findings *findings);
void findings_free(struct findings *findings);

#endif
