/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs share that are patched from outside: functions to replace, a clock, and the
 * command that patches. It is a line for the shell, with PATCH_PID, the process, and PATCH_WORK, the
 * address of the number that work() returns, in its environment.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdint.h>
#include <sys/types.h>

/*
 * These return 1, and 2 once they are replaced. compute() does something for @rounds first, and
 * inside() stays for so long, which its new code does not.
 */
int work(void);
int compute(unsigned int rounds);
int inside(unsigned int ms);

/* Ends the program with a message and errno's text. */
__attribute__((noreturn)) void target_fail(const char *what);
uint64_t target_ns(void);
void target_sleep(uint64_t ns);

/* Start the command, and wait for it; it must succeed. */
pid_t target_begin(const char *line);
void target_end(pid_t pid);

#endif
