// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket of mcload: one command a connection, one line each way (but `probes` answers
 * with a line for each connection to the server, or with -X for each of its threads).
 */
#define _GNU_SOURCE
#include "mcload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void watch(struct load *load, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl: %s", strerror(errno));
}

void control_open(struct load *load)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	load->listener = -1;
	load->control = -1;
	if (!load->control_path)
		return;
	if (strlen(load->control_path) >= sizeof(address.sun_path))
		die("%s: path too long for a socket", load->control_path);
	strcpy(address.sun_path, load->control_path);
	unlink(load->control_path);
	load->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (load->listener < 0 ||
	    bind(load->listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(load->listener, 4))
		die("%s: %s", load->control_path, strerror(errno));
	watch(load, load->listener, &load->listener);
}

void control_accept(struct load *load)
{
	int fd = accept4(load->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (load->control >= 0)
		close(load->control);
	load->control = fd;
	watch(load, fd, &load->control);
}

static void show_probes(struct load *load, struct buffer *reply)
{
	static const char *const names[] = { "none", "old", "new" };

	for (unsigned int i = 0; i < load->nr_probed; i++)
		buffer_printf(reply, "%s %u %s\n", load->fresh ? "thread" : "connection", i,
			      names[load->last[i]]);
	buffer_printf(reply, "ok\n");
}

static void run_command(struct load *load, const char *command, struct buffer *reply)
{
	double seconds = (double)(now_ns() - load->start) / NSEC_PER_SEC;
	bool ok = true;

	if (!strncmp(command, "phase ", 6)) {
		ok = !stats_set_phase(load, command + 6);
	} else if (!strncmp(command, "mark ", 5)) {
		ok = !stats_mark(load, command + 5);
	} else if (!strcmp(command, "stop")) {
		load->stopping = true;
	} else if (!strcmp(command, "probes")) {
		show_probes(load, reply);
		return;
	} else if (strcmp(command, "status")) {
		ok = false;
	}
	if (ok)
		buffer_printf(reply, "ok %.3f s, %lu outstanding, %lu failed\n", seconds,
			      load->outstanding, load->trouble);
	else
		buffer_printf(reply, "error: not possible: %.100s\n", command);
}

/* A command is a line in one piece; what is no command is answered with an error. */
void control_serve(struct load *load)
{
	struct buffer reply = { 0 };
	char command[256];
	ssize_t len = recv(load->control, command, sizeof(command) - 1, 0);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len > 0) {
		command[len] = 0;
		command[strcspn(command, "\r\n")] = 0;
		run_command(load, command, &reply);
		if (send(load->control, reply.data, reply.len, MSG_NOSIGNAL) < 0)
			fprintf(stderr, "mcload: control socket: %s\n", strerror(errno));
		free(reply.data);
	}
	close(load->control);
	load->control = -1;
}

void control_close(struct load *load)
{
	if (load->listener < 0)
		return;
	close(load->listener);
	unlink(load->control_path);
}
