// SPDX-License-Identifier: GPL-2.0
/*
 * hold view: makes a view, says so and keeps it until it is killed. hold open: the same without a
 * view. An error is said with the library's message.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wfpatch.h>

int main(int argc, char **argv)
{
	char message[256];
	struct wfpatch *handle;
	unsigned int view;
	int err;
	WFPATCH_OPTS(wfpatch_open_opts, opts, .message = message, .message_size = sizeof(message));

	if (argc != 2)
		return 2;
	if (wfpatch_open(&handle, &opts)) {
		puts(message);
		return 1;
	}
	if (!strcmp(argv[1], "view")) {
		err = wfpatch_view_create(handle, 0, &view);
		if (err) {
			printf("no view: %s\n", strerror(-err));
			return 1;
		}
	}
	puts("held");
	fflush(stdout);
	pause();
	return 0;
}
