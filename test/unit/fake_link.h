/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A linker that is played: three small functions of the test program, and patches for them whose
 * images have the header and the jumps that real ones have. It takes the places of wf_link(),
 * wf_image_free() and wf_points_into().
 */
#ifndef FAKE_LINK_H
#define FAKE_LINK_H

#include <stdint.h>
#include <wfpatch/apply.h>
#include "patch.h"

#define PAGE 4096UL
#define NR_FUNCTIONS 3
#define FUNCTION_SIZE 64
#define TEXT 2048 /* of an image: behind its header */

extern unsigned char *code;	  /* the functions that are patched */
extern uint64_t pointer;	  /* what wf_points_into() finds */
extern unsigned int nr_asked;	  /* how often */
extern void (*before_link)(void); /* called when wf_link() is done */

int call(unsigned int function);
/* Write a function that returns a value. */
void make_function(unsigned char *at, int value);

struct patch {
	struct wfpatch_patch file;
	struct wfpatch_patch_function functions[NR_FUNCTIONS];
	unsigned int numbers[NR_FUNCTIONS];
	int value; /* function n returns this + n */
	const char *replaces;
};

/* A patch for some of the functions: a mask. The patch called "unfit" is refused by the linker. */
struct patch make_patch(const char *name, unsigned int mask, int value, const char *replaces);

#endif
