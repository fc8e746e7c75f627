/* SPDX-License-Identifier: GPL-2.0 */
/* Runs other programs and keeps what they print. */
#ifndef TEST_PROGRAM_H
#define TEST_PROGRAM_H

/* All that the last program printed, to either stream. */
extern char program_output[16384];

/*
 * Runs a program to its end and returns its exit status. The arguments end with NULL. A program
 * that cannot be run, or is killed by a signal, fails the test.
 */
int program_run(const char *path, ...) __attribute__((sentinel));

#endif /* TEST_PROGRAM_H */
