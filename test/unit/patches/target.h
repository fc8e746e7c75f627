/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of the program to be patched. */
#ifndef TARGET_H
#define TARGET_H

int other_same(int n);
int target_main(void);

#endif
