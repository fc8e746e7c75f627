/* SPDX-License-Identifier: GPL-2.0 */
/* The plain pair of functions, for programs in which something else is of interest. */
#ifndef ZOO_PAIR_H
#define ZOO_PAIR_H

#ifdef __cplusplus
extern "C" {
#endif

/* Both compute for about @microseconds. */
int outer(unsigned int microseconds);
int inner(unsigned int microseconds);

#ifdef __cplusplus
}
#endif

#endif
