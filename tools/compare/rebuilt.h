/* SPDX-License-Identifier: GPL-2.0 */
/* rebuilt.c: is a program that was built once more the one that runs? */
#ifndef REBUILT_H
#define REBUILT_H

enum rebuilt {
	REBUILT_SAME,	   /* by its build-id */
	REBUILT_SAME_CODE, /* all that gets into memory is the same but for the build-id */
	REBUILT_OTHER,
	REBUILT_UNREADABLE,
};

/* Compare two programs or libraries. If they are not the same, or one cannot be read, *@why says it; free it. */
enum rebuilt rebuilt_compare(const char *stock, const char *again, char **why);

/*
 * Write a copy of @again, which has the same code, to @path, with the build-id of @stock: a file with
 * the symbols of @stock, as any debugger takes it. 0, or a negative errno.
 */
int rebuilt_copy(const char *stock, const char *again, const char *path);

/* The compilers that have built it, if it still says so; NULL. Free it. */
char *rebuilt_compiler(const char *path);

#endif
