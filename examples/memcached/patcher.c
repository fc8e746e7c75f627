// SPDX-License-Identifier: GPL-2.0
/*
 * The patcher inside memcached: a thread that takes commands from a UNIX socket, one a connection,
 * and loads the shared objects of fixes. How the workers come to the fixed functions is told in
 * patcher_views.c and, for comparison, patcher_barrier.c.
 */
#define _GNU_SOURCE
#include "patcher.h"
#include "patcher_internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define COMMAND_MAX	1024
#define COMMAND_TIMEOUT	5	/* seconds */

static struct workers workers;
static char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* A client that has gone away changes nothing: the command goes on. */
void say(struct answer *answer, const char *format, ...)
{
	char line[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	if (len > 0 && send(answer->fd, line, len, MSG_NOSIGNAL) < 0)
		shutdown(answer->fd, SHUT_RDWR);
}

bool is_worker(pid_t tid, char comm[COMM_MAX])
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	file = fopen(path, "re");
	if (!file || !fgets(comm, COMM_MAX, file))
		strcpy(comm, "gone");
	if (file)
		fclose(file);
	comm[strcspn(comm, "\n")] = 0;
	return !strcmp(comm, WORKER_COMM);
}

/* Finds for each function of a fix the one it replaces. The object stays loaded for good. */
static int load_fix(struct answer *answer, const char *path, struct fix *fix)
{
	const char *const *names;

	fix->nr = 0;
	fix->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!fix->object) {
		say(answer, "error: %s\n", dlerror());
		return -1;
	}
	names = dlsym(fix->object, "patcher_fixed_functions");
	for (; names && *names; names++) {
		struct replacement *replacement = &fix->list[fix->nr++];

		if (fix->nr > MAX_FUNCTIONS)
			break;
		replacement->name = *names;
		replacement->old = dlsym(RTLD_DEFAULT, *names);
		replacement->new = dlsym(fix->object, *names);
		if (!replacement->old || !replacement->new ||
		    replacement->old == replacement->new)
			break;
	}
	if (names && !*names && fix->nr)
		return 0;
	say(answer, "error: %s: %s\n", path, !names || !*names ? "no fix" :
	    fix->nr > MAX_FUNCTIONS ? "too many functions" : *names);
	dlclose(fix->object);
	return -1;
}

static int apply(struct answer *answer, const char *path, bool barrier)
{
	struct fix fix;

	if (barrier ? views_busy() : barrier_busy()) {
		say(answer, "error: a fix is there in the other way; undo it first\n");
		return -1;
	}
	if (load_fix(answer, path, &fix))
		return -1;
	if (barrier)
		return barrier_apply(answer, &workers, &fix);
	return views_apply(answer, &workers, &fix);
}

/* Returns false when the patcher is to end. */
static bool run_command(struct answer *answer, char *command)
{
	char *argument = strchr(command, ' ');
	int error = 0;

	if (argument)
		*argument++ = 0;
	else
		argument = "";
	if (!strcmp(command, "apply") && *argument) {
		error = apply(answer, argument, false);
	} else if (!strcmp(command, "barrier-apply") && *argument) {
		error = apply(answer, argument, true);
	} else if (*argument) {
		error = -1;
		say(answer, "error: %s takes no argument, or is no command\n", command);
	} else if (!strcmp(command, "undo")) {
		error = views_undo(answer, &workers);
	} else if (!strcmp(command, "barrier-undo")) {
		error = barrier_undo(answer, &workers);
	} else if (!strcmp(command, "threads")) {
		error = views_threads(answer);
	} else if (!strcmp(command, "views")) {
		error = views_list(answer);
	} else if (!strcmp(command, "prepare")) {
		error = views_prepare(answer);
	} else if (!strcmp(command, "release")) {
		error = views_release(answer);
	} else if (!strcmp(command, "quit")) {
		error = views_close(answer);
	} else {
		error = -1;
		say(answer, "error: commands are: threads, views, prepare, release, "
		    "apply FILE, undo, barrier-apply FILE, barrier-undo, quit\n");
	}
	if (!error)
		say(answer, "ok\n");
	return error || strcmp(command, "quit");
}

static ssize_t read_line(int fd, char *line, size_t size)
{
	size_t len = 0;

	while (len < size - 1 && !memchr(line, '\n', len)) {
		ssize_t got = recv(fd, line + len, size - 1 - len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		len += got;
	}
	line[len] = 0;
	line[strcspn(line, "\r\n")] = 0;
	return len;
}

static void *serve(void *listener)
{
	struct timeval timeout = { .tv_sec = COMMAND_TIMEOUT };
	int socket = (intptr_t)listener;
	bool go_on = true;

	while (go_on) {
		struct answer answer = { .fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC) };
		char command[COMMAND_MAX];

		if (answer.fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (answer.fd < 0) {
			perror("patcher: accept");
			sleep(1);
			continue;
		}
		setsockopt(answer.fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		answer.start = now_ns();
		if (read_line(answer.fd, command, sizeof(command)) > 0)
			go_on = run_command(&answer, command);
		close(answer.fd);
	}
	close(socket);
	unlink(socket_path);
	return NULL;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;
	mode_t mask;

	strcpy(address.sun_path, path);
	unlink(path);
	/* Whoever may connect may run code in this process. */
	mask = umask(0177);
	error = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (fd >= 0 && !error && !listen(fd, 4))
		return fd;
	fprintf(stderr, "patcher: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool patcher_start(const char *path, unsigned int nr_workers, void (*wake)(void))
{
	pthread_t thread;
	int fd, error;

	if (!path)
		return true;
	if (strlen(path) >= sizeof(socket_path) || nr_workers > MAX_WORKERS) {
		fprintf(stderr, "patcher: %s: path too long, or more than %d workers\n", path,
			MAX_WORKERS);
		return false;
	}
	strcpy(socket_path, path);
	workers = (struct workers){ .nr = nr_workers, .wake = wake };
	fd = listen_at(path);
	if (fd < 0)
		return false;
	error = pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd);
	if (error) {
		fprintf(stderr, "patcher: %s\n", strerror(error));
		close(fd);
		return false;
	}
	pthread_setname_np(thread, "patcher");
	pthread_detach(thread);
	return true;
}
