/* SPDX-License-Identifier: GPL-2.0 */
/* Between fake.c and fake_model.c. */
#ifndef FAKE_MODEL_H
#define FAKE_MODEL_H

#include <stdbool.h>
#include <wfpatch.h>

int model_reset(void);
int model_open(void);
void model_close(int fd);
bool model_is_handle(int fd);
void model_use(int fd);
int model_request(int fd, unsigned long cmd, void *arg);	/* 0 or a negative errno */
bool model_has_event(int fd);
bool model_next_event(int fd, struct wfpatch_event *event);

#endif
