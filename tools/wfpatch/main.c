// SPDX-License-Identifier: GPL-2.0
/* wfpatch: patches running processes. Which commands there are, and their help. */
#include <stdlib.h>
#include <string.h>
#include "tool.h"

/* Live tracing is left out where it cannot be built: it needs libbpf and a compiler for BPF. */
int wf_cmd_trace(int argc, char **argv) __attribute__((weak));

static int cmd_help(const struct options *options);

static const struct command commands[] = {
	{ "apply", "FILE {--pid PID... | --all} [OPTION...]",
	  "Apply a patch to running processes, without stopping them.", "patnedwqj", 1, 1,
	  cmd_apply },
	{ "revert", "{NAME | ID | FILE} {--pid PID... | --all} [OPTION...]",
	  "Take an applied patch back.", "patnedwqj", 1, 1, cmd_revert },
	{ "check", "FILE {--pid PID... | --all} [OPTION...]",
	  "Say whether a patch would apply to processes, and if not why.", "padqj", 1, 1,
	  cmd_check },
	{ "status", "--pid PID... [OPTION...]",
	  "Show the patches in a process, in the order in which they were applied.", "pwj", 0, 0,
	  cmd_status },
	{ "list", "[OPTION...]", "Show all processes that have patches.", "wj", 0, 0, cmd_list },
	{ "info", "FILE [OPTION...]", "Show what a patch file contains.", "j", 1, 1, cmd_info },
	{ "pack", "OBJECT --target FILE --replace OLD[=NEW]... --output FILE [OPTION...]",
	  "Make a patch file from a relocatable object with the new functions.",
	  "TRodNVDACSPLqj", 1, 1, cmd_pack },
	{ "diff", "{--source DIR --diff FILE --make COMMAND --target PATH | --debian PACKAGE --diff FILE | --old OBJECT... --new OBJECT...} [OPTION...]",
	  "Say what a patch for a change of a program would contain, and why.", "YGFMTOWZKXqj", 0,
	  0, cmd_diff },
	{ "build", "{--source DIR --diff FILE --make COMMAND | --debian PACKAGE --diff FILE | --old OBJECT... --new OBJECT...} --target FILE --output FILE [OPTION...]",
	  "Make a patch file from a change of a program's source, or from its objects before and after.",
	  "YGFMTOWoBdZKXNVDACSPqj", 0, 0, cmd_build },
	{ "trace", "[OPTION...]", "Show live what happens to processes with views.", "", 0, 0,
	  NULL },
	{ "help", "[COMMAND]", "Print help.", "", 0, 1, cmd_help },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static void print_help(FILE *file)
{
	size_t i;

	fputs("usage: wfpatch COMMAND [ARGUMENT...]\n\n"
	      "Patches running processes without stopping them.\n\n",
	      file);
	for (i = 0; i < NR_COMMANDS; i++) {
		if (commands[i].run || wf_cmd_trace)
			fprintf(file, "  %-8s %s\n", commands[i].name, commands[i].summary);
	}
	fputs("\n'wfpatch help COMMAND' or 'wfpatch COMMAND --help' lists a command's options.\n"
	      "\nExit status:\n"
	      "  0  done\n"
	      "  1  wrong options, or a file that cannot be read or is not a patch\n"
	      "  2  refused: the patch cannot be made, applied to, or taken from, this process\n"
	      "  3  timed out or cancelled: everything was taken back\n"
	      "  4  no such process, or the patch is not applied to it\n"
	      "  5  permission denied\n"
	      "  6  the kernel module is not loaded, or too old\n"
	      "  7  nothing to do: applied already, or nothing to patch\n"
	      "  8  out of memory, or another failure of the system's\n"
	      "With several processes: that of the first that failed, and 7 only if nothing was to be done.\n",
	      file);
}

static int unknown_command(const char *name)
{
	return complain(STATUS_USAGE, "no command '%s': 'wfpatch help' lists them", name);
}

static int run_trace(int argc, char **argv)
{
	if (!wf_cmd_trace)
		return complain(STATUS_USAGE, "this wfpatch was built without 'trace'");
	return wf_cmd_trace(argc, argv);
}

static int cmd_help(const struct options *options)
{
	char name[] = "trace", help[] = "--help", *argv[] = { name, help, NULL };
	const struct command *command;

	if (!options->nr_args) {
		print_help(stdout);
		return STATUS_DONE;
	}
	command = find_command(options->args[0]);
	if (!command)
		return unknown_command(options->args[0]);
	if (!command->run)
		return run_trace(2, argv);
	options_help(command, stdout);
	return STATUS_DONE;
}

int main(int argc, char **argv)
{
	const struct command *command;
	struct options options;
	int status;

	if (argc < 2) {
		print_help(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_help(stdout);
		return STATUS_DONE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("wfpatch " TOOL_VERSION);
		return STATUS_DONE;
	}
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	if (!command->run)
		return run_trace(argc - 1, argv + 1);

	status = options_parse(command, argc - 1, argv + 1, &options);
	if (status < 0)
		status = command->run(&options);
	options_free(&options);
	/* What could not be written was not told. */
	if ((fflush(stdout) || ferror(stdout)) && !status)
		status = complain(STATUS_SYSTEM, "cannot write to standard output");
	return status;
}
