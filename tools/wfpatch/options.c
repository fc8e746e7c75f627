// SPDX-License-Identifier: GPL-2.0
/* The options of all commands: one table, from which they are parsed and explained. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "tool.h"

struct option_text {
	char letter;	  /* in command.options; also the short form, but for capitals */
	const char *name; /* the long form */
	const char *arg;  /* NULL if it has none */
	const char *text;
};

/* The manual page has the same texts; the tests compare them. */
static const struct option_text table[] = {
	{ 'p', "pid", "PID", "this process; may be given several times" },
	{ 'a', "all", NULL, "every process that the patch concerns" },
	{ 't', "timeout", "SECONDS", "take everything back after this time; 30, 0 for never" },
	{ 'n', "dry-run", NULL, "check everything, change nothing" },
	{ 'e', "explicit-only", NULL, "threads come over at wfpatch_quiesce() only" },
	{ 'd', "debug", "FILE", "file with the target's symbols" },
	{ 'w', "watch", NULL, "show every thread or process that there is, again and again" },
	{ 'q', "quiet", NULL, "say nothing but errors" },
	{ 'T', "target", "FILE", "program or library that the patch is for" },
	{ 'R', "replace", "OLD[=NEW]", "function to replace; FILE.c:OLD for one of several" },
	{ 'Y', "source", "DIR", "source tree of the program as it is" },
	{ 'G', "debian", "PACKAGE[=VERSION]", "Debian package that the program is from" },
	{ 'F', "diff", "FILE", "the change, as diff -u or git diff writes it" },
	{ 'M', "make", "COMMAND", "shell command that builds the tree, run in a copy of it" },
	{ 'B', "binary", "FILE", "what runs, if that is not the one in the tree" },
	{ 'Z', "cache", "DIR", "where to build" },
	{ 'O', "old", "OBJECT...", "object files of the program as it is" },
	{ 'W', "new", "OBJECT...", "those of the changed one, in the same order" },
	{ 'o', "output", "FILE", "patch file to write" },
	{ 'N', "name", "NAME", "name of the patch; that of the patch file by default" },
	{ 'V', "version", "TEXT", "its version" },
	{ 'D', "description", "TEXT", "what it does" },
	{ 'A', "author", "TEXT", "who made it" },
	{ 'C', "cve", "ID", "a CVE number; may be given several times" },
	{ 'S', "replaces", "NAME", "an applied patch that this one takes the place of" },
	{ 'P', "hook-point", "NAME", "function at whose call a hook may run; may be several" },
	{ 'L', "leave-variants", NULL, "compiler's variants of a replaced function may stay" },
	{ 'K', "keep-line-changes", NULL, "replace what differs in numbers of source lines only" },
	{ 'X', "allow", "KIND", "do not refuse for this reason; may be given several times" },
	{ 'j', "json", NULL, "print JSON" },
	{ 'h', "help", NULL, "print this help" },
};

#define NR_OPTIONS (sizeof(table) / sizeof(table[0]))

static bool has_option(const struct command *command, char letter)
{
	return letter == 'h' || strchr(command->options, letter);
}

static bool has_short(char letter)
{
	return letter >= 'a' && letter <= 'z';
}

void options_help(const struct command *command, FILE *file)
{
	char left[40];
	size_t i;

	fprintf(file, "usage: wfpatch %s %s\n\n%s\n\n", command->name, command->args,
		command->summary);
	for (i = 0; i < NR_OPTIONS; i++) {
		if (!has_option(command, table[i].letter))
			continue;
		if (has_short(table[i].letter))
			snprintf(left, sizeof(left), "-%c, --%s%s%s", table[i].letter,
				 table[i].name, table[i].arg ? " " : "",
				 table[i].arg ? table[i].arg : "");
		else
			snprintf(left, sizeof(left), "    --%s%s%s", table[i].name,
				 table[i].arg ? " " : "", table[i].arg ? table[i].arg : "");
		fprintf(file, "  %-26s %s\n", left, table[i].text);
	}
}

static int wrong(const struct command *command, const char *what, const char *value)
{
	return complain(STATUS_USAGE, "%s '%s': see 'wfpatch help %s'", what, value, command->name);
}

static int no_memory(void)
{
	return complain(STATUS_SYSTEM, "out of memory");
}

static int add_text(struct texts *texts, const char *text)
{
	const char **bigger = reallocarray(texts->list, texts->nr + 1UL, sizeof(*bigger));

	if (!bigger)
		return no_memory();
	texts->list = bigger;
	texts->list[texts->nr++] = text;
	return -1;
}

static int add_pid(const struct command *command, struct options *o, const char *text)
{
	pid_t *bigger;
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || end == text || *end || pid <= 0 || pid > INT_MAX)
		return wrong(command, "not a process id:", text);
	bigger = reallocarray(o->pids, o->nr_pids + 1UL, sizeof(*bigger));
	if (!bigger)
		return no_memory();
	o->pids = bigger;
	o->pids[o->nr_pids++] = (pid_t)pid;
	return -1;
}

static int set_timeout(const struct command *command, struct options *o, const char *text)
{
	double seconds;
	char *end;

	errno = 0;
	seconds = strtod(text, &end);
	/* Written so that NaN is refused as well. */
	if (errno || end == text || *end || !(seconds >= 0) || seconds >= UINT_MAX / 1000)
		return wrong(command, "not a number of seconds:", text);
	o->timeout_ms = (unsigned int)(seconds * 1000);
	if (seconds > 0 && !o->timeout_ms)
		o->timeout_ms = 1;
	if (!o->timeout_ms)
		o->timeout_ms = UINT_MAX;
	return -1;
}

static int set_option(const struct command *command, struct options *o, char letter, char *value)
{
	switch (letter) {
	case 'p':
		return add_pid(command, o, value);
	case 't':
		return set_timeout(command, o, value);
	case 'R':
		return add_text(&o->replace, value);
	case 'O':
		return add_text(&o->old, value);
	case 'W':
		return add_text(&o->new, value);
	case 'X':
		return add_text(&o->allow, value);
	case 'C':
		return add_text(&o->cves, value);
	case 'S':
		return add_text(&o->replaces, value);
	case 'P':
		return add_text(&o->hook_points, value);
	case 'h':
		options_help(command, stdout);
		return STATUS_DONE;
	case 'a':
		o->all = true;
		break;
	case 'n':
		o->dry_run = true;
		break;
	case 'e':
		o->explicit_only = true;
		break;
	case 'd':
		o->debug = value;
		break;
	case 'w':
		o->watch = true;
		break;
	case 'q':
		o->quiet = true;
		break;
	case 'j':
		o->json = true;
		break;
	case 'L':
		o->leave_variants = true;
		break;
	case 'K':
		o->keep_lines = true;
		break;
	case 'Y':
		o->source = value;
		break;
	case 'G':
		o->debian = value;
		break;
	case 'F':
		o->diff = value;
		break;
	case 'M':
		o->make = value;
		break;
	case 'B':
		o->binary = value;
		break;
	case 'Z':
		o->cache = value;
		break;
	case 'T':
		o->target = value;
		break;
	case 'o':
		o->output = value;
		break;
	case 'N':
		o->name = value;
		break;
	case 'V':
		o->version = value;
		break;
	case 'D':
		o->description = value;
		break;
	case 'A':
		o->author = value;
		break;
	}
	return -1;
}

int options_parse(const struct command *command, int argc, char **argv, struct options *options)
{
	struct option longs[NR_OPTIONS + 1] = { 0 };
	/* What is no option comes in its place: it may belong to the one before it. */
	char shorts[2 * NR_OPTIONS + 3] = "-:", *end = shorts + 2;
	struct texts *list = NULL;
	size_t i, nr = 0;
	int letter, status = -1;

	for (i = 0; i < NR_OPTIONS; i++) {
		if (!has_option(command, table[i].letter))
			continue;
		longs[nr].name = table[i].name;
		longs[nr].has_arg = table[i].arg ? required_argument : no_argument;
		longs[nr++].val = table[i].letter;
		if (!has_short(table[i].letter))
			continue;
		*end++ = table[i].letter;
		if (table[i].arg)
			*end++ = ':';
	}
	*end = '\0';

	memset(options, 0, sizeof(*options));
	opterr = 0;
	optind = 1;
	while (status < 0 && (letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (letter == '?')
			status =
				wrong(command,
				      "unknown or ambiguous option, or a value where none belongs:",
				      argv[optind - 1]);
		else if (letter == ':')
			status = wrong(command, "no value given to", argv[optind - 1]);
		else if (letter == 1)
			status = add_text(list ? list : &options->plain, optarg);
		else
			status = set_option(command, options, (char)letter, optarg);
		if (letter != 1)
			list = letter == 'O' ? &options->old :
			       letter == 'W' ? &options->new : NULL;
	}
	for (; status < 0 && optind < argc; optind++)
		status = add_text(&options->plain, argv[optind]) < 0 ? -1 : STATUS_SYSTEM;
	if (status >= 0)
		return status;
	options->args = options->plain.list;
	options->nr_args = (int)options->plain.nr;
	if (options->nr_args < command->min_args)
		return complain(STATUS_USAGE, "usage: wfpatch %s %s", command->name, command->args);
	if (options->nr_args > command->max_args)
		return wrong(command, "one argument too many:", options->args[command->max_args]);
	return -1;
}

void options_free(struct options *options)
{
	free(options->pids);
	free(options->replace.list);
	free(options->cves.list);
	free(options->replaces.list);
	free(options->hook_points.list);
	free(options->old.list);
	free(options->new.list);
	free(options->allow.list);
	free(options->plain.list);
}
