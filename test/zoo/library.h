/* SPDX-License-Identifier: GPL-2.0 */
/* libzoo_library.so */
#ifndef ZOO_LIBRARY_H
#define ZOO_LIBRARY_H

/* @look is called in the midst of it. */
int library_answer(int (*look)(void));
int library_detail(void);

#endif
