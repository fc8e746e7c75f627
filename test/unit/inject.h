/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Puts a linked image into a process the old way, for tests without the kernel module: ptrace stops its
 * only thread, makes it map the image, and writes the changed bytes.
 */
#ifndef INJECT_H
#define INJECT_H

#include "image.h"

/* The thread must be in none of the image's spans; a return address there is not looked for. */
void inject(pid_t pid, const struct wf_image *image);
/* Put the old bytes back, and unmap the image. */
void take_out(pid_t pid, const struct wf_image *image);
/* Only unmap it: nothing leads there any more. */
void unmap(pid_t pid, const struct wf_image *image);
/* The bytes only: what is there goes to @image->writes[].old; and back. */
void poke(pid_t pid, struct wf_image *image);
void unpoke(pid_t pid, const struct wf_image *image);

#endif
